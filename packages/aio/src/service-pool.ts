import { type AbortVerdict, BlockDevice } from '@biodone/blockdev';
import { EBUSY, ECANCELED, SystemError } from '@biodone/uring';
import type { CancelCounts, CancelFilter } from './aio-file.js';
import { AIO_FREE, AIO_LINKED, AIO_PHASES, AIO_TIMING, AIO_UNREAPED, AioOp, IS_TIMER, IS_WATCHED } from './aio-op.js';
import type { AvailableCallback } from './available-line.js';
import { type DisciplineName, makeDiscipline } from './bufq/disciplines.js';
import { cancelAmong } from './cancel-among.js';
import { elapsedUs } from './elapsed.js';
import { checkInteger, checkTime, invalidType } from './errors.js';
import { fallBack } from './fallback.js';
import { isGuard } from './links.js';
import { EBADF } from './operation-calls.js';
import { nameOf } from './operation-name.js';
import { notTheCallers, OperationTable } from './operation-table.js';
import { changeLimits, type PoolLimits, type PoolLimitsHeld } from './pool-limits.js';
import { type AioServicePoolOptions, type CompleteOptions, completeOptions } from './pool-options.js';
import type { OperationReport, PoolStatistics } from './pool-statistics.js';
import { PoolWaits } from './pool-waits.js';
import type { PoolService } from './service.js';
import { ServiceThreads } from './service-threads.js';
import { awaitNone, PoolCloseError } from './teardown.js';

/** Options of {@link AioServicePool.close}. */
export interface CloseOptions {
  /** After how many milliseconds the promise is rejected if operations, or service threads, have not ended. @default Infinity */
  deadlineMs?: number;
  /** Whether operations are cancelled first, as far as they can be. @default false: they are waited for */
  cancel?: boolean;
}

/**
 * A class of operations with what serves it: here, the operations of one device.
 *
 * It belongs to the thread that made it. Operations in flight keep the process alive.
 *
 * An operation that need not wait goes straight to the device. One that must, because `inFlightMax` are there, waits in the queue, from which
 * the discipline chooses; one with an ordering key for its turn; a flush for what it covers; and behind one that drains all others.
 *
 * @example
 * ```js
 * import { AioServicePool } from '@biodone/aio';
 * import { openMem } from '@biodone/blockdev';
 * import { IoBuffer } from '@biodone/uring';
 *
 * const device = openMem(65536);
 * const pool = new AioServicePool(device, { inFlightMax: 8, discipline: 'disksort' });
 * const op = pool.allocate();
 * op.callback = ({ error, transferredBytes }) => console.log(error, transferredBytes); // 0 4096
 * pool.read(op, IoBuffer.allocate(4096), 8192);
 * await pool.close();
 * await device.close();
 * ```
 */
export class AioServicePool extends PoolWaits {
  #closing: Promise<void> | null = null;
  #drained: (() => void) | null = null;

  /**
   * @param device what the operations go to; close it after the pool
   * @param table for the pools of a class alone, whose operations are common to them
   * @throws RangeError ERR_OUT_OF_RANGE; TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for an option that there is not; SystemError ENOENT for a discipline that there is not
   */
  constructor(device: BlockDevice, options: AioServicePoolOptions = {}, table: OperationTable = new OperationTable()) {
    if (!(device instanceof BlockDevice)) throw invalidType('device', 'a BlockDevice, as openFile() returns', device);
    const complete = completeOptions(options);
    super(device, serviceOf(device, complete), complete, table);
    // Nobody has asked for threads, so nobody may know that the device waits for the end of the pool.
    if (complete.service === 'auto' && this.service instanceof ServiceThreads)
      this.service.onDeviceClosed = () => this.#closeWithDevice();
  }

  /** Whether {@link close} has been called. */
  get closed(): boolean {
    return this.shut;
  }

  /** How many operations are done and have not been reaped. They count for `depth`. */
  get unreapedCount(): number {
    return this.unreaped.length;
  }

  /**
   * The queue's discipline. Setting it moves what waits, as if it had come in the order of its submission, into a queue of the new one
   * (DIOCSSTRATEGY); it throws a SystemError ENOENT for a name that there is not, and nothing has changed then.
   */
  get discipline(): DisciplineName {
    return this.queueDiscipline.name as DisciplineName;
  }

  set discipline(name: DisciplineName) {
    this.queueDiscipline = makeDiscipline(name);
  }

