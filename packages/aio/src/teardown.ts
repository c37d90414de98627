import type { BlockTimers } from '@biodone/blockdev';
import { EINTR, ETIMEDOUT, SystemError } from '@biodone/uring';
import type { OperationReport } from './pool-statistics.js';

/** What closing a pool or a class fails with when operations have not ended: ETIMEDOUT by its deadline, EINTR by a signal to a thread that blocks. */
export class PoolCloseError extends SystemError {
  override readonly name: string = 'PoolCloseError';
  /**
   * The operations that have not ended. They complete as they will, and the pool is closed when they have. None if all have, and service threads have not
   * closed the device yet.
   */
  readonly operations: readonly OperationReport[];

  constructor(operations: readonly OperationReport[], deadlineMs: number, error: number = ETIMEDOUT) {
    const first = operations
      .slice(0, 3)
      .map(({ id, operation, phase, ageMs }) => `${operation} ${id} (${phase}, ${Math.round(ageMs)} ms)`);
    const rest = operations.length > 3 ? ' and others' : '';
    const time = error === ETIMEDOUT ? `in ${deadlineMs} ms` : 'before a signal came';
    const what = operations.length === 0 ? 'service threads' : `${operations.length} operations`;
    const which = operations.length === 0 ? '' : `: ${first.join(', ')}${rest}`;
    super(error, 'close', undefined, `${what} have not ended ${time}${which}`);
    this.operations = operations;
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
    if (ended === 'EINTR') throw new PoolCloseError(pool.dump(), deadlineMs, EINTR);
    if (leftMs <= 0) throw new PoolCloseError(pool.dump(), deadlineMs);
  }
}
