import { ETIMEDOUT, SystemError } from '@biodone/uring';
import type { OperationReport } from './pool-statistics.js';

/** What `AioServicePool.close` is rejected with when operations have not ended by its deadline: ETIMEDOUT, and which ones. */
export class PoolCloseError extends SystemError {
  override readonly name: string = 'PoolCloseError';
  /** The operations that have not ended. They complete as they will, and the pool is closed when they have. */
  readonly operations: readonly OperationReport[];

  constructor(operations: readonly OperationReport[], deadlineMs: number) {
    const first = operations
      .slice(0, 3)
      .map(({ id, operation, phase, ageMs }) => `${operation} ${id} (${phase}, ${Math.round(ageMs)} ms)`);
    const rest = operations.length > 3 ? ' and others' : '';
    super(
      ETIMEDOUT,
      'close',
      undefined,
      `${operations.length} operations have not ended in ${deadlineMs} ms: ${first.join(', ')}${rest}`,
    );
    this.operations = operations;
  }
}
