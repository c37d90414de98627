import type { BlockTimers } from '@biodone/blockdev';

/** How many looks at the clock share one reading: an operation that waits looks twice. */
const SHARED_BY = 64;

/**
 * The time by which pools measure, read once a batch: a reading costs more than most of what is measured, and allocates a number. It is used for
 * at most 64 looks, and not beyond the turn in which it was made.
 */
export class PoolClock {
  readonly #timers: BlockTimers;
  readonly #forget: () => void;
  readonly #onRead: () => void;
  #armed = false;
  #left = 0;
  #nowUs = 0;

  /** @param onRead is called once a batch, for what need not be looked at more often */
  constructor(timers: BlockTimers, onRead: () => void) {
    this.#timers = timers;
    this.#onRead = onRead;
    this.#forget = () => {
      this.#armed = false;
      this.#left = 0;
    };
  }

  /** Microseconds, as a 32-bit number that wraps around after 71 minutes: for differences, as 32-bit numbers. */
  nowUs(): number {
    if (this.#left > 0) this.#left -= 1;
    else this.read();
    return this.#nowUs;
  }

  /** As {@link nowUs}, of this very moment. */
  read(): number {
    this.#left = SHARED_BY - 1;
    this.#nowUs = Math.floor(this.#timers.now() * 1000) | 0;
    if (!this.#armed) {
      this.#armed = true;
      resolved.then(this.#forget);
    }
    this.#onRead();
    return this.#nowUs;
  }
}

const resolved = Promise.resolve();
