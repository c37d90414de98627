import type { BlockIo } from '@biodone/blockdev';
import type { SharedOp } from './aio-handle.js';
import type { OrderingKey } from './ordering-key.js';

/**
 * What few operations have. It is made when an operation needs it first and stays with the object, so that the fields of all others fill as
 * few lines of the processor's cache as possible.
 */
export class AioExtra {
  orderingKey: OrderingKey | null = null;
  deadlineMs: number = Number.POSITIVE_INFINITY;
  signal: AbortSignal | null = null;
  /** Primitives for other threads. */
  shared: SharedOp | null = null;

  // Below: of the operation while it is submitted.

  /** Who listens to the signal. */
  aborts: { remove(signal: AbortSignal, op: BlockIo): void } | null = null;
  /** Ends the timer of the deadline. */
  cancelTimer: (() => void) | null = null;
  /** The error that it ended with, for who blocks until then. */
  outcome = 0;
  /** Whether the deadline has come. */
  expired = false;
  /** A flush: how many operations since the flush before it are still under way, and the first error of those that are done. */
  left = 0;
  coveredError = 0;
  coveredOrder = 0;

  reset(): void {
    this.orderingKey = null;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.signal = null;
  }
}
