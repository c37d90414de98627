import type { TailQueueEntry } from '@biodone/sync';
import type { LineRange } from './cache-state.js';

/** Who waits for something that is written back. */
export interface Waiting extends LineRange {
  /** It has stood in a line of {@link Waiter}s, and goes on. */
  resume(): void;
}

/** A place in a line, for what is in another queue already. */
export class Waiter implements TailQueueEntry {
  readonly op: Waiting;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  /** Of a flush: which lines it is about. */
  dirtiedBefore = 0;

  constructor(op: Waiting) {
    this.op = op;
  }
}
