import { existsSync } from 'node:fs';
import { SystemError } from '@biodone/uring';
import type { ServiceMemory } from '../service-memory.js';
import type { ServiceWorker } from '../service-worker.js';
import { THREAD_DYING, THREAD_ERRNO, THREAD_SERVED, THREAD_TASK } from './memory-layout.js';

/** A service thread that has been started, as its keeper knows it. */
export interface Member {
  readonly index: number;
  readonly worker: ServiceWorker;
  readonly threadId: number;
  readonly eventFd: number;
  readonly startedAtMs: number;
  /** What its index had served before it. */
  readonly servedBefore: number;
  error: Error | null;
  /** Whether its end has been dealt with. */
  over: boolean;
  /** Tells who waits for that. */
  settle: () => void;
}

/** Whether a thread has ended, as far as that can be told without its 'exit' event. */
export function isGone(memory: ServiceMemory, { index, eventFd }: Member): boolean {
  const task = memory.words[memory.threadAt(index) + THREAD_TASK] as number;
  if (task !== 0) return !existsSync(`/proc/self/task/${task}`);
  // One that is dying may still have I/O under way in its ring, if it has one, until the kernel does not know it any more.
  return eventFd < 0 && memory.stateOf(index) === THREAD_DYING;
}

/** Whether a thread has completed an operation. */
export function hasServed(memory: ServiceMemory, { index, servedBefore }: Member): boolean {
  return memory.words[memory.threadAt(index) + THREAD_SERVED] !== servedBefore;
}

/** What a thread has died of; of one whose events have not come, the errno that it has left. */
export function causeOfDeath(memory: ServiceMemory, { index, error }: Member): Error {
  if (error !== null) return error;
  const errno = memory.words[memory.threadAt(index) + THREAD_ERRNO] as number;
  return errno === 0 ? new Error('it has ended without a word') : new SystemError(errno, 'service thread');
}
