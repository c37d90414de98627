import { KMutex, KSemaphore } from '@biodone/sync';

// The memory that the sleeper and its waker share. First a 64-bit time, then the primitives, then words on cache lines of their own.
export const MUTEX = 64;
export const SEMAPHORE = MUTEX + KMutex.BYTES;
export const SHARED = SEMAPHORE + KSemaphore.BYTES;
/** Indexes of words: the number of the round, its kind, that the sleeper is about to sleep, that it has gone on, what the bare sleeps wait for. */
export const ROUND = 0;
export const KIND = 16;
export const ABOUT = 32;
export const DONE = 48;
export const BARE = 64;
export const CALLS = 80;
export const LAYOUT_BYTES = SHARED + 96 * 4;

/** The kinds of a round: what the sleeper waits in. */
export const IN_MUTEX = 1;
export const IN_ATOMICS_WAIT = 2;
export const IN_CALLBACK = 3;
export const IN_WAIT_ASYNC = 4;
