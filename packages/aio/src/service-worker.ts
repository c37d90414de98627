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
export const spawnWorker: SpawnServiceThread = (workerData, name) => {
  const url = new URL('./service-thread.js', import.meta.url);
  const options = { workerData, name, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } };
  const execArgv = argumentsWithoutInputType(process.execArgv);
  if (execArgv === null) return new Worker(url, options);
  try {
    return new Worker(url, { ...options, execArgv });
  } catch (error) {
    // What a worker inherits it need not take as an argument: flags of V8.
    if ((error as { code?: unknown }).code !== 'ERR_WORKER_INVALID_EXEC_ARGV') throw error;
    return new Worker(url, { ...options, execArgv: [] });
  }
};

/**
 * A worker inherits the arguments of the process, and by --input-type, which is for a program that is no file, Node refuses the worker's file.
 *
 * @returns null if it is not there
 */
function argumentsWithoutInputType(execArgv: readonly string[]): string[] | null {
  const index = execArgv.findIndex((argument) => argument.split('=', 1)[0] === '--input-type');
  if (index < 0) return null;
  const behind = index + (execArgv[index] === '--input-type' ? 2 : 1);
  return [...execArgv.slice(0, index), ...execArgv.slice(behind)];
}
