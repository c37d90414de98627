import { type HistogramData, LatencyHistogram } from './latency-histogram.js';

/** The numbers of a direction, before those of its histograms. */
const IOS = 0;
const BYTES = 1;
const SHORT = 2;
const DROPPED = 3;
const RUNTIME = 4;
const COUNTERS = 5;

/** The histograms, in the order in which they lie. */
const HISTOGRAMS = 5;

/** What one direction of a job did, as plain data. */
export interface DirectionData {
  readonly totalIos: number;
  readonly bytes: number;
  /** I/Os that moved less than they should, and were continued. */
  readonly shortIos: number;
  /** I/Os that were given up. */
  readonly droppedIos: number;
  /** From the job's beginning to the direction's last completion. */
  readonly runtimeMs: number;
  /** From the beginning of the submission to its end. */
  readonly submission: HistogramData;
  /** From the end of the submission to the completion. */
  readonly completion: HistogramData;
  /** Both together: the time that the service of an I/O takes. */
  readonly total: HistogramData;
  /** Open loop only, else null: from when the I/O should have been submitted to its completion. */
  readonly response: HistogramData | null;
  /** Open loop only, else null: how much later than intended I/Os were submitted. */
  readonly lateness: HistogramData | null;
}

/**
 * Counts the I/Os of one direction of one job. Recording allocates nothing, and all numbers lie in memory that may be shared, so that another
 * thread can show the progress of one that never returns to its event loop.
 */
export class DirectionRecorder {
  /** How many numbers one takes. */
  static readonly LENGTH: number = COUNTERS + HISTOGRAMS * LatencyHistogram.LENGTH;

  /** slat, clat and lat in fio's words. */
  readonly submission: LatencyHistogram;
  readonly completion: LatencyHistogram;
  readonly total: LatencyHistogram;
  readonly response: LatencyHistogram;
  readonly lateness: LatencyHistogram;
  readonly #counters: Float64Array;

  constructor(numbers: Float64Array = new Float64Array(DirectionRecorder.LENGTH)) {
    if (numbers.length !== DirectionRecorder.LENGTH)
      throw new RangeError(`a direction takes ${DirectionRecorder.LENGTH} numbers`);
    const histogram = (index: number): LatencyHistogram => {
      const start = COUNTERS + index * LatencyHistogram.LENGTH;
      return new LatencyHistogram(numbers.subarray(start, start + LatencyHistogram.LENGTH));
    };
    this.#counters = numbers.subarray(0, COUNTERS);
    this.submission = histogram(0);
    this.completion = histogram(1);
    this.total = histogram(2);
    this.response = histogram(3);
    this.lateness = histogram(4);
  }

  /**
   * Counts an I/O of a closed loop that has completed whole.
   *
   * @param submissionNs how long it took to submit it
   * @param completionNs from then to its completion
   */
  complete(bytes: number, submissionNs: number, completionNs: number): void {
    const counters = this.#counters;
    counters[IOS] = (counters[IOS] as number) + 1;
    counters[BYTES] = (counters[BYTES] as number) + bytes;
    this.submission.record(submissionNs);
    this.completion.record(completionNs);
    this.total.record(submissionNs + completionNs);
  }

  /**
   * The same for an open loop.
   *
   * @param latenessNs how much later than planned its submission began
   */
  completePlanned(bytes: number, submissionNs: number, completionNs: number, latenessNs: number): void {
    this.complete(bytes, submissionNs, completionNs);
    this.lateness.record(latenessNs);
    this.response.record((latenessNs > 0 ? latenessNs : 0) + submissionNs + completionNs);
  }

  /** Counts an I/O that moved less than it should, and is continued. */
  countShort(): void {
    this.#counters[SHORT] = (this.#counters[SHORT] as number) + 1;
  }

  /** Counts an I/O that was given up. */
  countDropped(): void {
    this.#counters[DROPPED] = (this.#counters[DROPPED] as number) + 1;
  }

  /** Says how long the measured time has been so far: from its beginning to the last completion. At the end at least, and for who watches. */
  setRuntime(runtimeMs: number): void {
    this.#counters[RUNTIME] = runtimeMs;
  }

  /** Adds all that the same direction of another job has counted, which ran beside it. */
  add(other: DirectionRecorder): void {
    const counters = this.#counters;
    const others = other.#counters;
    for (let at = 0; at < RUNTIME; at++) counters[at] = (counters[at] as number) + (others[at] as number);
    counters[RUNTIME] = Math.max(counters[RUNTIME] as number, others[RUNTIME] as number);
    this.submission.add(other.submission);
    this.completion.add(other.completion);
    this.total.add(other.total);
    this.response.add(other.response);
    this.lateness.add(other.lateness);
  }

  /** Forgets everything, as at the end of a ramp. */
  clear(): void {
    this.#counters.fill(0);
    for (const histogram of [this.submission, this.completion, this.total, this.response, this.lateness]) histogram.clear();
  }

  get totalIos(): number {
    return this.#counters[IOS] as number;
  }

  /** From the beginning of the measured time to the last completion that was published. */
  get runtimeMs(): number {
    return this.#counters[RUNTIME] as number;
  }

  get bytes(): number {
    return this.#counters[BYTES] as number;
  }

  toData(): DirectionData {
    const counters = this.#counters;
    const response = this.response.toData();
    const isOpenLoop = response.bins.length > 0;
    return {
      totalIos: this.totalIos,
      bytes: this.bytes,
      shortIos: counters[SHORT] as number,
      droppedIos: counters[DROPPED] as number,
      runtimeMs: counters[RUNTIME] as number,
      submission: this.submission.toData(),
      completion: this.completion.toData(),
      total: this.total.toData(),
      response: isOpenLoop ? response : null,
      lateness: isOpenLoop ? this.lateness.toData() : null,
    };
  }
}
