/** Buckets for each power of two: the middle of a bucket is at most 1/256 (0.4 %) away from any value in it. */
const BUCKETS_PER_OCTAVE = 128;
/** log2 of the above. */
const FRACTION_BITS = 7;
/** Values of 2^31 and more do not fit the processor's fast integers; they are scaled down by 2^10 first. */
const SCALED_FROM = 2 ** 31;
const SCALE_BITS = 10;
/** The largest value is 2^41 - 1 (36 minutes, in nanoseconds); larger ones count as that. */
const VALUE_MAX = 2 ** 41 - 1;
const BUCKET_COUNT = (41 - FRACTION_BITS + 1) * BUCKETS_PER_OCTAVE;

/**
 * Counts whole numbers (nanoseconds here) in buckets that grow with the numbers: exact below 256, within 0.4 % above. Its buckets are
 * those of fio's histogram, cut in two. Recording allocates nothing.
 */
export class Histogram {
  readonly #counts = new Float64Array(BUCKET_COUNT);

  /** Counts a value. Fractions are cut off, negative values count as 0. */
  record(value: number): void {
    const index = value < SCALED_FROM ? indexOf(value | 0) : indexOfLarge(value);
    this.#counts[index] = (this.#counts[index] as number) + 1;
  }

  /** How many values have been counted. */
  get count(): number {
    let sum = 0;
    for (const count of this.#counts) sum += count;
    return sum;
  }

  /** Adds all that another histogram has counted. */
  add(other: Histogram): void {
    for (let index = 0; index < BUCKET_COUNT; index++) {
      this.#counts[index] = (this.#counts[index] as number) + (other.#counts[index] as number);
    }
  }

  /**
   * The value that `fraction` of all values do not exceed: 0.99 for the 99th percentile. Null if nothing was counted.
   *
   * @param fraction above 0, at most 1
   */
  percentile(fraction: number): number | null {
    const total = this.count;
    if (total === 0) return null;
    // Rounding errors of the product must not push the rank of an exact share one further.
    const rank = Math.max(1, Math.ceil(total * fraction - 1e-6));
    let seen = 0;
    for (let index = 0; index < BUCKET_COUNT; index++) {
      seen += this.#counts[index] as number;
      if (seen >= rank) return middleOf(index);
    }
    return null;
  }
}

/** The bucket of an integer below 2^31. */
function indexOf(value: number): number {
  if (value < BUCKETS_PER_OCTAVE) return value < 0 ? 0 : value;
  const shift = 31 - FRACTION_BITS - Math.clz32(value);
  return shift * BUCKETS_PER_OCTAVE + (value >>> shift);
}

function indexOfLarge(value: number): number {
  const scaled = Math.floor(Math.min(value, VALUE_MAX) / 2 ** SCALE_BITS);
  return indexOf(scaled) + SCALE_BITS * BUCKETS_PER_OCTAVE;
}

/** The middle of a bucket, and the value itself where a bucket holds one value only. */
function middleOf(index: number): number {
  const shift = Math.max(0, Math.floor(index / BUCKETS_PER_OCTAVE) - 1);
  const lowest = (index - shift * BUCKETS_PER_OCTAVE) * 2 ** shift;
  return lowest + (2 ** shift - 1) / 2;
}
