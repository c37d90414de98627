import type { AbortVerdict } from '@biodone/blockdev';
import type { AioOp } from './aio-op.js';

/**
 * Who serves a pool's operations instead of the submitting thread. It completes an operation by setting `error`, `transferredBytes`, and `state` to
 * IO_DONE, and then calling `op.iodone(op)`, once, and never inside `start`. A pool that serves inline has none, and calls its device.
 */
export interface PoolService {
  /** How many operations it can have at a time. @default no limit but the pool's own, whatever that is changed to */
  readonly startedMax?: number;
  /** Takes an operation. It neither blocks nor throws; the operation may stay with it until the next microtask, `poll` or `wait`. */
  start(op: AioOp): void;
  /**
   * Asks for the end of an operation that it has been given (rule 10). The operation completes in any case, not inside this call:
   * with ECANCELED if the verdict is `'cancelled'`.
   */
  abort(op: AioOp): AbortVerdict;
  /** Delivers what is done, without blocking. Returns how many operations that were. */
  poll(): number;
  /** Blocks until something is done, and delivers it. */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
  /** As `BlockDevice.beforeSleep`, right after {@link poll}: a service without it is waited for by {@link wait}. */
  beforeSleep?(vain: number): number;
  /** Ends it. No operation is with it, and none will come. It may have been ended by {@link closeSync}. */
  close(): Promise<void>;
  /**
   * As {@link close}, and blocks. A service without it is closed by `close`, in the turns of the event loop to come.
   *
   * @param timeoutMs how long at most; Infinity for no limit
   * @returns false if it has not ended in time: then it goes on, and this can be called again
   */
  closeSync?(timeoutMs: number): boolean;
}
