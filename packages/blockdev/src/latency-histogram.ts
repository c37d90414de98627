import { outOfRange } from './errors.js';

/** Buckets for each power of two: a value is at most 1/16 away from the middle of its bucket. */
const BUCKETS_PER_OCTAVE = 8;
const FRACTION_BITS = 3;
/** @internal */
export const HISTOGRAM_BUCKETS: number = (31 - FRACTION_BITS + 1) * BUCKETS_PER_OCTAVE;

/**
 * How often which latency occurred. It has a fixed size and records without an allocation; its resolution is 1/8 of the value, from 1
 * microsecond to 35 minutes. The times themselves are the batch clock's: see `BlockTimers`.
 */
export class LatencyHistogram {
  /** How many have been recorded. */
  count: number;
  /** The longest, in microseconds, exactly. */
  maxUs: number;
  readonly #buckets: Float64Array;

  /** Without arguments, an empty one. The others are of the devices' statistics. */
  constructor(buckets: Float64Array = new Float64Array(HISTOGRAM_BUCKETS), maxUs = 0) {
    this.#buckets = buckets;
    this.count = buckets.reduce((sum, count) => sum + count, 0);
    this.maxUs = maxUs;
  }

  /** Records one, in whole microseconds. */
  record(tookUs: number): void {
    const index = bucketOf(tookUs);
    this.#buckets[index] = (this.#buckets[index] as number) + 1;
    this.count += 1;
    if (tookUs > this.maxUs) this.maxUs = tookUs;
  }

  /** Adds all that another one has recorded. */
  add(other: LatencyHistogram): void {
    for (let index = 0; index < HISTOGRAM_BUCKETS; index++)
      this.#buckets[index] = (this.#buckets[index] as number) + (other.#buckets[index] as number);
    this.count += other.count;
    this.maxUs = Math.max(this.maxUs, other.maxUs);
  }

  /**
   * The latency that this share of all did not exceed, in microseconds; 0 if there are none.
   *
   * @param share from 0 to 1: 0.99 for the 99th percentile
   * @throws RangeError ERR_OUT_OF_RANGE
   */
  percentileUs(share: number): number {
    if (!(share >= 0 && share <= 1)) throw outOfRange('share', '>= 0 && <= 1, as 0.99', share);
    let left = Math.ceil(this.count * share);
    if (left === 0) return 0;
    for (let index = 0; index < HISTOGRAM_BUCKETS; index++) {
      left -= this.#buckets[index] as number;
      if (left <= 0) return Math.min(this.maxUs, endOf(index) - 1);
    }
    return this.maxUs;
  }

  /** The buckets that something is in: how many latencies in each were below which end, in microseconds. For exporters. */
  buckets(): { readonly belowUs: number; readonly count: number }[] {
    const used: { belowUs: number; count: number }[] = [];
    for (let index = 0; index < HISTOGRAM_BUCKETS; index++) {
      const count = this.#buckets[index] as number;
      if (count > 0) used.push({ belowUs: endOf(index), count });
    }
    return used;
  }
}

/** Which bucket a latency is in. @internal */
export function bucketOf(microseconds: number): number {
  if (microseconds < BUCKETS_PER_OCTAVE) return microseconds < 0 ? 0 : microseconds;
  const shift = 31 - FRACTION_BITS - Math.clz32(microseconds);
  return shift * BUCKETS_PER_OCTAVE + (microseconds >>> shift);
}

function endOf(index: number): number {
  if (index < 2 * BUCKETS_PER_OCTAVE) return index + 1;
  const shift = Math.floor(index / BUCKETS_PER_OCTAVE) - 1;
  return (index - shift * BUCKETS_PER_OCTAVE + 1) * 2 ** shift;
}
