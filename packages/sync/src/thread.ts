import { AsyncResource } from 'node:async_hooks';
import { existsSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { clearTimeout, setInterval, setTimeout } from 'node:timers';
import { threadId } from 'node:worker_threads';
import { SyncError } from './errors.js';

// What this package takes from the thread that it runs in. Everything else is computation on shared memory, so that a test
// can replace this one file and decide which thread goes on when.

/** How many bits of a lock word name a thread. */
export const THREAD_BITS: number = 25;

/**
 * This thread's name in lock words: never 0, unique in the process, and never used again after the thread has ended (Node does not
 * reuse thread ids).
 */
export const thisThread: number = tokenOf(threadId);

/** The name in lock words of the thread with Node's `threadId`. */
export function tokenOf(nodeThreadId: number): number {
  const token = nodeThreadId + 1;
  if (token >= 2 ** THREAD_BITS) throw new SyncError('EOVERFLOW', 'thread_create', `thread id ${nodeThreadId}`);
  return token;
}

/**
 * How often a waiter looks at a lock again before it sleeps: about the time of going to sleep and being woken (some microseconds).
 * On a single CPU the holder cannot run while somebody spins.
 */
export const SPINS: number = availableParallelism() > 1 ? 1000 : 0;

// Bound now: a program under test may put another clock in its place, which stands still while a thread blocks.
const readClock = performance.now.bind(performance);

/** A clock that never goes backwards, in milliseconds. */
export function nowMs(): number {
  return readClock();
}

/** A timer that has been started. */
export type Timer = NodeJS.Timeout;

/** The longest time that a timer can run: 24 days. */
export const TIMER_MAX_MS: number = 2 ** 31 - 1;

/** Calls `target.expire()` once, after `delayMs`, at most {@link TIMER_MAX_MS}. A pending timer keeps the thread alive. */
export function startTimer(target: { expire(): void }, delayMs: number): Timer {
  return setTimeout(expire, Math.ceil(delayMs), target);
}

/** Stops a timer before it expires. */
export function stopTimer(timer: Timer): void {
  clearTimeout(timer);
}

function expire(target: { expire(): void }): void {
  target.expire();
}

let holders = 0;
let holder: NodeJS.Timeout | undefined;

/** Keeps this thread alive: Atomics.waitAsync() does not. */
export function holdThread(): void {
  // An interval that never fires within a program's life costs nothing, and can be switched on and off.
  holder ??= setInterval(expire, TIMER_MAX_MS, { expire() {} });
  if (++holders === 1) holder.ref();
}

/** Undoes one {@link holdThread}. */
export function releaseThread(): void {
  if (--holders === 0) holder?.unref();
}

/** The asynchronous context (AsyncLocalStorage, async_hooks) of a wait, to be called back in. */
export class Context extends AsyncResource {
  constructor() {
    // The destroy event is emitted by run(): otherwise Node would watch each of these objects until it is collected.
    super('BIODONE_WAIT', { requireManualDestroy: true });
  }

  /** Calls `callback(value)` in this context, once. */
  run<Value>(callback: (value: Value) => void, value: Value): void {
    try {
      this.runInAsyncScope(callback, undefined, value);
    } finally {
      this.emitDestroy();
    }
  }
}

/**
 * The kernel's number of this thread where it can be looked up (Linux with procfs), else 0. Unlike Node's thread ids it tells whether a
 * thread is alive, but it can be given to a later thread.
 */
export const thisTask: number = findTask();

/** Whether the thread with this kernel number exists in this process. */
export function isTaskAlive(task: number): boolean {
  return existsSync(`/proc/self/task/${task}`);
}

function findTask(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/')[2] ?? 0);
  } catch {
    return 0;
  }
}
