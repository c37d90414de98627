import { BIN_COUNT, binOf, valueOfBin } from './fio-bins.js';

/** Where the other numbers stand, behind the bins. */
const MAX = BIN_COUNT;
/** How far the least value is below the largest safe integer: so zeroed memory is an empty histogram, and the least is a greatest too. */
const ROOM = BIN_COUNT + 1;
const SUM = BIN_COUNT + 2;
const SUM_OF_SQUARES = BIN_COUNT + 3;

/** A histogram as plain data: what is saved, and sent between threads. */
export interface HistogramData {
  /** 0 if nothing was counted, as in fio's reports. */
  readonly minNs: number;
  readonly maxNs: number;
  readonly sumNs: number;
  /** Of nanoseconds, so that the standard deviation can be computed of merged histograms. */
  readonly sumOfSquares: number;
  /** Number and count of each bin that is not empty, in rising order. */
  readonly bins: readonly (readonly [bin: number, count: number])[];
}

/**
 * Counts latencies in fio's bins: how many there are in each is exact, the value of a percentile is within 0.78 %; least, largest and sum are
 * exact too. Recording allocates nothing. Its numbers lie in memory that may be shared: one thread records, and any thread can read
 * meanwhile, who then sees the last record in some of the numbers and perhaps not yet in others.
 */
export class LatencyHistogram {
  /** How many numbers one takes. */
  static readonly LENGTH: number = BIN_COUNT + 4;

  readonly #numbers: Float64Array;

  /** @param numbers where its numbers are: zeros for a new one, or what has been counted there. Memory of its own by default. */
  constructor(numbers: Float64Array = new Float64Array(LatencyHistogram.LENGTH)) {
    if (numbers.length !== LatencyHistogram.LENGTH) throw new RangeError(`a histogram takes ${LatencyHistogram.LENGTH} numbers`);
    this.#numbers = numbers;
  }

  /** One that has counted what the data say. */
  static from(data: HistogramData): LatencyHistogram {
    const histogram = new LatencyHistogram();
    const numbers = histogram.#numbers;
    for (const [bin, count] of data.bins) numbers[bin] = count;
    if (data.bins.length === 0) return histogram;
    numbers[MAX] = data.maxNs;
    numbers[ROOM] = Number.MAX_SAFE_INTEGER - data.minNs;
    numbers[SUM] = data.sumNs;
    numbers[SUM_OF_SQUARES] = data.sumOfSquares;
    return histogram;
  }

  /** Counts a latency in nanoseconds. Fractions are cut off; one below 0 counts as 0, one of 2^34 (17 s) and more is in the last bin. */
  record(latencyNs: number): void {
    const numbers = this.#numbers;
    const valueNs = latencyNs > 0 ? Math.floor(latencyNs) : 0;
    const bin = binOf(valueNs);
    const room = Number.MAX_SAFE_INTEGER - valueNs;
    numbers[bin] = (numbers[bin] as number) + 1;
    if (valueNs > (numbers[MAX] as number)) numbers[MAX] = valueNs;
    if (room > (numbers[ROOM] as number)) numbers[ROOM] = room;
    numbers[SUM] = (numbers[SUM] as number) + valueNs;
    numbers[SUM_OF_SQUARES] = (numbers[SUM_OF_SQUARES] as number) + valueNs * valueNs;
  }

  /** Adds all that another one has counted. */
  add(other: LatencyHistogram): void {
    const numbers = this.#numbers;
    const others = other.#numbers;
    for (let bin = 0; bin < BIN_COUNT; bin++) numbers[bin] = (numbers[bin] as number) + (others[bin] as number);
    for (const at of [SUM, SUM_OF_SQUARES]) numbers[at] = (numbers[at] as number) + (others[at] as number);
    for (const at of [MAX, ROOM]) numbers[at] = Math.max(numbers[at] as number, others[at] as number);
  }

  /** Forgets everything, as at the end of a ramp. */
  clear(): void {
    this.#numbers.fill(0);
  }

  /** How many latencies have been counted. */
  get count(): number {
    let sum = 0;
    for (let bin = 0; bin < BIN_COUNT; bin++) sum += this.#numbers[bin] as number;
    return sum;
  }

  /** The least latency, 0 if there is none. */
  get minNs(): number {
    const room = this.#numbers[ROOM] as number;
    return room === 0 ? 0 : Number.MAX_SAFE_INTEGER - room;
  }

  /** The largest latency, 0 if there is none. */
  get maxNs(): number {
    return this.#numbers[MAX] as number;
  }

  get sumNs(): number {
    return this.#numbers[SUM] as number;
  }

  /** 0 if nothing was counted, as in fio's reports. */
  get meanNs(): number {
    const { count } = this;
    return count === 0 ? 0 : this.sumNs / count;
  }

  /** The standard deviation of the sample, 0 for fewer than two. */
  get stddevNs(): number {
    const { count, sumNs } = this;
    if (count < 2) return 0;
    const squares = this.#numbers[SUM_OF_SQUARES] as number;
    return Math.sqrt(Math.max(0, squares - (sumNs * sumNs) / count) / (count - 1));
  }

  /**
   * The latency that `fraction` of all do not exceed: 0.99 for the 99th percentile. Null if nothing was counted.
   *
   * @param fraction above 0, at most 1
   */
  percentile(fraction: number): number | null {
    const { count } = this;
    if (count === 0) return null;
    // Rounding errors of the product must not push the rank of an exact share one further.
    const rank = Math.max(1, Math.ceil(count * fraction - 1e-6));
    if (rank >= count) return this.maxNs;
    let seen = 0;
    for (let bin = 0; bin < BIN_COUNT; bin++) {
      seen += this.#numbers[bin] as number;
      // The middle of the first and the last bin can lie beyond what was counted.
      if (seen >= rank) return Math.min(this.maxNs, Math.max(this.minNs, valueOfBin(bin)));
    }
    return null;
  }

  /** The numbers of the bins that are not empty, with what they have counted. */
  bins(): [bin: number, count: number][] {
    const bins: [number, number][] = [];
    for (let bin = 0; bin < BIN_COUNT; bin++) {
      const count = this.#numbers[bin] as number;
      if (count > 0) bins.push([bin, count]);
    }
    return bins;
  }

  toData(): HistogramData {
    const { minNs, maxNs, sumNs } = this;
    return { minNs, maxNs, sumNs, sumOfSquares: this.#numbers[SUM_OF_SQUARES] as number, bins: this.bins() };
  }
}
