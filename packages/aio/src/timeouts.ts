import type { AbortVerdict, BlockTimers } from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import { EALREADY, ECANCELED, ETIME } from '@biodone/uring';
import { AIO_TIMING, type AioOp } from './aio-op.js';
import type { AioTimer } from './aio-timer.js';
import { Alarm, type AlarmQueue, DELAY_MAX_MS } from './alarm-queue.js';
import { isGuard } from './links.js';

/** What timeouts ask of their pool. */
export interface TimeoutPool {
  /** Asks for the end of an operation that a link timeout covers. */
  cancel(op: AioOp): AbortVerdict;
  /** Ends a timeout, which runs no more. */
  end(op: AioOp, error: number): void;
}

/** Timeouts whose time runs: see {@link AioTimer}. */
export class Timeouts {
  readonly #timers: BlockTimers;
  readonly #alarms: AlarmQueue<AioOp>;
  /** Those that wait for completions. */
  readonly #counting = new TailQueue<AioOp>();
  readonly #pool: TimeoutPool;
  /** How many have no time, and what keeps the thread alive for them: the alarms do for the others. */
  #endless = 0;
  #letGo: (() => void) | null = null;
  readonly #due = (op: AioOp): void => {
    if (op.queue === this.#counting) this.#counting.remove(op);
    const covered = isGuard(op) ? op.rare.guard : null;
    const verdict = covered === null ? 'cancelled' : this.#pool.cancel(covered);
    this.#pool.end(op, verdict === 'cancelled' ? ETIME : verdict === 'done' ? ECANCELED : EALREADY);
  };

  constructor(timers: BlockTimers, alarms: AlarmQueue<AioOp>, pool: TimeoutPool) {
    this.#timers = timers;
    this.#alarms = alarms;
    this.#pool = pool;
  }

  /** How many wait for completions. */
  get counting(): number {
    return this.#counting.length;
  }

  /** Lets the time of a timeout run. It never ends in here. */
  add(op: AioOp): void {
    const { rare } = op;
    const { timeoutMs, absolute = false, count = 0 } = rare.timer as AioTimer;
    op.phase = AIO_TIMING;
    rare.countLeft = count;
    if (count > 0) this.#counting.insertTail(op);
    rare.endless = timeoutMs === Number.POSITIVE_INFINITY;
    if (rare.endless) {
      this.#endless += 1;
      this.#hold();
      return;
    }
    rare.alarm ??= new Alarm(op);
    rare.alarm.dueMs = absolute ? timeoutMs : this.#timers.now() + timeoutMs;
    this.#alarms.set(rare.alarm, this.#due);
  }

  /** Takes one out. */
  remove(op: AioOp): void {
    const { rare } = op;
    this.#alarms.stop(rare.alarm);
    if (op.queue === this.#counting) this.#counting.remove(op);
    if (!rare.endless) return;
    rare.endless = false;
    this.#endless -= 1;
    if (this.#endless > 0) return;
    this.#letGo?.();
    this.#letGo = null;
  }

  /** An operation of the pool has completed. */
  completed(): void {
    for (let op = this.#counting.first; op !== null; ) {
      const next = this.#counting.next(op);
      op.rare.countLeft -= 1;
      if (op.rare.countLeft === 0) {
        this.remove(op);
        this.#pool.end(op, 0);
      }
      op = next;
    }
  }

  #hold(): void {
    this.#letGo ??= this.#timers.after(
      DELAY_MAX_MS,
      () => {
        this.#letGo = null;
        if (this.#endless > 0) this.#hold();
      },
      true,
    );
  }
}
