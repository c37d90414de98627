import { type AbortVerdict, BlockIo, type BlockTimers } from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import { EALREADY, ECANCELED, ETIME } from '@biodone/uring';
import { AIO_TIMING, type AioOp } from './aio-op.js';
import type { AioTimer } from './aio-timer.js';
import { Alarm, type AlarmQueue, DELAY_MAX_MS } from './alarm-queue.js';
import { tellLater } from './end-without-device.js';
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
    const { shotsLeft, shot } = op.rare;
    // The last one would be told with the one before it, and that would be lost.
    if (shotsLeft > 1 || (shot !== null && shot.queue !== null)) {
      this.#shoot(op);
      return;
    }
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
    const { timeoutMs, absolute = false, count = 0, shots = 1 } = rare.timer as AioTimer;
    rare.shotsLeft = shots;
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

  /** Tells that the time has come, and lets it run again. */
  #shoot({ rare }: AioOp): void {
    const { timeoutMs } = rare.timer as AioTimer;
    const alarm = rare.alarm as Alarm<AioOp>;
    const shot = shotOf(alarm.target);
    // Nobody has heard of the one before: they are one.
    if (shot.queue === null) {
      rare.shotsLeft -= 1;
      tellLater(shot);
    }
    const nowMs = this.#timers.now();
    const dueMs = alarm.dueMs + timeoutMs;
    alarm.dueMs = dueMs > nowMs ? dueMs : nowMs + timeoutMs;
    this.#alarms.set(alarm, this.#due);
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

/** What stands for a timeout in the queue of what is told: that itself is not done. */
function shotOf(op: AioOp): BlockIo {
  const { rare } = op;
  if (rare.shot === null) {
    rare.shot = new BlockIo();
    rare.shot.private = op;
    rare.shot.iodone = tell;
  }
  return rare.shot;
}

function tell({ private: target }: BlockIo): void {
  const op = target as AioOp;
  // It may have been ended since.
  if (op.phase !== AIO_TIMING) return;
  op.error = ETIME;
  op.told?.(op);
}
