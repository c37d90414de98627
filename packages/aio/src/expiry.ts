import type { BlockTimers } from '@biodone/blockdev';
import { ECANCELED, ETIMEDOUT } from '@biodone/uring';
import { AbortWatch } from './abort-watch.js';
import { type AioOp, HAS_DEADLINE, HAS_SIGNAL } from './aio-op.js';
import { Alarm, type AlarmQueue } from './alarm-queue.js';

/** Ends operations whose deadline has come or whose signal has been aborted. */
export class Expiry {
  readonly #timers: BlockTimers;
  readonly #alarms: AlarmQueue<AioOp>;
  readonly #aborts: AbortWatch<AioOp>;
  readonly #late: (op: AioOp) => void;

  constructor(timers: BlockTimers, alarms: AlarmQueue<AioOp>, end: (op: AioOp) => void) {
    this.#timers = timers;
    this.#alarms = alarms;
    this.#aborts = new AbortWatch(end, ({ rare }) => rare);
    this.#late = (op) => {
      op.rare.expired = true;
      end(op);
    };
  }

  /** Watches an operation, if it has something to be watched for. False if its signal has been aborted before. */
  arm(op: AioOp): boolean {
    if ((op.features & (HAS_SIGNAL | HAS_DEADLINE)) === 0) return true;
    const { rare } = op;
    rare.expired = false;
    if (rare.signal?.aborted) return false;
    rare.watch = this;
    if (rare.signal !== null) this.#aborts.add(rare.signal, op);
    if (rare.deadlineMs !== Number.POSITIVE_INFINITY) {
      rare.deadline ??= new Alarm(op);
      rare.deadline.dueMs = this.#timers.now() + rare.deadlineMs;
      this.#alarms.set(rare.deadline, this.#late);
    }
    return true;
  }

  /** An operation is over, and its error is to be final. */
  disarm(op: AioOp): void {
    if ((op.features & (HAS_SIGNAL | HAS_DEADLINE)) === 0) return;
    op.error = this.errorOf(op, op.error);
    op.rare.expired = false;
  }

  /** What an operation ends with, which is watched no more. */
  errorOf(op: AioOp, error: number): number {
    if ((op.features & (HAS_SIGNAL | HAS_DEADLINE)) === 0) return error;
    const { rare } = op;
    this.letGo(op);
    return rare.expired && error === ECANCELED ? ETIMEDOUT : error;
  }

  /** Nothing is to end an operation any more, which may be told later of what has. */
  letGo(op: AioOp): void {
    if ((op.features & (HAS_SIGNAL | HAS_DEADLINE)) === 0) return;
    op.rare.watch?.forget(op);
    op.rare.watch = null;
  }

  /** Watches an operation no more that it has armed: another pool of the class may have taken it since. */
  forget(op: AioOp): void {
    const { rare } = op;
    if (rare.signal !== null) this.#aborts.remove(rare.signal, op);
    this.#alarms.stop(rare.deadline);
  }
}
