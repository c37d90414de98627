import { type AbortVerdict, LatencyHistogram } from '@biodone/blockdev';
import type { ServiceThreadsStatistics } from './threads/statistics.js';

/** What a pool has done since it was made. Synchronous operations are counted by the device alone. */
export interface PoolStatistics {
  /** How many operations have been submitted, and how many of them are done. */
  readonly submitted: number;
  readonly completed: number;
  /** How many of these have ended with an error, cancelled ones too. */
  readonly errors: number;
  /** How many bytes they have moved. */
  readonly bytes: number;
  /** How many wait now: for their turn, for a flush's or drain's sake, or in the queue; and the most there have been at a time. */
  readonly queued: number;
  readonly queuedMax: number;
  /** How many are with the device or the service threads now, and the most there have been at a time. */
  readonly inFlight: number;
  readonly inFlightMax: number;
  /** How many are done and have not been reaped. */
  readonly unreaped: number;
  /** How many were refused with EAGAIN. */
  readonly refused: number;
  /** What came of asking to cancel. */
  readonly cancels: Readonly<Record<AbortVerdict, number>>;
  /**
   * How long those that had to wait did, in microseconds, until they went to the device. How long the device took is in its own `statistics()`,
   * by operation.
   */
  readonly queueWait: LatencyHistogram;
  /** What its service threads are doing; null without. */
  readonly threads: ServiceThreadsStatistics | null;
}

/** An operation that is with its pool, for people. */
export interface OperationReport {
  readonly id: number;
  /** The operation's name: `'read'`, or `'timeout'`. */
  readonly operation: string;
  readonly offset: number;
  readonly lengthBytes: number;
  /** Where it is: `'held'`, `'ordered'`, `'barrier'`, `'queued'`, `'started'`, `'ending'`, `'unreaped'`, `'linked'` or `'timing'`. */
  readonly phase: string;
  /** For how many milliseconds it has been there: since it began to wait, or since the device took it. */
  readonly ageMs: number;
}

/** A pool's counters. The hot path adds to plain numbers in an array that is nobody else's. */
export class PoolCounters {
  /** {@link COMPLETED}, {@link ERRORS} and {@link BYTES}. */
  readonly sums: Float64Array = new Float64Array(3);
  inFlightMax = 0;
  queuedMax = 0;
  refused = 0;
  readonly cancels: Record<AbortVerdict, number> = { cancelled: 0, 'in-progress': 0, done: 0 };
  readonly queueWait: LatencyHistogram = new LatencyHistogram();

  /** An operation is done. */
  done(error: number, bytes: number): void {
    const { sums } = this;
    sums[COMPLETED] = (sums[COMPLETED] as number) + 1;
    sums[BYTES] = (sums[BYTES] as number) + bytes;
    if (error !== 0) sums[ERRORS] = (sums[ERRORS] as number) + 1;
  }

  statistics(queued: number, inFlight: number, unreaped: number, threads: ServiceThreadsStatistics | null): PoolStatistics {
    const [completed, errors, bytes] = this.sums as unknown as [number, number, number];
    return {
      submitted: completed + queued + inFlight,
      completed,
      errors,
      bytes,
      queued,
      queuedMax: this.queuedMax,
      inFlight,
      inFlightMax: this.inFlightMax,
      unreaped,
      refused: this.refused,
      cancels: { ...this.cancels },
      queueWait: this.queueWait,
      threads,
    };
  }
}

const COMPLETED = 0;
const ERRORS = 1;
const BYTES = 2;
