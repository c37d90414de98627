/** How long a thread should be busy with what it takes at a time. */
const BATCH_MS = 0.1;

/**
 * How many operations a service thread takes at a time: as many as it starts, or does, in about 0.1 ms, so that fast ones are worth a wake-up, and
 * slow ones are shared with the other threads and told of soon. The clock is read twice a batch.
 */
export class BatchSize {
  static readonly MAX = 64;
  size = 1;
  /** How long each operation of the last batch took, in nanoseconds. */
  paceNs = 0;
  #beganMs = 0;
  readonly #now: () => number;

  /** @param now the clock, in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  begin(): void {
    this.#beganMs = this.#now();
  }

  end(count: number): void {
    const eachMs = (this.#now() - this.#beganMs) / count;
    const paceNs = Math.min(1e9, Math.round(eachMs * 1e6));
    this.paceNs = this.paceNs === 0 ? paceNs : Math.min(paceNs, Math.ceil(this.paceNs * 1.25));
    const fits = Math.max(1, Math.min(BatchSize.MAX, Math.floor(BATCH_MS / eachMs)));
    // Down at once, and up by doubling: one slow operation tells more than many fast ones.
    this.size = Math.min(fits, this.size * 2);
  }
}
