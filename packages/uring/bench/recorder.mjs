import { performance } from 'node:perf_hooks';

/** Buckets for each power of two: the middle of a bucket is at most 1/128 away from any value in it. */
const BUCKETS_PER_OCTAVE = 64;
const FRACTION_BITS = 6;

/**
 * What every path in JavaScript asks for its next read, and tells of each completion. All of them share this code, so they carry the
 * same load: one clock read (performance.now()), one count in a histogram and one offset a read, and no allocation.
 *
 * The clock is read at the completion alone, which is also when the slot's next read is taken to start: a read's latency includes what
 * its requester does in between.
 */
export class Recorder {
  count = 0;
  #blockCount;
  #blockBytes;
  #state;
  #lengthMs;
  #warmUpMs;
  #onWarm = () => {};
  #warmingUp = true;
  #startedAt = 0;
  #endsAt = 0;
  #lastAt = 0;
  #submittedAt;
  #buckets = new Uint32Array((31 - FRACTION_BITS + 1) * BUCKETS_PER_OCTAVE);

  constructor({ depth, seed, warmUpMs, lengthMs, fileBytes, blockBytes }) {
    this.#blockCount = fileBytes / blockBytes;
    this.#blockBytes = blockBytes;
    // From a state of 0 the generator would not move.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
    this.#warmUpMs = warmUpMs;
    this.#lengthMs = lengthMs;
    this.#submittedAt = new Float64Array(depth);
  }

  /** Calls back when the path is warm: what was recorded until then is forgotten. */
  set onWarm(callback) {
    this.#onWarm = callback;
  }

  /** Starts the clock. Called right before the first read. */
  begin() {
    const now = performance.now();
    this.#endsAt = now + this.#warmUpMs;
    this.#submittedAt.fill(now);
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

  /** Accounts for a read that is done, and says whether its slot is to start another one. */
  complete(slot, bytesRead) {
    if (bytesRead !== this.#blockBytes) throw new Error(`a read came to ${bytesRead}, not to ${this.#blockBytes} bytes`);
    const now = performance.now();
    this.#buckets[bucketOf((now - this.#submittedAt[slot]) * 1e6)]++;
    this.#submittedAt[slot] = now;
    this.#lastAt = now;
    this.count += 1;
    return now < this.#endsAt || this.#goesOn(now);
  }

  /** After the warm-up it is only the beginning. */
  #goesOn(now) {
    if (!this.#warmingUp) return false;
    this.#warmingUp = false;
    this.#onWarm();
    this.#buckets.fill(0);
    this.count = 0;
    this.#startedAt = now;
    this.#endsAt = now + this.#lengthMs;
    return true;
  }

  get iops() {
    return this.count / ((this.#lastAt - this.#startedAt) / 1000);
  }

  /** The latency that this share of all reads did not exceed, in microseconds. */
  percentileUs(share) {
    let left = Math.ceil(this.count * share);
    const index = this.#buckets.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    return middleOf(index) / 1000;
  }
}

function bucketOf(nanoseconds) {
  const value = nanoseconds < 0x7fffffff ? nanoseconds | 0 : 0x7fffffff;
  if (value < BUCKETS_PER_OCTAVE) return value;
  const shift = 31 - FRACTION_BITS - Math.clz32(value);
  return shift * BUCKETS_PER_OCTAVE + (value >>> shift);
}

function middleOf(index) {
  const shift = Math.max(0, Math.floor(index / BUCKETS_PER_OCTAVE) - 1);
  return (index - shift * BUCKETS_PER_OCTAVE + 0.5) * 2 ** shift;
}
