/** Where a device takes the time from. A simulator passes its own. */
export interface BlockTimers {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /**
   * Calls back once after so many milliseconds; the returned function takes that back.
   *
   * @param keepsAlive whether the process waits for it
   */
  after(delayMs: number, callback: () => void, keepsAlive: boolean): () => void;
  /** Blocks the thread. */
  sleep(delayMs: number): void;
}

/** How many milliseconds {@link BatchClock.coarse} counts as one: a little less than half of what 31 bits of microseconds can tell apart. */
export const COARSE_MS: number = 2 ** 20;

/** How many looks at the clock share one reading: a request looks twice. */
const SHARED_BY = 64;

/**
 * The time, read once a batch: a clock costs more than a request to a fast device. A reading is used for at most 64 looks, and not beyond
 * the turn of the event loop in which it was made, so a time is late by at most what 32 requests take.
 */
export class BatchClock {
  /** For {@link tick}. */
  left = 0;
  us = 0;
  /** The same reading in units of {@link COARSE_MS}, for what may last longer than {@link us} can tell. As it, a small integer. */
  coarse = 0;
  /** How many readings there have been: it says whether what is done once a batch is to be done again. It wraps around. */
  readings = 0;
  readonly #timers: BlockTimers;
  readonly #forget: () => void;
  /** Whether the end of this turn will make the reading old. */
  #armed = false;
  /** Null at first, so that it is kept as an object, which need not be made for every look. */
  #nowMs: number | null = null;

  constructor(timers: BlockTimers) {
    this.#timers = timers;
    this.#forget = () => {
      this.#armed = false;
      this.left = 0;
    };
  }

  /**
   * Microseconds, as a 32-bit number that wraps around after 71 minutes: an integer that small is no object, so that it can be kept and passed
   * on without an allocation. For differences, as 32-bit numbers.
   */
  tick(): number {
    if (--this.left < 0) this.read();
    return this.us;
  }

  /** What the next {@link tick} returns, which is not one of the looks that share a reading. */
  current(): number {
    if (this.left <= 0) this.read();
    return this.us;
  }

  /** The same reading in milliseconds, which do not wrap around. */
  get nowMs(): number {
    this.tick();
    return this.#nowMs as number;
  }

  /** Makes the next look a reading: after a wait. */
  forget(): void {
    this.left = 0;
  }

  /** As {@link tick}, of this very moment. */
  readNow(): number {
    this.read();
    return this.us;
  }

  /** For {@link tick}, which is small so that it is part of who calls it. */
  read(): void {
    this.left = SHARED_BY - 1;
    this.readings = (this.readings + 1) | 0;
    const nowMs = this.#timers.now();
    this.#nowMs = nowMs;
    this.us = Math.floor(nowMs * 1000) | 0;
    this.coarse = Math.floor(nowMs / COARSE_MS) | 0;
    if (!this.#armed) {
      this.#armed = true;
      resolved.then(this.#forget);
    }
  }
}

/** The clock that all devices with the same timers share: they are mostly used together, and read it once a batch for all of them. */
export function clockOf(timers: BlockTimers): BatchClock {
  let clock = clocks.get(timers);
  if (clock === undefined) {
    clock = new BatchClock(timers);
    clocks.set(timers, clock);
  }
  return clock;
}

const clocks = new WeakMap<BlockTimers, BatchClock>();
const resolved = Promise.resolve();
const sleepWord = new Int32Array(new SharedArrayBuffer(4));

/** The time of this thread. */
export const threadTimers: BlockTimers = {
  now: () => performance.now(),
  after: (delayMs, callback, keepsAlive) => {
    const timer = setTimeout(callback, delayMs);
    if (!keepsAlive) timer.unref();
    return () => clearTimeout(timer);
  },
  // Nobody notifies this word, so the wait ends by its time alone.
  sleep: (delayMs) => void Atomics.wait(sleepWord, 0, 0, delayMs),
};
