import { readdirSync, readlinkSync } from 'node:fs';
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

/** First of all: whether a thread still is, a pool's thread that blocks can tell by its number alone. Where {@link TaskWatch} has found it, it is the same. */
export function noteTask({ memory: handle, index }: ServiceThreadData): void {
  const memory = new ServiceMemory(handle);
  memory.words[memory.threadAt(index) + THREAD_TASK] = taskNumber();
}

/**
 * Finds the number of a thread that is being started: for one that ends before it has said its own, as where its script is not there. It is the only thread that
 * is there afterwards and was not before; if others of the process have started threads meanwhile, nobody knows.
 */
export class TaskWatch {
  readonly #before = new Set(tasks());

  /** The kernel's number of the thread that has been started since; 0 where that is not known. */
  get started(): number {
    const [task = 0, ...others] = tasks().filter((other) => !this.#before.has(other));
    return others.length === 0 ? task : 0;
  }
}

/** The threads of this process; none where there is no list of them. */
function tasks(): number[] {
  try {
    return readdirSync('/proc/self/task').map(Number);
  } catch {
    return [];
  }
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
