import type { BlockTimers } from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import { AIO_TIMING, type AioOp } from './aio-op.js';
import type { AioTimer } from './aio-timer.js';

/**
 * The timeouts whose time runs, soonest first. One timer of the thread stands for all of them; who does not return to the event loop calls
 * {@link run}. A new one is sorted in from the end, since most are set for as long as those before.
 */
export class TimerQueue {
  readonly #timers: BlockTimers;
  /** Ends a timeout: with 0 if enough has completed, with ETIME if its time has come. */
  readonly #end: (op: AioOp, isDue: boolean) => void;
  readonly #queue = new TailQueue<AioOp>();
  readonly #wake = (): void => {
    this.#cancelWake = null;
    this.run();
  };
  #cancelWake: (() => void) | null = null;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  /** How many wait for completions. */
  #counting = 0;

  constructor(timers: BlockTimers, end: (op: AioOp, isDue: boolean) => void) {
    this.#timers = timers;
    this.#end = end;
  }

  get length(): number {
    return this.#queue.length;
  }

  /** When the next one is due, in milliseconds of the clock; Infinity if none is. */
  get dueMs(): number {
    return this.#queue.first?.rare.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Lets the time of a timeout run. It never ends in here. */
  add(op: AioOp): void {
    const { rare } = op;
    const { timeoutMs, absolute = false, count = 0 } = rare.timer as AioTimer;
    rare.dueMs = absolute ? timeoutMs : this.#timers.now() + timeoutMs;
    rare.countLeft = count;
    if (count > 0) this.#counting += 1;
    op.phase = AIO_TIMING;
    let before = this.#queue.last;
    while (before !== null && before.rare.dueMs > rare.dueMs) before = this.#queue.previous(before);
    if (before === null) this.#queue.insertHead(op);
    else this.#queue.insertAfter(before, op);
    this.#arm();
  }

  /** Takes one out. */
  remove(op: AioOp): void {
    this.#take(op);
    this.#arm();
  }

  /** Ends those whose time has come. Returns how many. */
  run(): number {
    const nowMs = this.#timers.now();
    let count = 0;
    for (let op = this.#queue.first; op !== null && op.rare.dueMs <= nowMs; op = this.#queue.first) {
      count += 1;
      this.#take(op);
      this.#end(op, true);
    }
    this.#arm();
    return count;
  }

  /** An operation of the pool has completed. */
  completed(): void {
    if (this.#counting === 0) return;
    for (let op = this.#queue.first; op !== null; ) {
      const next = this.#queue.next(op);
      if (op.rare.countLeft > 0) this.#count(op);
      op = next;
    }
    this.#arm();
  }

  #count(op: AioOp): void {
    op.rare.countLeft -= 1;
    if (op.rare.countLeft > 0) return;
    this.#take(op);
    this.#end(op, false);
  }

  #take(op: AioOp): void {
    this.#queue.remove(op);
    if ((op.rare.timer?.count ?? 0) > 0) this.#counting -= 1;
  }

  /** Sees to it that the thread's timer is that of the first. */
  #arm(): void {
    const { dueMs } = this;
    if (this.#cancelWake !== null && this.#wakeAtMs === dueMs) return;
    this.#cancelWake?.();
    this.#wakeAtMs = dueMs;
    this.#cancelWake = null;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(Math.max(0, dueMs - this.#timers.now()), DELAY_MAX_MS);
    this.#cancelWake = this.#timers.after(delayMs, this.#wake, true);
  }
}

/** The longest that setTimeout can; what is due later is looked at in between. */
const DELAY_MAX_MS = 2 ** 31 - 1;
