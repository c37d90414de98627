import type { BlockTimers } from '@biodone/blockdev';
import { EINTR, ETIMEDOUT, SystemError } from '@biodone/uring';
import { AIO_PHASES, AIO_UNREAPED } from './aio-op.js';
import type { OperationReport } from './pool-statistics.js';
import type { ServiceThreadStatus } from './threads/statistics.js';

/**
 * What closing a pool or a class fails with when operations, or service threads, have not ended, and which: ETIMEDOUT by its deadline, EINTR by a signal to
 * a thread that blocks.
 */
export class PoolCloseError extends SystemError {
  override readonly name: string = 'PoolCloseError';
  /**
   * The operations that have not ended. They complete as they will, and the pool is closed when they have. None if all have, and service threads have not
   * closed the device yet.
   */
  readonly operations: readonly OperationReport[];
  /** The service threads that have not ended; while there are operations, those that serve them. */
  readonly threads: readonly ServiceThreadStatus[];

  /** @param live what the pool has, of which completions that nobody has reaped have ended */
  constructor(
    live: readonly OperationReport[],
    deadlineMs: number,
    threads: readonly ServiceThreadStatus[] = [],
    error: number = ETIMEDOUT,
  ) {
    const operations = live.filter(({ phase }) => phase !== AIO_PHASES[AIO_UNREAPED]);
    const late = operations.length > 0 ? lateOperations(operations) : lateThreads(threads);
    const time = error === ETIMEDOUT ? `in ${deadlineMs} ms` : 'before a signal came';
    super(error, 'close', undefined, `${late.what} not ended ${time}: ${late.which}`);
    this.operations = operations;
    this.threads = threads;
  }
}

/** A pool or a class that is closed, and may still have operations. */
interface Closing {
  readonly inFlight: number;
  readonly timers: BlockTimers;
  poll(): number;
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
  dump(): OperationReport[];
}

/**
 * Blocks until all operations have ended.
 *
 * @param endMs by the pool's clock
 * @throws {@link PoolCloseError} ETIMEDOUT, EINTR; what `wait` throws
 */
export function awaitNone(pool: Closing, endMs: number, deadlineMs: number): void {
  // Also who waits for room is to be told, which may be all that there is.
  pool.poll();
  while (pool.inFlight > 0) {
    const leftMs = endMs - pool.timers.now();
    const ended = pool.wait(Math.max(0, leftMs));
    if (pool.inFlight === 0) return;
    if (ended === 'EINTR') throw new PoolCloseError(pool.dump(), deadlineMs, [], EINTR);
    if (leftMs <= 0) throw new PoolCloseError(pool.dump(), deadlineMs);
  }
}

/** In words, of which a few stand for all. */
interface Late {
  readonly what: string;
  readonly which: string;
}

function lateOperations(operations: readonly OperationReport[]): Late {
  const names = operations.map(({ id, operation, phase, ageMs }) => `${operation} ${id} (${phase}, ${Math.round(ageMs)} ms)`);
  return { what: `${operations.length} operations have`, which: someOf(names) };
}

/** All operations are done, and their threads are not. */
function lateThreads(threads: readonly ServiceThreadStatus[]): Late {
  if (threads.length === 0) return { what: 'all operations are done, and the service has', which: 'its close() is not settled' };
  const names = threads.map(({ index, state, task }) => `aiod${index} (${state}${task === 0 ? '' : `, thread ${task}`})`);
  return { what: `all operations are done, and ${threads.length} service threads have`, which: someOf(names) };
}

function someOf(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? ' and others' : ''}`;
}
