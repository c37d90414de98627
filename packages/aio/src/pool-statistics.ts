import {
  type AbortVerdict,
  BLOCK_OPERATION_NAMES,
  BLOCK_READ,
  LatencyHistogram,
  type OperationStatistics,
  RequestCounters,
} from '@biodone/blockdev';
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
  /** How many it has taken out of the queues of other pools of its class. */
  readonly stolen: number;
  /**
   * By the operation's name, `'timeout'` and `'link-timeout'` among them, those that have been used: how many are done, and how long they took from their submission to their callback. How
   * long the device took is in its own `statistics()`. The times are those of a clock that is read once a batch; all
   * that is longer than 35 minutes and 47 seconds counts as that.
   */
  readonly operations: Readonly<Record<string, OperationStatistics>>;
  /** How long those that had to wait did, in microseconds, until they went to the device; and the sum of that. */
  readonly queueWait: LatencyHistogram;
  readonly queueWaitTotalUs: number;
  /** What its service threads are doing; null without. */
  readonly threads: ServiceThreadsStatistics | null;
}

/** An operation that is with its pool, for people. */
export interface OperationReport {
  readonly id: number;
  /** The operation's name: `'read'`, `'timeout'` or `'link-timeout'`. */
  readonly operation: string;
  readonly offset: number;
  readonly lengthBytes: number;
  /**
   * Where it is: `'held'`, `'ordered'`, `'barrier'`, `'queued'`, `'started'`, `'ending'`, `'unreaped'`, `'linked'` or `'timing'`, and
   * `'entering'` and `'over'` for who traces its submission and its end.
   */
  readonly phase: string;
  /** For how many milliseconds it has been there: since it began to wait, or since the device took it. */
  readonly ageMs: number;
}

/** A pool's counters. */
export class PoolCounters {
  readonly #operations = new RequestCounters();
  /** Of timeouts, by name; made when there is one. As if they were all of the same operation. */
  readonly #timeouts = new Map<string, RequestCounters>();
  /** How many of those that are done were no operation, and have no row there. */
  #unknown = 0;
  #queueWaitTotalUs = 0;
  inFlightMax = 0;
  queuedMax = 0;
  refused = 0;
  stolen = 0;
  readonly cancels: Record<AbortVerdict, number> = { cancelled: 0, 'in-progress': 0, done: 0 };
  readonly queueWait: LatencyHistogram = new LatencyHistogram();

  /** An operation is done. */
  done(operation: number, error: number, bytes: number, tookUs: number): void {
    if (error !== 0 && BLOCK_OPERATION_NAMES[operation] === undefined) this.#unknown += 1;
    this.#operations.done(operation, error, bytes, tookUs);
  }

  /** A timeout is over. */
  timeoutDone(name: string, error: number, tookUs: number): void {
    const counters = this.#timeouts.get(name) ?? new RequestCounters();
    this.#timeouts.set(name, counters);
    counters.done(BLOCK_READ, error, 0, tookUs);
  }

  /** An operation has waited, and goes to the device. */
  waited(waitedUs: number): void {
    this.queueWait.record(waitedUs);
    this.#queueWaitTotalUs += waitedUs;
  }

  /** How many are done. It looks at all counters. */
  get completed(): number {
    return sumOf(Object.values(this.#rows()), (row) => row.completed) + this.#unknown;
  }

  statistics(queued: number, inFlight: number, unreaped: number, threads: ServiceThreadsStatistics | null): PoolStatistics {
    const operations = this.#rows();
    const rows = Object.values(operations);
    const completed = sumOf(rows, (row) => row.completed) + this.#unknown;
    return {
      submitted: completed + queued + inFlight,
      completed,
      errors: sumOf(rows, (row) => row.errors) + this.#unknown,
      bytes: sumOf(rows, (row) => row.bytes),
      queued,
      queuedMax: this.queuedMax,
      inFlight,
      inFlightMax: this.inFlightMax,
      unreaped,
      refused: this.refused,
      cancels: { ...this.cancels },
      stolen: this.stolen,
      operations,
      queueWait: copyOf(this.queueWait),
      queueWaitTotalUs: this.#queueWaitTotalUs,
      threads,
    };
  }

  #rows(): Record<string, OperationStatistics> {
    const rows = this.#operations.operations();
    for (const [name, counters] of this.#timeouts) {
      const [row] = Object.values(counters.operations());
      if (row !== undefined) rows[name] = row;
    }
    return rows;
  }
}

function copyOf(histogram: LatencyHistogram): LatencyHistogram {
  const copy = new LatencyHistogram();
  copy.add(histogram);
  return copy;
}

function sumOf<T>(rows: readonly T[], of: (row: T) => number): number {
  return rows.reduce((sum, row) => sum + of(row), 0);
}