  /**
   * Changes what the pool takes at most, while it works: what is not given stays. `inFlightMax` stays what was asked for last, as far as `depth` allows it:
   * where that was all of `depth`, as by default, it follows that.
   * Higher limits let those in at once that wait for room, and start what waits for the device. Lower ones take nothing back: what has been submitted ends as it
   * will, and until there is less under way again `submit` returns EAGAIN, and nothing is started. Who waits by {@link whenAvailable} for the room of a chain that
   * is longer than the new depth is called back, and told EINVAL when it submits the chain.
   *
   * @throws RangeError ERR_OUT_OF_RANGE for limits that the constructor would refuse, and for more with the device than the pool's service threads were made for,
   * which is its first `depth`, up to a power of two; TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE. Nothing has changed then
   */
  configure(limits: Partial<PoolLimits>): void {
    this.setLimits(this.changed(limits));
    this.useLimits();
  }

  /** What {@link configure} would make of the limits. For the pool's class. @internal */
  changed(limits: Partial<PoolLimits>): PoolLimitsHeld {
    return changeLimits(this, limits, this.service?.startedMax ?? Number.POSITIVE_INFINITY);
  }

  /**
   * An operation of this pool, as new but for its identity. It is the caller's until its callback has returned.
   *
   * @throws RangeError ERR_OUT_OF_RANGE when 2^20 of them are with callers
   */
  allocate(): AioOp {
    return this.table.allocate();
  }

  /**
   * Takes back an operation of this pool that is not submitted. A callback that does not return true does that by itself.
   *
   * @throws SystemError EBUSY if it is in flight, EINVAL if it is not the caller's or belongs to another pool, or to none
   */
  release(op: AioOp): void {
    if (!(op instanceof AioOp)) throw invalidType('op', 'an AioOp', op);
    if (op.phase === AIO_UNREAPED && op.owner === this) this.reapOne(op);
    if (op.submitted) throw new SystemError(EBUSY, 'release', undefined, `operation ${op.id} is in flight`);
    if (op.phase === AIO_FREE || !this.table.owns(op)) notTheCallers(op, 'release');
    // It may not have been used, and who has its id is not to reach who gets it next.
    op.generation = (op.generation + 1) | 0;
    this.table.putBack(op);
  }

  /**
   * The operation that an id names (rule 5); null if the object has been submitted again since that use of it, or taken back.
   *
   * @throws SystemError ESRCH for an id that no operation here can have had
   */
  find(id: number): AioOp | null {
    return this.table.find(id);
  }

  /**
   * Calls back when there is room for one more operation, or for a chain: in order, later, never in here. The room that the first in line waits for is kept
   * for it: others get EAGAIN, also in the callback of an operation that has just left its place. It is kept until the callback returns: submit in it. With a
   * closed pool, or a closed device, it is called with EBADF.
   *
   * @param lengthBytes how many bytes the operation is to move, or all of the chain, where the pool has a limit of bytes
   * @param count how many operations the chain has, at most `depth`
   * @returns what ends the wait: called before `callback` is, it will not be
   * @throws RangeError ERR_OUT_OF_RANGE for another count
   */
  whenAvailable(callback: AvailableCallback, lengthBytes = 0, count = 1): () => void {
    checkInteger('count', count, 1, this.depth);
    const waiter = this.line.add(callback, lengthBytes, count);
    if (this.shut) this.line.close(EBADF);
    this.reconsider();
    return () => {
      this.line.remove(waiter);
      this.reconsider();
    };
  }

  /**
   * Asks for the end of an operation (rule 10): `'cancelled'`, it ends now, without having done anything, and completes with ECANCELED;
   * `'in-progress'`, it has started and completes as it will, until when it owns its memory; `'done'`, it was done before. It completes through its
   * own callback in any case, never in here.
   *
   * @param target the operation, or its id: a use of the object that has been told is done, and a later one is left alone, also one that the callback
   * has begun, or who reaped it
   * @throws SystemError ESRCH for an id that no operation here can have had, EINVAL for an operation that is with another pool
   */
  cancel(target: AioOp | number): AbortVerdict {
    const op = this.#opOf(target);
    if (op?.submitted && op.phase !== AIO_UNREAPED && op.owner !== this) notTheCallers(op, 'cancel');
    if (op === null) {
      this.counters.cancels.done += 1;
      return 'done';
    }
    const verdict = this.cancelCounted(op, true);
    this.reconsider();
    return verdict;
  }

  /** Asks for the end of all operations of this pool, or of those of one kind. */
  cancelAll(filter: CancelFilter = {}): CancelCounts {
    const ops = this.table.submitted().filter((op) => op.owner === this);
    return cancelAmong(ops, filter, this.file, (op) => this.cancel(op));
  }

