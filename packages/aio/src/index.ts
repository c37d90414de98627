/**
 * The asynchronous I/O protocol: operations, and pools that serve them, inline or with service threads.
 *
 * {@link AioServicePool} serves {@link AioOp} operations on a device: asynchronously with a callback, synchronously with `callback === null`.
 * {@link promises} is the same with promises.
 *
 * @packageDocumentation
 */

export { type AioCallback, AioOp, type AioOpOwner } from './aio-op.js';
export * as promises from './promises.js';
export type { PoolService } from './service.js';
export { AioServicePool, type AioServicePoolOptions, EAGAIN, EBADF } from './service-pool.js';
export { ServiceThreads } from './service-threads.js';
export type { ServiceWorker, SpawnServiceThread } from './service-worker.js';
export type { ServiceThreadsOptions } from './threads/options.js';
export type { ServiceThreadStatus, ServiceThreadsStatistics } from './threads/statistics.js';
export type { ServiceMessage, ServiceThreadData, VectorHandle } from './threads/thread-data.js';
