import type { AvailableLine } from './available-line.js';
import type { CompletionQueue } from './completion-queue.js';

/** What a pool knows of the class that it belongs to. */
export interface PoolPeers {
  /** Whether the end of an operation in any pool may be what others wait for: to take work from a queue, or for room. */
  readonly attentive: boolean;
  /** Who waits for room in any of the pools. */
  readonly line: AvailableLine;
  /** Who waits for a completion of any of the pools. */
  readonly completions: CompletionQueue;
  /** A pool has something in its queue, or room: operations go from one to another as they should. */
  level(): void;
}
