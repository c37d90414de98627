/**
 * Synchronization primitives on shared memory, for threads that block and for callbacks.
 *
 * Locks: {@link KMutex}, {@link KCondvar}, {@link KRwlock}, {@link KSemaphore}. Queues between threads: {@link SpscRing}, {@link MpscRing}. In one
 * thread: {@link TailQueue}, {@link SoftInterrupt}. Each can be used alone; errors are {@link SyncError}s.
 *
 * @packageDocumentation
 */

export type { PendingWait, WaitCallback, WaitOptions } from './callback-waiter.js';
export { KCondvar } from './condvar.js';
export { AbortError, SyncError, type SyncErrorCode } from './errors.js';
export type { SerializedPrimitive } from './handover.js';
export { MpscRing } from './mpsc-ring.js';
export { KMutex, type KMutexOptions, type MutexOutcome } from './mutex.js';
export type { AsyncOptions } from './promises.js';
export { type RingOptions, SharedRing } from './ring.js';
export { KRwlock, type RwRole } from './rwlock.js';
export { KSemaphore, type KSemaphoreOptions } from './semaphore.js';
export { SoftInterrupt, type SoftInterruptOptions, type SoftInterruptScheduler } from './softint.js';
export { SpscRing } from './spsc-ring.js';
export { TailQueue, type TailQueueEntry } from './tailq.js';
