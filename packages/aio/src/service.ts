import type { AbortVerdict } from '@biodone/blockdev';
import type { AioOp } from './aio-op.js';

/**
 * What serves a pool's operations. It completes an operation by setting `op.error`, `op.transferredBytes` and `op.state = IO_DONE`, then calling
 * `op.iodone(op)`, once, and never inside {@link start}.
 */
export interface PoolService {
  /** Takes an operation. Never blocks, and never throws for what is wrong with the operation: that is its `error`. */
  start(op: AioOp): void;
  /** Asks for the end of an operation (rule 10), which completes in any case. */
  abort(op: AioOp): AbortVerdict;
  /** Delivers what has completed, without blocking. Returns how many. */
  poll(): number;
  /** Blocks until something has completed, and delivers it. Returns how many, or why none. */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
  /** Ends, once nothing is under way any more, and gives everything back. */
  close(): Promise<void>;
}
