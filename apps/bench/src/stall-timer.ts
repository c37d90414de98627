import type { Slice } from './stats/slice.js';

/** An I/O that takes longer than this is taken for lost. Slow disks with much to write out have been seen to take seconds. */
const STALL_MS = 15_000;

/** Ends a run in which an I/O never completes: it would otherwise wait for ever, and say nothing. */
export class StallTimer {
  /** Rejected when no I/O of the slice has completed for too long. */
  readonly reached: Promise<never>;
  #timer: NodeJS.Timeout | undefined;

  constructor(slice: Slice, stallMs: number = STALL_MS) {
    this.reached = new Promise((_, reject) => {
      let count = slice.count;
      const look = (): void => {
        if (slice.count === count) {
          reject(new Error(`no I/O has completed for ${stallMs / 1000} s, after ${count} that did`));
          return;
        }
        count = slice.count;
        this.#timer = setTimeout(look, stallMs);
      };
      this.#timer = setTimeout(look, stallMs);
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
