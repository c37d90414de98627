import { ETIMEDOUT, SystemError } from '@biodone/uring';
import type { OperationReport } from './pool-statistics.js';
import type { ServiceThreadStatus } from './threads/statistics.js';

/** What `AioServicePool.close` is rejected with when operations, or service threads, have not ended by its deadline: ETIMEDOUT, and which ones. */
export class PoolCloseError extends SystemError {
  override readonly name: string = 'PoolCloseError';
  /** The operations that have not ended. They complete as they will, and the pool is closed when they have. */
  readonly operations: readonly OperationReport[];
  /** The service threads that have not ended; while there are operations, those that serve them. */
  readonly threads: readonly ServiceThreadStatus[];

  constructor(operations: readonly OperationReport[], deadlineMs: number, threads: readonly ServiceThreadStatus[] = []) {
    const late = operations.length > 0 ? lateOperations(operations) : lateThreads(threads);
    super(ETIMEDOUT, 'close', undefined, `${late.what} not ended in ${deadlineMs} ms: ${late.which}`);
    this.operations = operations;
    this.threads = threads;
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
