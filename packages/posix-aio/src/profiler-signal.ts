import { readFileSync } from 'node:fs';
import { libc } from '@biodone/uring';

// From bits/sigaction.h and asm-generic/signal.h.
const SIG_BLOCK = 0;
const SIG_SETMASK = 2;
const SIGPROF = 27;
/** A `sigset_t` of the C library, in words. */
const SET_WORDS = 32;

/** Whether the process handles SIGPROF, as far as is known; null before anybody has asked. */
let isHandled: boolean | null = null;
let set: Uint32Array | null = null;

/**
 * Waits by a system call that SIGPROF does not interrupt. V8's profiler (`--cpu-prof`) sends it to the thread up to thousands of times a second, and it is
 * nothing that the program has asked to be told of: it is held back until the wait is over, where the thread uses no processor anyway.
 */
export function unprofiled<T>(wait: () => T): T {
  isHandled ??= handlesProfiler();
  if (!isHandled) return wait();
  set ??= new Uint32Array(SET_WORDS).fill(1 << (SIGPROF - 1), 0, 1);
  const { pthread_sigmask } = libc();
  const before = new Uint32Array(SET_WORDS);
  pthread_sigmask(SIG_BLOCK, set, before);
  try {
    return wait();
  } finally {
    pthread_sigmask(SIG_SETMASK, before, before);
  }
}

/** A signal has interrupted a wait. It may have been the first of a profiler's that was started meanwhile. */
export function lookForProfiler(): void {
  isHandled = null;
}

/** As proc(5) tells: which signals the process handles, as a hexadecimal number. */
function handlesProfiler(): boolean {
  try {
    const [, mask = '0'] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
    return ((BigInt(`0x${mask}`) >> BigInt(SIGPROF - 1)) & 1n) === 1n;
  } catch {
    return false;
  }
}
