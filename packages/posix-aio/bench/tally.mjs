/** How many completions there are between two looks at the clock: fio too is told not to look at each. */
const LOOK_EVERY = 64;

/** What each path asks for its next read, and tells of each completion: the same few instructions for all. */
export class Tally {
  count = 0;
  #blockCount;
  #blockBytes;
  #state;
  #lengthMs;
  #warmUpMs;
  #warm = false;
  #startedAt = performance.now();
  #endedAt = 0;
  #untilLook = LOOK_EVERY;

  constructor({ seed, warmUpMs, lengthMs, fileBytes, blockBytes }) {
    this.#blockCount = fileBytes / blockBytes;
    this.#blockBytes = blockBytes;
    // From a state of 0 the generator would not move.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
    this.#warmUpMs = warmUpMs;
    this.#lengthMs = lengthMs;
  }

  /** Where in the file the next read goes, in bytes: Marsaglia's xorshift32. */
  nextOffset() {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return ((state >>> 0) % this.#blockCount) * this.#blockBytes;
  }

  /** Accounts for a read that is done, and says whether there is to be another one. */
  complete(bytesRead) {
    if (bytesRead !== this.#blockBytes) throw new Error(`a read came to ${bytesRead}, not to ${this.#blockBytes} bytes`);
    this.count += 1;
    this.#untilLook -= 1;
    return this.#untilLook > 0 || this.#look();
  }

  #look() {
    this.#untilLook = LOOK_EVERY;
    const now = performance.now();
    const tookMs = now - this.#startedAt;
    if (this.#warm) {
      this.#endedAt = now;
      return tookMs < this.#lengthMs;
    }
    if (tookMs >= this.#warmUpMs) {
      this.#warm = true;
      this.count = 0;
      this.#startedAt = now;
    }
    return true;
  }

  get iops() {
    return this.count / ((this.#endedAt - this.#startedAt) / 1000);
  }
}
