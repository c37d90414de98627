import { BLOCK_OPERATION_NAMES } from './block-io.js';
import { bucketOf, HISTOGRAM_BUCKETS, LatencyHistogram } from './latency-histogram.js';

/** What has become of the requests of one operation, until now: as iostat(8) has it. */
export interface OperationStatistics {
  /** How many have completed, with an error or without. */
  readonly completed: number;
  readonly errors: number;
  /** How many bytes they have moved. */
  readonly bytes: number;
  /** The sum of all latencies, in microseconds. */
  readonly totalUs: number;
  /** How long requests took, from `strategy` to the callback. */
  readonly latency: LatencyHistogram;
}

/** What a device has done since it was opened, or since the last `resetStatistics()`. */
export interface DeviceStatistics {
  /** By the operation's name: the operations that have been used. */
  readonly operations: Readonly<Record<string, OperationStatistics>>;
  /**
   * How many requests are in flight now, and the most there have been at a time. Those that are done when they are given to the driver, as
   * synchronous ones, and those of a device above where `progress` is `'none'`, never are.
   */
  readonly inFlight: number;
  readonly inFlightMax: number;
  /** For how many milliseconds at least one was (iostat's busy time). */
  readonly busyMs: number;
  /** How many the driver ended with EAGAIN, and got again. */
  readonly retries: number;
  /** How many had to wait for the driver to have room for them. */
  readonly queued: number;
  /** How many were reported as having taken too long. */
  readonly timeouts: number;
}

/** Where in an operation's row what is counted; the histogram's buckets follow. */
const BYTES = 0;
const TOTAL_US = 1;
const ERRORS = 2;
const MAX_US = 3;
const FIRST_BUCKET = 4;
const ROW = FIRST_BUCKET + HISTOGRAM_BUCKETS;
const OPERATIONS = BLOCK_OPERATION_NAMES.length;

/**
 * A device's counters, or those of a layer above that counts its own requests, which the hot path writes: no look-up by a string, no allocation. They are side by side, because what a request's memory
 * leaves of the processor's cache is little.
 */
export class Counters {
  timeouts = 0;
  readonly #rows = new Float64Array(OPERATIONS * ROW);
  #busyUs = 0;
  #busySinceUs = 0;
  /** What the last request was that ended, and how many like it are not in the rows. */
  #operation = 0;
  #bytes = 0;
  #tookUs = 0;
  #repeats = 0;

  /** The first request has come. */
  busy(nowUs: number): void {
    this.#busySinceUs = nowUs;
  }

  /** The last one has gone. */
  idle(nowUs: number): void {
    this.#busyUs += (nowUs - this.#busySinceUs) | 0;
  }

  /** A request has ended. One that is as the one before is only counted: they mostly come in rows. */
  done(operation: number, error: number, bytes: number, tookUs: number): void {
    if (tookUs === this.#tookUs && bytes === this.#bytes && operation === this.#operation && error === 0) this.#repeats += 1;
    else this.#next(operation, error, bytes, tookUs);
  }

  /** So many requests have ended as they should, and taken no time that could be told. */
  add(operation: number, bytes: number, count: number): void {
    if (count === 0) return;
    const rows = this.#rows;
    const row = operation * ROW;
    const bucket = row + FIRST_BUCKET + bucketOf(0);
    rows[bucket] = (rows[bucket] as number) + count;
    rows[row + BYTES] = (rows[row + BYTES] as number) + bytes * count;
  }

  #next(operation: number, error: number, bytes: number, tookUs: number): void {
    this.#write();
    // What nobody knows has no row.
    if (!Number.isInteger(operation) || operation < 0 || operation >= OPERATIONS) return;
    const rows = this.#rows;
    const row = operation * ROW;
    if (error !== 0) rows[row + ERRORS] = (rows[row + ERRORS] as number) + 1;
    if (tookUs > (rows[row + MAX_US] as number)) rows[row + MAX_US] = tookUs;
    this.#operation = operation;
    this.#bytes = bytes;
    this.#tookUs = tookUs;
    this.#repeats = 1;
  }

  /** Adds those that were only counted. */
  #write(): void {
    const count = this.#repeats;
    const rows = this.#rows;
    const row = this.#operation * ROW;
    const bucket = row + FIRST_BUCKET + bucketOf(this.#tookUs);
    rows[bucket] = (rows[bucket] as number) + count;
    rows[row + BYTES] = (rows[row + BYTES] as number) + this.#bytes * count;
    rows[row + TOTAL_US] = (rows[row + TOTAL_US] as number) + this.#tookUs * count;
    this.#repeats = 0;
  }

  busyMs(nowUs: number, inFlight: number): number {
    return (this.#busyUs + (inFlight > 0 ? (nowUs - this.#busySinceUs) | 0 : 0)) / 1000;
  }

  operations(): Record<string, OperationStatistics> {
    this.#write();
    const used = BLOCK_OPERATION_NAMES.map((name, operation) => [name, this.#row(operation)] as const);
    return Object.fromEntries(used.filter(([, { completed }]) => completed > 0));
  }

  reset(nowUs: number): void {
    this.timeouts = 0;
    this.#busyUs = 0;
    this.#busySinceUs = nowUs;
    // As at first: the next request is not like one whose time the rows have forgotten.
    this.#operation = 0;
    this.#bytes = 0;
    this.#tookUs = 0;
    this.#repeats = 0;
    this.#rows.fill(0);
  }

  #row(operation: number): OperationStatistics {
    const row = this.#rows.slice(operation * ROW, (operation + 1) * ROW);
    const latency = new LatencyHistogram(row.subarray(FIRST_BUCKET), row[MAX_US]);
    return {
      completed: latency.count,
      errors: row[ERRORS] as number,
      bytes: row[BYTES] as number,
      totalUs: row[TOTAL_US] as number,
      latency,
    };
  }
}
