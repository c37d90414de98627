import type { BlockTimers } from '@biodone/blockdev';
import { ECANCELED, ETIMEDOUT } from '@biodone/uring';
import { AbortWatch } from './abort-watch.js';
import { type AioOp, HAS_DEADLINE, HAS_SIGNAL } from './aio-op.js';

/** Ends operations whose deadline has come or whose signal has been aborted. */
export class Expiry {
  readonly #timers: BlockTimers;
  readonly #end: (op: AioOp) => void;
  readonly #aborts: AbortWatch<AioOp>;

  constructor(timers: BlockTimers, end: (op: AioOp) => void) {
    this.#timers = timers;
    this.#end = end;
    this.#aborts = new AbortWatch(end);
  }

  /** Watches an operation, if it has something to be watched for. False if its signal has been aborted before. */
  arm(op: AioOp): boolean {
    if ((op.features & (HAS_SIGNAL | HAS_DEADLINE)) === 0) return true;
    const { rare } = op;
    rare.expired = false;
    if (rare.signal !== null) {
      if (rare.signal.aborted) return false;
      this.#aborts.add(rare.signal, op);
      rare.aborts = this.#aborts;
    }
    if (rare.deadlineMs !== Number.POSITIVE_INFINITY) {
      const late = (): void => {
        rare.expired = true;
        this.#end(op);
      };
      rare.cancelTimer = this.#timers.after(rare.deadlineMs, late, true);
    }
    return true;
  }

  /** An operation is over, and its error is to be final. */
  disarm(op: AioOp): void {
    if ((op.features & (HAS_SIGNAL | HAS_DEADLINE)) === 0) return;
    const { rare } = op;
    // Another pool of the class may have taken it since.
    if (rare.signal !== null) rare.aborts?.remove(rare.signal, op);
    rare.aborts = null;
    rare.cancelTimer?.();
    rare.cancelTimer = null;
    if (rare.expired && op.error === ECANCELED) op.error = ETIMEDOUT;
    rare.expired = false;
  }
}
