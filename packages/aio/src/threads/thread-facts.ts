import { readlinkSync } from 'node:fs';
import { bindToCpu } from '@biodone/uring';
import { ServiceMemory } from '../service-memory.js';
import { THREAD_ERRNO, THREAD_TASK } from './memory-layout.js';
import type { ServiceThreadData } from './thread-data.js';

// What a service thread finds out about itself, and writes down for the pool's side.

/** For a pool's thread that blocks, and so hears nothing of a worker's 'error' event. */
export function noteError({ memory: handle, index }: ServiceThreadData, error: unknown): void {
  const memory = new ServiceMemory(handle);
  memory.words[memory.threadAt(index) + THREAD_ERRNO] = Math.abs((error as NodeJS.ErrnoException).errno ?? 0);
}

/** First of all: whether a thread still is, a pool's thread that blocks can tell by its number alone, also of one that dies while it starts. */
export function noteTask({ memory: handle, index }: ServiceThreadData): void {
  const memory = new ServiceMemory(handle);
  memory.words[memory.threadAt(index) + THREAD_TASK] = taskNumber();
}

/** The kernel's number of this thread; 0 where that cannot be looked up. */
function taskNumber(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/')[2] ?? 0);
  } catch {
    return 0;
  }
}

/** Binds this thread to a CPU, if it is to be bound. Returns what THREAD_CPU says. */
export function bind(cpu: number): number {
  if (cpu < 0) return 0;
  const refused = bindToCpu(cpu);
  return refused === 0 ? cpu + 1 : -refused;
}