  /**
   * As {@link cancel}, and blocks until the operation is done. Callbacks run in here, its own among them. Of a synchronous operation, which is below on
   * this thread's stack and goes on when the callback that this is called in has returned, it says at once what will become of it.
   *
   * @param timeoutMs how long at most
   * @returns `'cancelled'` if it has ended with ECANCELED, `'done'` if as it would have anyway, `'ETIME'` if it has not ended in time, `'EINTR'` if
   * a signal came first
   * @throws as {@link cancel}; SystemError EDEADLK if only the event loop can complete it, or who is below on this thread's stack
   */
  cancelSync(target: AioOp | number, timeoutMs: number = Number.POSITIVE_INFINITY): 'cancelled' | 'done' | 'ETIME' | 'EINTR' {
    checkTime('timeoutMs', timeoutMs);
    const op = this.#opOf(target);
    if (op === null || !op.submitted || op.phase === AIO_UNREAPED) return this.cancel(target) === 'done' ? 'done' : 'cancelled';
    if (op.callback === null) return this.cancel(op) === 'cancelled' || op.error === ECANCELED ? 'cancelled' : 'done';
    const { rare } = op;
    const isFirst = (op.features & IS_WATCHED) === 0;
    op.mark(IS_WATCHED, true);
    this.cancel(op);
    const ended = this.#awaitEnd(op, this.timers.now() + timeoutMs, isFirst);
    if (ended !== null) return ended;
    return rare.outcome === ECANCELED ? 'cancelled' : 'done';
  }

  /** Takes a completion that was kept by {@link queueCompletion}, the oldest (aio_waitcomplete with no time). Null if there is none. */
  reap(): AioOp | null {
    return this.reapOne(null);
  }

  /**
   * As {@link reap}, and blocks until there is a completion (aio_waitcomplete, io_uring_wait_cqe).
   *
   * @returns the operation, which is the caller's; null if none is in flight; or why there is none
   * @throws as {@link wait}
   */
  waitComplete(timeoutMs: number = Number.POSITIVE_INFINITY): AioOp | 'EINTR' | 'ETIME' | null {
    checkTime('timeoutMs', timeoutMs);
    // What is done is looked at before the clock: a wait of no time finds it too.
    const early = this.reap();
    if (early !== null || this.inFlight === 0) return early;
    const deadlineMs = this.timers.now() + timeoutMs;
    for (;;) {
      const leftMs = deadlineMs - this.timers.now();
      const ended = this.wait(Math.max(0, leftMs));
      const op = this.reap();
      if (op !== null || this.inFlight === 0) return op;
      if (ended === 'EINTR') return 'EINTR';
      if (leftMs <= 0) return 'ETIME';
    }
  }

  /**
   * The completions that are kept by {@link queueCompletion}, as they come. Each operation is the loop's: it is to be submitted again or
   * released. The loop ends when the pool is closed and nothing comes any more; one that is left early loses nothing, what comes is kept.
   * There are at most `depth` that wait for it.
   */
  completions(): AsyncIterableIterator<AioOp> {
    return this.unreaped.iterate(
      () => this.reap(),
      () => this.shut && this.inFlight === 0,
    );
  }

  /** What the pool has done, and what is with it. */
  stats(): PoolStatistics {
    const threads = this.service instanceof ServiceThreads ? this.service.statistics() : null;
    return this.counters.statistics(this.inFlight - this.started, this.started, this.unreaped.length, threads);
  }

  /** The operations that are with the pool, with where they are and for how long. For people: it looks at all operations that there are. */
  dump(): OperationReport[] {
    this.clock.read();
    const ops = this.table.submitted().filter((op) => op.owner === this);
    return ops.map((op) => ({
      id: op.id,
      operation: nameOf(op),
      offset: op.offset,
      lengthBytes: op.lengthBytes,
      phase: AIO_PHASES[op.phase] as string,
      ageMs: this.#ageUs(op) / 1000,
    }));
  }

