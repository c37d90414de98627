import { BODY, type Kind } from './layout.js';
import { PARKING_WORDS } from './parking.js';
import { THREAD_BITS } from './thread.js';

// How a KMutex lies in memory.

export const MUTEX: Kind = { name: 'KMutex', number: 1, syscall: 'mutex_init' };

/** Index of the lock word. Blocked threads sleep on it. */
export const LOCK: number = BODY;
/** Index of the parking place of callbacks. */
export const CALLBACK_PARKING: number = BODY + 1;
/** Index of the word that tells, in robust mode, which task owns the mutex; see mutex-robust.ts. */
export const OWNER_TASK: number = CALLBACK_PARKING + PARKING_WORDS;

/** The mode bit of a robust mutex. */
export const ROBUST: number = 1;

// The lock word says who owns the mutex, and who must be woken when it becomes free.

/** Nobody owns it, and nobody waits. */
export const FREE: number = 0;
/** The bits that name the owner: 0 for none. */
export const OWNER: number = 2 ** THREAD_BITS - 1;
/** The owner took it by callback, and may keep it over turns of its event loop. */
export const HELD_BY_CALLBACK: number = 1 << THREAD_BITS;
/** Threads sleep on the lock word. */
export const SLEEPERS: number = 1 << (THREAD_BITS + 1);
/** Callbacks wait at the parking place. */
export const CALLBACKS: number = 1 << (THREAD_BITS + 2);
/** An owner has died, and nobody has called makeConsistent() since. */
export const OWNER_DIED: number = 1 << (THREAD_BITS + 3);
/** An owner freed it without makeConsistent(): nobody can take it any more. */
export const NOT_RECOVERABLE: number = 1 << (THREAD_BITS + 4);
