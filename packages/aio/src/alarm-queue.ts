import type { BlockTimers } from '@biodone/blockdev';
import { TailQueue, type TailQueueEntry } from '@biodone/sync';

/** A time at which something is to happen to a target, again and again for as long as it lives. */
export class Alarm<T> implements TailQueueEntry {
  readonly target: T;
  /** Told when the time has come. */
  ring: ((target: T) => void) | null = null;
  /** In milliseconds of the queue's clock. */
  dueMs = 0;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;

  constructor(target: T) {
    this.target = target;
  }
}

/**
 * The alarms of a pool, soonest first. One timer of the thread stands for all of them; who does not return to the event loop calls {@link run}. A new
 * one is sorted in from the end, since most are set for as long as those before.
 */
export class AlarmQueue<T> {
  readonly #timers: BlockTimers;
  readonly #queue = new TailQueue<Alarm<T>>();
  readonly #wake = (): void => {
    this.#cancelWake = null;
    this.run();
  };
  #cancelWake: (() => void) | null = null;
  #wakeAtMs = 0;

  constructor(timers: BlockTimers) {
    this.#timers = timers;
  }

  get length(): number {
    return this.#queue.length;
  }

  /** When the next one is due, in milliseconds of the clock; Infinity if none is. */
  get dueMs(): number {
    return this.#queue.first?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Sets an alarm, which never rings in here, for a time that is not Infinity. */
  set(alarm: Alarm<T>, dueMs: number, ring: (target: T) => void): void {
    alarm.dueMs = dueMs;
    alarm.ring = ring;
    let before = this.#queue.last;
    while (before !== null && before.dueMs > dueMs) before = this.#queue.previous(before);
    if (before === null) this.#queue.insertHead(alarm);
    else this.#queue.insertAfter(before, alarm);
    this.#arm();
  }

  /** Stops an alarm, if it is set. */
  stop(alarm: Alarm<T> | null): void {
    if (alarm === null || alarm.queue !== this.#queue) return;
    this.#queue.remove(alarm);
    this.#arm();
  }

  /** Rings those whose time has come. */
  run(): void {
    const nowMs = this.#timers.now();
    for (let alarm = this.#queue.first; alarm !== null && alarm.dueMs <= nowMs; alarm = this.#queue.first) {
      this.#queue.remove(alarm);
      alarm.ring?.(alarm.target);
    }
    this.#arm();
  }

  /** Sees to it that the thread's timer comes no later than the first is due. One that comes too early finds nothing, and is set again. */
  #arm(): void {
    const { dueMs } = this;
    const isNeeded = dueMs !== Number.POSITIVE_INFINITY;
    if (this.#cancelWake !== null && isNeeded && this.#wakeAtMs <= dueMs) return;
    this.#cancelWake?.();
    this.#cancelWake = null;
    if (!isNeeded) return;
    this.#wakeAtMs = dueMs;
    const delayMs = Math.min(Math.max(0, dueMs - this.#timers.now()), DELAY_MAX_MS);
    this.#cancelWake = this.#timers.after(delayMs, this.#wake, true);
  }
}

/** The longest that setTimeout can; what is due later is looked at in between. */
export const DELAY_MAX_MS: number = 2 ** 31 - 1;
