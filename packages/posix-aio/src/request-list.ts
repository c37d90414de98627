import type { sigevent } from './sigevent.js';

/** The requests of one `lio_listio`, until the last of them is done. */
export interface RequestList {
  /** How many are in progress, and one more while the list is being submitted. */
  left: number;
  /** How many have failed. */
  failed: number;
  /** What is told when all are done; null for nothing. */
  readonly notification: sigevent | null;
  /** Who waits by a promise. */
  onDone: (() => void) | null;
}
