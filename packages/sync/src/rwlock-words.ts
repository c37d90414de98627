import { BODY, type Kind } from './layout.js';
import { PARKING_WORDS } from './parking.js';

// How a KRwlock lies in memory.

export const RWLOCK: Kind = { name: 'KRwlock', number: 3, syscall: 'rw_init' };

/** Index of the lock word: 0 free, n > 0 held by n readers, -n < 0 held by the writer whose thread's token is n. */
export const STATE: number = BODY;
/** Index of the number of writers that wait: readers let them go first. */
export const WRITERS_WAITING: number = BODY + 1;
/** Index of the parking place of blocked readers. */
export const READERS: number = BODY + 2;
/** Index of the parking place of blocked writers. */
export const WRITERS: number = READERS + PARKING_WORDS;
/** Index of the parking place of callbacks. */
export const CALLBACKS: number = WRITERS + PARKING_WORDS;

export const FREE: number = 0;
