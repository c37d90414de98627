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

/**
 * How large the young objects of a service thread may become before they are collected, in MiB, of which V8 uses a third at a time. What serves requests
 * allocates nothing that lives on, at most what a driver needs from Node for one of them, as node:crypto's objects. With more of them collections would be
 * rarer, but longer: requests would wait for them, and the threads take the caches from each other.
 */
const YOUNG_GENERATION_MB = 3;

/** Starts a worker of the built package. */
export const spawnWorker: SpawnServiceThread = (workerData, name) =>
  new Worker(new URL('./service-thread.js', import.meta.url), {
    workerData,
    name,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
