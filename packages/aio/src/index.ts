/**
 * The asynchronous I/O protocol: operations, and pools that serve them, inline or with service threads.
 *
 * - {@link AioOp} is the operation: a request of the block layer with a callback, an id, a priority, and where needed a deadline, a signal or a
 *   place in an order.
 * - {@link AioServicePool} serves operations on a device: asynchronously with a callback, synchronously with `callback === null`. It bounds them,
 *   queues them by a discipline, cancels them, and tells what it does. {@link promises} is the same with promises, and {@link queueCompletion}
 *   the callback of those who reap.
 * - {@link AioServiceClass} is several pools for the same data, used as one: each operation goes to the pool that has the least to do.
 * - {@link OrderingKey} keeps operations in order, {@link AioFile} says what a flush covers, and {@link AioOpWaiter} lets another thread wait.
 *
 * @packageDocumentation
 */

export { AioFile, type AioFileUser, type CancelCounts, type CancelFilter } from './aio-file.js';
export { type AioOpHandle, AioOpWaiter, type AioOutcome } from './aio-handle.js';
export {
  type AioCallback,
  AioOp,
  type AioOpOwner,
  type AioPriority,
  PRIORITY_NONCRITICAL,
  PRIORITY_TIMECRITICAL,
  PRIORITY_TIMELIMITED,
} from './aio-op.js';
export type { AioTimer } from './aio-timer.js';
export type { AvailableCallback } from './available-line.js';
export { type BalanceName, balanceNames, type RandomBelow } from './balance.js';
export type { Verdicts } from './batch.js';
export { type DisciplineName, disciplineNames, makeDiscipline } from './bufq/disciplines.js';
export { drainQueue, moveQueue, type QueueDiscipline } from './bufq/queue-discipline.js';
export type { AioServiceClassOptions, ClassPoolOptions } from './class-options.js';
export type { ClassStatistics } from './class-statistics.js';
export { explain } from './explain.js';
export { type AioLink, LINK_HARD, LINK_NONE, LINK_SOFT } from './link-kind.js';
export { EAGAIN, EBADF, type SubmitResult } from './operation-calls.js';
export { OrderingKey, type OrderingKeyOptions } from './ordering-key.js';
export type { PoolLimits } from './pool-limits.js';
export type { AioServicePoolOptions } from './pool-options.js';
export type { OperationReport, PoolStatistics } from './pool-statistics.js';
export * as promises from './promises.js';
export { queueCompletion } from './queue-completion.js';
export type { PoolService } from './service.js';
export { AioServiceClass } from './service-class.js';
export { AioServicePool, type CloseOptions } from './service-pool.js';
export { ServiceThreads } from './service-threads.js';
export type { ServiceWorker, SpawnServiceThread } from './service-worker.js';
export { PoolCloseError } from './teardown.js';
export type { ServiceThreadsOptions } from './threads/options.js';
export type { ServiceThreadStatus, ServiceThreadsStatistics } from './threads/statistics.js';
export { SteppedThread, steppedThreads } from './threads/stepped-threads.js';
export type { ServiceMessage, ServiceThreadData, VectorHandle } from './threads/thread-data.js';
export type { ThreadStep } from './threads/thread-server.js';
export type { AioCancelMessage, AioCompleteMessage, AioMessage, AioStartMessage } from './trace-messages.js';
