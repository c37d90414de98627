/** How many operations there are between two looks at the clock: both sides of a ratio look equally often. */
const BATCH = 4096;

/**
 * The time that the processor has spent on this process, all of its threads, in milliseconds. What is measured here never waits, so on an idle
 * machine it is the time that has passed; on a busy one it leaves out when others had the processor.
 */
function processorTimeMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * Counts operations that take less time than a look at the clock, warms up, and says when it is enough. It tells where on the device each goes,
 * from the same seed in the same order, to whoever asks.
 */
export class Tally {
  #blockCount;
  #blockBytes;
  #state;
  #warmUpMs;
  #lengthMs;
  /** Since the last look, and before it. */
  #count = 0;
  #total = 0;
  #startedAt = 0;
  #endsAt = 0;
  #warmingUp = true;
  /** Operations in a second of the processor's time, when it is over. */
  perSecond = 0;

  constructor({ seed, warmUpMs, lengthMs, sizeBytes, blockBytes }) {
    this.#blockCount = sizeBytes / blockBytes;
    this.#blockBytes = blockBytes;
    // From a state of 0 the generator would not move.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
    this.#warmUpMs = warmUpMs;
    this.#lengthMs = lengthMs;
  }

  begin() {
    this.#startedAt = processorTimeMs();
    this.#endsAt = this.#startedAt + this.#warmUpMs;
  }

  /** Where the next operation goes, in bytes: Marsaglia's xorshift32. */
  nextOffset() {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return ((state >>> 0) % this.#blockCount) * this.#blockBytes;
  }

  /** Counts an operation, and says whether there is to be another one. */
  goesOn() {
    this.#count += 1;
    return this.#count < BATCH || this.#look();
  }

  #look() {
    // Those that are still under way when it is over do not count.
    if (this.perSecond !== 0) return false;
    this.#total += this.#count;
    this.#count = 0;
    const now = processorTimeMs();
    if (now < this.#endsAt) return true;
    if (this.#warmingUp) {
      this.#warmingUp = false;
      this.#total = 0;
      this.#startedAt = now;
      this.#endsAt = now + this.#lengthMs;
      return true;
    }
    this.perSecond = this.#total / ((now - this.#startedAt) / 1000);
    this.#count = BATCH;
    return false;
  }
}
