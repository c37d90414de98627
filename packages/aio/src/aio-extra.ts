import type { BlockIo } from '@biodone/blockdev';
import type { SharedOp } from './aio-handle.js';
import type { AioTimer } from './aio-timer.js';
import type { Alarm } from './alarm-queue.js';
import { type AioLink, LINK_NONE } from './link-kind.js';
import type { OrderingKey } from './ordering-key.js';

/**
 * What few operations have. It is made when an operation needs it first and stays with the object, so that the fields of all others fill as
 * few lines of the processor's cache as possible.
 */
export class AioExtra<Op> {
  orderingKey: OrderingKey | null = null;
  deadlineMs: number = Number.POSITIVE_INFINITY;
  signal: AbortSignal | null = null;
  link: AioLink = LINK_NONE;
  timer: AioTimer | null = null;
  /** Primitives for other threads. */
  shared: SharedOp | null = null;

  // Below: of the operation while it is submitted.

  /** Of its deadline. Made at their first use, as that of a timeout is. */
  deadline: Alarm<Op> | null = null;
  /** Who watches its signal and its deadline. */
  watch: { forget(op: Op): void } | null = null;
  /** Its neighbours among those that its signal ends. */
  signalNext: Op | null = null;
  signalPrevious: Op | null = null;
  /** The error that it ended with, for who blocks until then. */
  outcome = 0;
  /** Whether the deadline has come. */
  expired = false;
  /** A flush: how many operations since the flush before it are still under way, and the first error of those that are done. */
  left = 0;
  coveredError = 0;
  coveredOrder = 0;
  /** A member of a chain: the one that waits for its end, and the one whose end it waits for. */
  linkNext: Op | null = null;
  linkPrevious: Op | null = null;
  /** The link timeout that covers it; of a link timeout, the operation that it covers. */
  guard: Op | null = null;
  /** A timeout: until when, and for how many completions it waits. */
  alarm: Alarm<Op> | null = null;
  countLeft = 0;
  /** A timeout that runs: whether it has no time; how often that is still to come; and what tells of it, where it comes again. */
  endless = false;
  shotsLeft = 1;
  shot: BlockIo | null = null;

  reset(): void {
    this.orderingKey = null;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.signal = null;
    this.link = LINK_NONE;
    this.timer = null;
  }
}
