import { BODY } from './layout.js';
import { PARKING_WORDS } from './parking.js';

// How the rings lie in memory. What different threads write is on different cache lines.

/** Index of the number of words of a record. */
export const RECORD_WORDS: number = BODY;
/** Index of the number of records that fit, a power of two. */
export const CAPACITY: number = BODY + 1;
/**
 * Index of the word that counts what was pushed, times 2, plus 1 once the ring is closed. One word, so that no push can slip in behind the
 * close. The count wraps after 2^31 records.
 */
export const HEAD: number = 16;
/** Index of the word that counts what was popped. It wraps as the other count does. */
export const TAIL: number = 32;
/** Index of the parking place of a blocked consumer. */
export const CONSUMER: number = 48;
/** Index of the parking place of a consumer by callback. */
export const CONSUMER_CALLBACKS: number = CONSUMER + PARKING_WORDS;
/** Index of the parking place of blocked producers. */
export const PRODUCER: number = CONSUMER_CALLBACKS + PARKING_WORDS;
/** Index of the parking place of producers by callback. */
export const PRODUCER_CALLBACKS: number = PRODUCER + PARKING_WORDS;
/** Index of the first word behind the head. */
export const RING_BODY: number = 64;

/** The bit in the head word. */
export const CLOSED: number = 1;
/** Counts are taken modulo this number plus one. */
export const COUNT_MASK: number = 2 ** 31 - 1;
