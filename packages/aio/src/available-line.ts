import type { BlockTimers } from '@biodone/blockdev';
import { SoftInterrupt } from '@biodone/sync';

/** Is called when there is room: with 0, or with EBADF if there never will be, because the pool is closed. */
export type AvailableCallback = (error: number) => void;

/** A place in the line. */
export interface Waiter {
  readonly callback: AvailableCallback;
  readonly bytes: number;
  readonly count: number;
}

/** After how many milliseconds the line is looked at although nothing has told that there is room. */
const RECHECK_MS = 1000;

/**
 * Who waits for room in a pool, in order. Each is called when there is room, and the next one if there is room still. Nobody else gets the room that the
 * first one waits for, or those whose operations are submitted again and again would leave none.
 *
 * It is woken by what makes room, and by a timer, should that ever fail to be told (rule 9).
 */
export class AvailableLine {
  readonly #waiting: Waiter[] = [];
  readonly #timers: BlockTimers;
  readonly #hasRoom: (bytes: number, count: number) => boolean;
  readonly #tell: SoftInterrupt;
  #cancelTimer: (() => void) | null = null;
  #error = 0;
  /** Who waits for room in any pool of the class that the pool belongs to. */
  parent: AvailableLine | null = null;
  /** How many operations who is being told may submit: what is kept for the next in line is beside that. */
  turn = 0;

  constructor(timers: BlockTimers, hasRoom: (bytes: number, count: number) => boolean) {
    this.#timers = timers;
    this.#hasRoom = hasRoom;
    this.#tell = new SoftInterrupt((budget) => this.#run(budget));
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Whom the next room is kept for. */
  get first(): Readonly<Pick<Waiter, 'bytes' | 'count'>> | null {
    return this.#waiting[0] ?? null;
  }

  /** @param bytes for how many bytes there is to be room, and for how many operations */
  add(callback: AvailableCallback, bytes: number, count: number): Waiter {
    const waiter = { callback, bytes, count };
    this.#waiting.push(waiter);
    this.#watch();
    // Never in here, also if there is room now.
    if (this.#waiting.length === 1) this.#tell.schedule();
    return waiter;
  }

  /** Gives a place up, if there still is one. Who is behind it may have room. */
  remove(waiter: Waiter): void {
    const index = this.#waiting.indexOf(waiter);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    if (this.#waiting.length === 0) this.#unwatch();
    else this.#tell.schedule();
  }

  /** There may be room. */
  wake(): void {
    this.parent?.wake();
    if (this.#waiting.length > 0) this.#tell.schedule();
  }

  /** As {@link wake}, for a thread that does not return to its event loop. */
  poll(): number {
    return this.#waiting.length === 0 ? 0 : this.#tell.runNow(this.#waiting.length);
  }

  /** There will be no room any more. */
  close(error: number): void {
    this.fail(error);
    this.wake();
  }

  /** As {@link close}, for who is asked whether there is room. */
  fail(error: number): void {
    this.#error = error;
  }

  #run(budget: number): number {
    let count = 0;
    try {
      while (count < budget && this.#isServable()) {
        const waiter = this.#waiting.shift() as Waiter;
        count += 1;
        this.turn = waiter.count;
        waiter.callback(this.#error);
      }
    } finally {
      this.turn = 0;
      if (this.#waiting.length === 0) this.#unwatch();
      else if (this.#isServable()) this.#tell.schedule();
    }
    return count;
  }

  #isServable(): boolean {
    const first = this.#waiting[0];
    return first !== undefined && (this.#hasRoom(first.bytes, first.count) || this.#error !== 0);
  }

  #watch(): void {
    if (this.#cancelTimer !== null) return;
    const look = (): void => {
      this.#cancelTimer = null;
      if (this.#waiting.length === 0) return;
      this.#watch();
      this.wake();
    };
    this.#cancelTimer = this.#timers.after(RECHECK_MS, look, false);
  }

  #unwatch(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }
}
