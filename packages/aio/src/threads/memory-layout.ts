import { KCondvar, KMutex } from '@biodone/sync';

// How the memory that a pool shares with its service threads lies: the lock, a condition for each thread, words of 32 bits, then the records of
// operations, which are numbers of 64 bits, because offsets go up to 2^53.

// Words that the lock guards.
export const SUBMISSION_HEAD = 0;
export const SUBMISSION_TAIL = 1;
/** Counts operations in the order in which they were handed over. */
export const SEQUENCE = 2;
/** Whether threads end: 0, {@link CLOSING} or {@link EXITING}. Read without the lock too. */
export const CLOSED = 3;
/** How many messages about memory the pool has sent to all threads. Not under the lock. */
export const MESSAGES = 4;
/** How often a thread has come to the end of its start. Not under the lock. */
export const STARTED = 5;

// Words without the lock, on a cache line of their own: every batch of completions touches them.
/** The last completed slot, plus one; 0 for none. The others follow by their {@link LINK}. */
export const COMPLETED = 16;
/** 1 while the pool's thread wants to be woken by the next completion. Whoever sets it to 0 wakes it. */
export const OWNER_SLEEPS = 17;
const FIXED_WORDS = 32;

/** The pool is closing: threads end when nothing is left to do, and give back what they hold. */
export const CLOSING = 1;
/** The process is exiting: threads end at once, with I/O under way, or they would keep the process from ending. */
export const EXITING = 2;

// The words of a thread: a cache line each.
export const THREAD_WORDS = 16;
/** What it does: THREAD_ABSENT and its like. Under the lock; without it, a hint. */
export const THREAD_STATE = 0;
/** The eventfd by which it is woken while it blocks in the kernel, plus one; 0 if it does not. Under the lock. */
export const THREAD_WAKER = 1;
/** How many of its operations somebody wants to end, since it has looked last. Under the lock. */
export const THREAD_ABORTS = 2;
/** The kernel's number of it, where that is known; else 0. */
export const THREAD_TASK = 3;
/** The CPU that it is bound to, plus one; 0 if it is not; the negative errno if that was refused. */
export const THREAD_CPU = 4;
/** How often it has slept and been woken. */
export const THREAD_WAKE_UPS = 5;
/** How many operations it has completed, modulo 2^32. */
export const THREAD_SERVED = 6;
/** How long its last operations took it, each, in nanoseconds. */
export const THREAD_PACE = 7;
/** The errno of what it dies of; 0 if that has none. */
export const THREAD_ERRNO = 8;

/** How often somebody has signalled its condition. Under the lock. */
export const THREAD_SIGNALS = 9;

/** There is no such thread. */
export const THREAD_ABSENT = 0;
export const THREAD_STARTING = 1;
/** It works, or is about to look for work. */
export const THREAD_RUNNING = 2;
/** It sleeps until there is work. */
export const THREAD_IDLE = 3;
/** It sleeps in the kernel, until I/O completes or it is woken for more. */
export const THREAD_IN_KERNEL = 4;
/** It has nothing and takes nothing any more. */
export const THREAD_LEAVING = 5;
/** It is ending by an error. */
export const THREAD_DYING = 6;
/** It has closed its channel, and holds nothing of the pool any more. */
export const THREAD_LEFT = 7;

// The words of a slot.
export const SLOT_WORDS = 4;
/** Where the operation is: SLOT_FREE and its like. */
export const STATE = 0;
/** Which thread has it: its index plus one; 0 for none. */
export const THREAD = 1;
/** While it is queued, its place in the order; when it is completed, the slot that was completed before it, plus one. */
export const LINK = 2;
/** Not 0: somebody wants it to end. */
export const ABORT = 3;

export const SLOT_FREE = 0;
/** On the submission queue. */
export const SLOT_QUEUED = 1;
/** A thread has taken it, and not begun it. */
export const SLOT_TAKEN = 2;
/** It is with the thread's channel of the device. */
export const SLOT_BEGUN = 3;
/** Its answer is written. */
export const SLOT_DONE = 4;

/** The numbers of a slot's record: what is asked for, and what became of it. Those that all operations have come first, in one cache line. */
export const RECORD_NUMBERS = 24;
export const OPERATION = 0;
export const OFFSET = 1;
export const LENGTH = 2;
/** The id of an IoBuffer, or 0; where it is; and how large. */
export const BUFFER = 3;
export const BUFFER_ADDRESS = 4;
export const BUFFER_LENGTH = 5;
export const BUFFER_OFFSET = 6;
/** 1 if the numbers below count. */
export const RARE = 7;
/** The answer, in the place of the question, of {@link OPERATION} and {@link OFFSET}: a thread writes it when it has said that it has begun, and nobody else will begin. */
export const ERROR = 0;
export const TRANSFERRED = 1;
export const FLAGS = 8;
/** The id of a claim: 0 is one that has been released; -1 for none. */
export const CLAIM = 9;
/** The number of an IoVector, or 0; where its array of `struct iovec` is; and how many parts it has. */
export const VECTOR = 10;
export const VECTOR_ADDRESS = 11;
export const VECTOR_COUNT = 12;
export const COMPARE = 13;
export const COMPARE_ADDRESS = 14;
export const COMPARE_LENGTH = 15;
export const COMPARE_OFFSET = 16;
/** The IoBuffer that takes the extents, three numbers each; 0 for none. */
export const EXTENTS = 17;
export const EXTENTS_ADDRESS = 18;
export const EXTENTS_LENGTH = 19;
export const EXTENTS_CAPACITY = 20;
export const EXTENTS_COUNT = 21;

/** Where the parts lie, for so many slots (a power of two) and threads. */
export interface MemoryLayout {
  /** Where the words begin, in bytes. */
  readonly words: number;
  /** Indexes of words. */
  readonly threads: number;
  readonly queue: number;
  readonly slots: number;
  /** In bytes. */
  readonly records: number;
  readonly bytes: number;
}

export function layoutOf(size: number, threads: number): MemoryLayout {
  const words = pendingOffset(threads);
  const queue = FIXED_WORDS + threads * THREAD_WORDS;
  const slots = queue + size;
  // The records begin at a cache line.
  const records = Math.ceil((words + (slots + size * SLOT_WORDS) * 4) / 64) * 64;
  return { words, threads: FIXED_WORDS, queue, slots, records, bytes: records + size * RECORD_NUMBERS * 8 };
}

/** Where the condition lies that a thread sleeps on, in bytes. */
export function pendingOffset(thread: number): number {
  return KMutex.BYTES + thread * KCondvar.BYTES;
}