  /**
   * Lets no more operations in, waits for those in flight, or cancels them first, and ends the threads. Who waits for room is told EBADF. The device
   * stays open, and completions that are kept can still be reaped. It can be called again, as with a later deadline.
   *
   * @throws (rejects) {@link PoolCloseError} ETIMEDOUT if operations, or service threads, have not ended by the deadline, with what they are; they end as they
   * will, and the pool is closed then. RangeError ERR_OUT_OF_RANGE at once
   */
  close({ deadlineMs = Number.POSITIVE_INFINITY, cancel = false }: CloseOptions = {}): Promise<void> {
    checkTime('deadlineMs', deadlineMs);
    if (this.#closing === null) {
      this.shut = true;
      this.#closing = this.#drain().then(() => this.#ended());
      this.line.close(EBADF);
      this.unreaped.tell();
      this.reconsider();
    }
    if (cancel) this.cancelAll();
    return deadlineMs === Number.POSITIVE_INFINITY ? this.#closing : this.#before(this.#closing, deadlineMs);
  }

  /**
   * As {@link close}, for a thread that does not return to its event loop: blocks until all operations have ended, their callbacks among them, and the
   * service threads have closed the device.
   *
   * @throws {@link PoolCloseError} with what has not ended: ETIMEDOUT at the deadline, EINTR if a signal came first. SystemError EDEADLK as {@link wait}, and what
   * a callback throws. The pool lets nothing in from then on, goes on with its end, and this can be called again. RangeError ERR_OUT_OF_RANGE at once
   */
  closeSync({ deadlineMs = Number.POSITIVE_INFINITY, cancel = false }: CloseOptions = {}): void {
    checkTime('deadlineMs', deadlineMs);
    const endMs = this.timers.now() + deadlineMs;
    // What the service fails to close with is told by the next close().
    this.close({ cancel }).catch(() => {});
    awaitNone(this, endMs, deadlineMs);
    this.file.detach(this);
    const { service } = this;
    if (service?.closeSync?.(Math.max(0, endMs - this.timers.now())) === false)
      throw new PoolCloseError([], deadlineMs, this.stats().threads?.threads);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  protected settled(): void {
    if (!this.shut || this.inFlight > 0) return;
    this.#drained?.();
    this.unreaped.tell();
  }

  /** Blocks until an operation that is watched is done: null then, or why it is not. @param isFirst whether nobody below on the stack watches it too */
  #awaitEnd(op: AioOp, deadlineMs: number, isFirst: boolean): 'ETIME' | 'EINTR' | null {
    try {
      while ((op.features & IS_WATCHED) !== 0) {
        const leftMs = deadlineMs - this.timers.now();
        const ended = this.wait(Math.max(0, leftMs));
        if ((op.features & IS_WATCHED) === 0) return null;
        if (ended === 'EINTR') return ended;
        if (leftMs <= 0) return 'ETIME';
      }
      return null;
    } finally {
      if (isFirst) op.mark(IS_WATCHED, false);
    }
  }

  /**
   * The device is not to wait for what only counts time, or will when the one before it in its chain has ended; but what guards an operation may be what makes
   * that one end.
   */
  #closeWithDevice(): void {
    this.close().catch(() => {});
    for (const op of this.table.submitted()) if (op.owner === this && isTimeout(op) && !isGuard(op)) this.cancel(op);
  }

  /** For how long it has been where it is. That cannot be longer than it has been submitted, whatever clock its device has. */
  #ageUs({ startedAtUs, submittedAtUs, submittedCoarse }: AioOp): number {
    const { clock } = this;
    return Math.min(elapsedUs(clock, startedAtUs, submittedCoarse), elapsedUs(clock, submittedAtUs, submittedCoarse));
  }

  #opOf(target: AioOp | number): AioOp | null {
    if (typeof target === 'number') return this.table.find(target);
    if (!(target instanceof AioOp)) throw invalidType('target', 'an AioOp, or its id', target);
    return target;
  }

  #drain(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  async #ended(): Promise<void> {
    this.file.detach(this);
    await this.service?.close();
  }

  #before(closing: Promise<void>, deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new PoolCloseError(this.dump(), deadlineMs, this.stats().threads?.threads));
      const cancelTimer = this.timers.after(deadlineMs, late, true);
      const settle = (settled: () => void) => (): void => {
        cancelTimer();
        settled();
      };
      closing.then(settle(resolve), (error) => settle(() => reject(error))());
    });
  }
}

/** Whether its time runs, or is to run. */
function isTimeout({ phase, features }: AioOp): boolean {
  return (features & IS_TIMER) !== 0 && (phase === AIO_TIMING || phase === AIO_LINKED);
}

function serviceOf(device: BlockDevice, options: CompleteOptions): PoolService | null {
  const { service, depth, threads, asked } = options;
  if (service === 'auto') return fallBack(device, options);
  if (service === 'threads') return new ServiceThreads(device, depth, threads, asked);
  return service === 'inline' ? null : service;
}
