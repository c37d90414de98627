import { BLOCK_OPERATION_NAMES } from './block-io.js';
import { LatencyHistogram } from './latency-histogram.js';

/** What has become of the requests of one operation: as iostat(8) has it. */
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
  /** How many requests are in flight now, and the most there have been at a time. */
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

/** The counters of one operation. */
class OperationCounters implements OperationStatistics {
  completed = 0;
  errors = 0;
  bytes = 0;
  totalUs = 0;
  readonly latency: LatencyHistogram = new LatencyHistogram();
}

/** A device's counters, which the hot path writes: no look-up by a string, no allocation. */
export class Counters {
  inFlightMax = 0;
  timeouts = 0;
  #busyUs = 0;
  #busySinceUs = 0;
  #operations = BLOCK_OPERATION_NAMES.map(() => new OperationCounters());

  /** The first request has come. */
  busy(nowUs: number): void {
    this.#busySinceUs = nowUs;
  }

  /** The last one has gone. */
  idle(nowUs: number): void {
    this.#busyUs += (nowUs - this.#busySinceUs) | 0;
  }

  done(operation: number, error: number, bytes: number, tookUs: number): void {
    const counters = this.#operations[operation];
    if (counters === undefined) return;
    counters.completed += 1;
    counters.bytes += bytes;
    counters.totalUs += tookUs;
    counters.latency.record(tookUs);
    if (error !== 0) counters.errors += 1;
  }

  busyMs(nowUs: number, inFlight: number): number {
    return (this.#busyUs + (inFlight > 0 ? (nowUs - this.#busySinceUs) | 0 : 0)) / 1000;
  }

  operations(): Record<string, OperationStatistics> {
    const used = this.#operations.map((counters, index) => [BLOCK_OPERATION_NAMES[index] as string, counters] as const);
    return Object.fromEntries(used.filter(([, { completed }]) => completed > 0));
  }

  reset(nowUs: number): void {
    this.inFlightMax = 0;
    this.timeouts = 0;
    this.#busyUs = 0;
    this.#busySinceUs = nowUs;
    this.#operations = BLOCK_OPERATION_NAMES.map(() => new OperationCounters());
  }
}
