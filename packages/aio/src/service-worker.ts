import { Worker } from 'node:worker_threads';
import type { ServiceMessage, ServiceThreadData } from './threads/thread-data.js';

/** A service thread, as the thread that owns the pool sees it: what is used of node:worker_threads' Worker. */
export interface ServiceWorker {
  /** Its number while it lives. */
  readonly threadId: number;
  postMessage(message: ServiceMessage): void;
  unref(): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: (exitCode: number) => void): unknown;
}

/** Starts a service thread. It may throw. */
export type SpawnServiceThread = (data: ServiceThreadData, name: string) => ServiceWorker;

/** Starts a worker of the built package. */
export const spawnWorker: SpawnServiceThread = (workerData, name) =>
  new Worker(new URL('./service-thread.js', import.meta.url), { workerData, name });
