import { wakeRing } from '@biodone/uring';
import type { ServiceMemory } from '../service-memory.js';
import { THREAD_IDLE } from './memory-layout.js';

/**
 * Wakes a thread, if one sleeps: rather one that has nothing to do than one that waits for I/O. The caller owns the lock, without which the eventfd
 * of a thread that ends could be closed, and its number be another file's.
 */
export function wakeOne(memory: ServiceMemory): void {
  for (let thread = 0; thread < memory.threads; thread++) {
    if (memory.stateOf(thread) !== THREAD_IDLE) continue;
    memory.pending.signal();
    return;
  }
  for (let thread = 0; thread < memory.threads; thread++) if (wakeFromKernel(memory, thread)) return;
}

/** Wakes all threads. The caller owns the lock. */
export function wakeAll(memory: ServiceMemory): void {
  memory.pending.broadcast();
  for (let thread = 0; thread < memory.threads; thread++) wakeFromKernel(memory, thread);
}

/** Wakes a thread if it blocks in the kernel. The caller owns the lock. */
export function wakeFromKernel(memory: ServiceMemory, thread: number): boolean {
  const eventFd = memory.takeWaker(thread);
  if (eventFd < 0) return false;
  wakeRing(eventFd);
  return true;
}
