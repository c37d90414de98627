import { wakeRing } from '@biodone/uring';
import type { ServiceMemory } from '../service-memory.js';
import { THREAD_IDLE, THREAD_PACE, THREAD_RUNNING, THREAD_SIGNALS } from './memory-layout.js';

// All of these are for who owns the lock: without it the eventfd of a thread that ends could be closed, and its number be another file's.

/** How much work may wait for the threads that run before another one is woken, in nanoseconds: a wake-up costs some microseconds itself. */
const BACKLOG_NS = 50_000;

/**
 * Wakes a thread if those that run have too much to do: as far as the pace of their last operations tells. The caller owns the lock.
 *
 * @param isDue whether what waits has waited too long: then a thread is woken in any case
 * @returns among how many threads the work is shared, 0 if all that could run were woken and none does yet
 */
export function wakeHelper(memory: ServiceMemory, isDue: boolean): number {
  const { words, submissions } = memory;
  let running = 0;
  let capacity = 0;
  for (let thread = 0; thread < memory.threads; thread++) {
    if (memory.stateOf(thread) !== THREAD_RUNNING) continue;
    running += 1;
    capacity += BACKLOG_NS / Math.max(1, words[memory.threadAt(thread) + THREAD_PACE] as number);
  }
  if (submissions === 0 || (!isDue && submissions <= capacity)) return running;
  return wakeOne(memory) ? running + 1 : running;
}

/**
 * Wakes a thread, if one sleeps: rather one that has nothing to do than one that waits for I/O, and always the first, so that the others can end
 * if they are not needed.
 */
function wakeOne(memory: ServiceMemory): boolean {
  for (let thread = 0; thread < memory.threads; thread++) {
    if (memory.stateOf(thread) !== THREAD_IDLE) continue;
    noteSignal(memory, thread);
    memory.pending[thread]?.signal();
    return true;
  }
  for (let thread = 0; thread < memory.threads; thread++) if (wakeFromKernel(memory, thread)) return true;
  return false;
}

function noteSignal(memory: ServiceMemory, thread: number): void {
  const index = memory.threadAt(thread) + THREAD_SIGNALS;
  memory.words[index] = ((memory.words[index] as number) + 1) | 0;
}

/** Wakes all threads. The caller owns the lock. */
export function wakeAll(memory: ServiceMemory): void {
  for (let thread = 0; thread < memory.threads; thread++) {
    noteSignal(memory, thread);
    memory.pending[thread]?.broadcast();
    wakeFromKernel(memory, thread);
  }
}

/** Wakes a thread if it blocks in the kernel. The caller owns the lock. */
export function wakeFromKernel(memory: ServiceMemory, thread: number): boolean {
  const eventFd = memory.takeWaker(thread);
  if (eventFd < 0) return false;
  wakeRing(eventFd);
  return true;
}
