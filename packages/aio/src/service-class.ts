import type { AbortVerdict, BlockTimers } from '@biodone/blockdev';
import { EINVAL, SystemError } from '@biodone/uring';
import type { AioFile, CancelCounts, CancelFilter } from './aio-file.js';
import type { AioOp } from './aio-op.js';
import type { AvailableCallback } from './available-line.js';
import { submitBatch, type Verdicts } from './batch.js';
import { cancelAmong } from './cancel-among.js';
import { type AioServiceClassOptions, type ClassPoolOptions, completeClassOptions } from './class-options.js';
import { ClassPeers } from './class-peers.js';
import { ClassRouter } from './class-router.js';
import { type ClassStatistics, sumStatistics } from './class-statistics.js';
import { checkInteger, checkTime } from './errors.js';
import { moveOn } from './move-on.js';
import { EBADF, OperationCalls, type SubmitResult } from './operation-calls.js';
import { OperationTable } from './operation-table.js';
import type { OrderingKey } from './ordering-key.js';
import type { PoolLimits, PoolLimitsHeld } from './pool-limits.js';
import type { OperationReport } from './pool-statistics.js';
import { AioServicePool, type CloseOptions } from './service-pool.js';
import { awaitNone, PoolCloseError } from './teardown.js';

/**
 * Several pools for one kind of operations on the same data, used as if they were one: an operation goes to the pool that has the least to do. The
 * pools are channels of one open device, or service threads over the same device, or, if the caller vouches for it, several paths to the same
 * data.
 *
 * Operations with an ordering key never leave the pool that the first one with that key went to (rule 14). A flush covers, and a drain holds, the
 * operations of all pools, since these have one {@link AioFile}. A pool that has room takes what waits in the queue of another one, unless
 * `steal` is false, but nothing that has an ordering key.
 *
 * It belongs to the thread that made it, as its pools do. It is not cheaper than a pool to have: use one for devices that are slow in turns, or
 * that one queue cannot keep busy.
 */
export class AioServiceClass extends OperationCalls {
  /** The pools, for looking at them. Operations are submitted to the class, and cancelled and reaped there. */
  readonly pools: readonly AioServicePool[];
  /** What a flush covers. */
  readonly file: AioFile;
  readonly #table = new OperationTable();
  readonly #peers: ClassPeers;
  readonly #router: ClassRouter;
  /** The clock of the deadlines of its operations. */
  readonly timers: BlockTimers;
  #firstToReap = 0;
  #closed = false;

  /**
   * @throws SystemError EINVAL if the devices of the pools are not channels of one open device and nobody vouches for them, or cannot be the same
   * by their size, block size or right to write; ENOENT for a balance or a discipline that there is not; RangeError ERR_OUT_OF_RANGE, TypeError
   * ERR_INVALID_ARG_TYPE
   */
  constructor(pools: readonly ClassPoolOptions[], options: AioServiceClassOptions = {}) {
    super();
    const { balance, steal, file, timers } = completeClassOptions(pools, options);
    this.timers = timers;
    this.file = file;
    this.pools = makePools(pools, file, timers, this.#table);
    this.#peers = new ClassPeers(this.pools, steal, timers);
    this.#router = new ClassRouter(this.pools, balance, this.#peers);
  }

  /** Whether {@link close} has been called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** How many operations the deepest pool takes at a time: the longest chain that there can be. */
  get depth(): number {
    return Math.max(...this.pools.map(({ depth }) => depth));
  }

  /** How many operations have been submitted and are not done. */
  get inFlight(): number {
    return this.pools.reduce((sum, pool) => sum + pool.inFlight, 0);
  }

  /** How many of them are with the devices, or with service threads. */
  get started(): number {
    return this.pools.reduce((sum, pool) => sum + pool.started, 0);
  }

  /** How many operations are done and have not been reaped. */
  get unreapedCount(): number {
    return this.pools.reduce((sum, pool) => sum + pool.unreapedCount, 0);
  }

  /**
   * As {@link AioServicePool.configure}, of each pool. Of one alone: `pools[0].configure()`.
   *
   * @throws as there; nothing has changed then in any of them
   */
  configure(limits: Partial<PoolLimits>): void {
    const changed = this.pools.map((pool) => pool.changed(limits));
    // All together, so that none takes what another one starts no more, by limits that are about to be lower.
    for (const [index, pool] of this.pools.entries()) pool.setLimits(changed[index] as PoolLimitsHeld);
    for (const pool of this.pools) pool.useLimits();
  }

  /** As {@link AioServicePool.allocate}: an operation that any pool of the class can have. */
  allocate(): AioOp {
    return this.#table.allocate();
  }

  /** As {@link AioServicePool.release}. */
  release(op: AioOp): void {
    this.#router.poolOf(op).release(op);
    // It may not have been reaped, and leaves room then.
    this.#peers.level();
  }

  /** As {@link AioServicePool.find}. */
  find(id: number): AioOp | null {
    return this.#table.find(id);
  }

  /**
   * Submits an operation to the pool that the balance chooses; if that one is full or closed, to another one. With `callback === null` the calling
   * thread runs it, on the device of that pool.
   *
   * @returns 0; EAGAIN if no pool has room, or the one that its ordering key belongs to has none; EBADF if all are closed, or that one is
   * @throws SystemError as {@link AioServicePool.submit}; EINVAL if operations with its ordering key are under way elsewhere
   */
  submit(op: AioOp): SubmitResult {
    const answer = this.#router.submit(op);
    this.#router.settle();
    if (answer === EINVAL) throw elsewhere();
    return answer as SubmitResult;
  }

  /**
   * As {@link AioServicePool.submitAll}: each operation goes to the pool that {@link submit} would give it to, and a chain to one pool as a whole. Those of
   * one turn go to each pool's device together: with io_uring in one system call, as the pools of one thread share its ring; with service threads in one
   * hand-over for each pool.
   *
   * @param verdicts as there. EINVAL too for an operation with an ordering key of which operations are under way outside of the class, and for a chain
   * whose ordering keys have operations under way in several pools. A chain that is longer than any pool is deep is EINVAL.
   * @returns and throws as there
   */
  submitAll(ops: readonly AioOp[], verdicts: Verdicts | null = null): number {
    const taken = submitBatch(ops, verdicts, this.#router);
    this.#router.settle();
    return taken;
  }

  /**
   * As {@link AioServicePool.whenAvailable}, for room in any pool; for all of a chain in one.
   *
   * @param orderingKey what the operation has: while others with it are under way it can go to their pool alone, and it is that which must have room
   */
  whenAvailable(callback: AvailableCallback, lengthBytes = 0, count = 1, orderingKey: OrderingKey | null = null): () => void {
    const home = orderingKey === null || orderingKey.pending === 0 ? null : this.#router.homeOf(orderingKey);
    if (home !== null) return home.whenAvailable(callback, lengthBytes, count);
    checkInteger('count', count, 1, this.depth);
    const waiter = this.#peers.line.add(callback, lengthBytes, count);
    if (this.#closed) this.#peers.line.close(EBADF);
    this.#peers.look();
    return () => {
      this.#peers.line.remove(waiter);
      this.#peers.look();
    };
  }

  /** As {@link AioServicePool.cancel}, whichever pool the operation is with by now. */
  cancel(target: AioOp | number): AbortVerdict {
    const op = typeof target === 'number' ? this.#table.find(target) : target;
    return this.#router.poolOf(op).cancel(op ?? target);
  }

  /** As {@link AioServicePool.cancelAll}, in all pools of the class. */
  cancelAll(filter: CancelFilter = {}): CancelCounts {
    // All together, so that the end of one lets none begin that is with another pool.
    const ops = this.#table.submitted().filter((op) => this.pools.includes(op.owner as AioServicePool));
    return cancelAmong(ops, filter, this.file, (op) => this.#router.poolOf(op).cancel(op));
  }

  /** As {@link AioServicePool.cancelSync}. */
  cancelSync(target: AioOp | number, timeoutMs: number = Number.POSITIVE_INFINITY): 'cancelled' | 'done' | 'ETIME' | 'EINTR' {
    const op = typeof target === 'number' ? this.#table.find(target) : target;
    return this.#router.poolOf(op).cancelSync(op ?? target, timeoutMs);
  }

  /** As {@link AioServicePool.reap}: the oldest of one of the pools, which take turns. */
  reap(): AioOp | null {
    const { pools } = this;
    for (let looked = 0; looked < pools.length; looked++) {
      const pool = pools[this.#firstToReap] as AioServicePool;
      this.#firstToReap = this.#firstToReap + 1 === pools.length ? 0 : this.#firstToReap + 1;
      const op = pool.reap();
      if (op === null) continue;
      this.#peers.level();
      return op;
    }
    return null;
  }

  /** As {@link AioServicePool.waitComplete}, and blocks as {@link wait}. */
  waitComplete(timeoutMs: number = Number.POSITIVE_INFINITY): AioOp | 'EINTR' | 'ETIME' | null {
    checkTime('timeoutMs', timeoutMs);
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

  /** As {@link AioServicePool.completions}, of all pools. */
  completions(): AsyncIterableIterator<AioOp> {
    return this.#peers.completions.iterate(
      () => this.reap(),
      () => this.#closed && this.inFlight === 0,
    );
  }

  /** As {@link AioServicePool.poll}, of all pools. */
  poll(): number {
    const count = this.pools.reduce((sum, pool) => sum + pool.poll(), 0);
    this.#peers.line.poll();
    return count;
  }

  /**
   * Blocks until an operation of any pool completes, and delivers what has. A thread can sleep for one device only: while several have operations under
   * way, it sleeps for each in turn, a millisecond at a time.
   *
   * @param timeoutMs how long at most; `Infinity` for no limit
   * @returns how many were delivered, or why none were
   * @throws RangeError ERR_OUT_OF_RANGE; SystemError EDEADLK as `AioServicePool.wait`
   */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    checkTime('timeoutMs', timeoutMs);
    const early = this.poll();
    if (early > 0 || this.inFlight === 0) return early;
    // With nothing at the devices of the class, what all wait for may be with a pool outside of it.
    return moveOn(this.started > 0 ? this.pools : this.file.usersFrom(this.pools[0] as AioServicePool), timeoutMs);
  }

  /** What the pools have done, all together and each. */
  stats(): ClassStatistics {
    const pools = this.pools.map((pool) => pool.stats());
    return sumStatistics(pools, this.#router.refused);
  }

  /** As {@link AioServicePool.dump}, of all pools. */
  dump(): (OperationReport & { readonly pool: number })[] {
    return this.pools.flatMap((pool, index) => pool.dump().map((report) => ({ ...report, pool: index })));
  }

  /**
   * As {@link AioServicePool.close}, for all pools. The devices stay open.
   *
   * @throws (rejects) {@link PoolCloseError} ETIMEDOUT with what has not ended in all pools; RangeError ERR_OUT_OF_RANGE at once
   */
  async close({ deadlineMs = Number.POSITIVE_INFINITY, cancel = false }: CloseOptions = {}): Promise<void> {
    checkTime('deadlineMs', deadlineMs);
    this.#shut(cancel);
    const ends = await Promise.allSettled(this.pools.map((pool) => pool.close({ deadlineMs })));
    const reasons: unknown[] = ends.filter((end) => end.status === 'rejected').map(({ reason }) => reason);
    const late = reasons.filter((reason) => reason instanceof PoolCloseError);
    if (reasons.length > late.length) throw reasons.find((reason) => !(reason instanceof PoolCloseError));
    throwLate(late, deadlineMs);
  }

  /**
   * As {@link AioServicePool.closeSync}, for all pools, and blocks as {@link wait}.
   *
   * @throws as there, with what has not ended in all pools
   */
  closeSync({ deadlineMs = Number.POSITIVE_INFINITY, cancel = false }: CloseOptions = {}): void {
    checkTime('deadlineMs', deadlineMs);
    const endMs = this.timers.now() + deadlineMs;
    this.#shut(cancel);
    awaitNone(this, endMs, deadlineMs);
    const late = this.pools.map((pool) => lateOf(() => pool.closeSync({ deadlineMs: Math.max(0, endMs - this.timers.now()) })));
    throwLate(late, deadlineMs);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #shut(cancel: boolean): void {
    this.#closed = true;
    // None lets anything in any more before the first operation is cancelled.
    // Who closes the pools hears what fails there.
    for (const pool of this.pools) pool.close().catch(() => {});
    this.#peers.line.close(EBADF);
    this.#peers.completions.tell();
    this.#peers.look();
    if (cancel) this.cancelAll();
  }
}

/** What of a pool has not ended in time; null if all has. */
function lateOf(close: () => void): PoolCloseError | null {
  try {
    close();
    return null;
  } catch (error) {
    if (error instanceof PoolCloseError) return error;
    throw error;
  }
}

function throwLate(pools: readonly (PoolCloseError | null)[], deadlineMs: number): void {
  const late = pools.filter((pool) => pool !== null);
  if (late.length === 0) return;
  const operations = late.flatMap((pool) => pool.operations);
  const threads = late.flatMap((pool) => pool.threads);
  throw new PoolCloseError(operations, deadlineMs, threads, Math.abs(late[0]?.errno ?? 0));
}

function elsewhere(): SystemError {
  const message = 'operations with this ordering key are under way in a pool outside of the class';
  return new SystemError(EINVAL, 'submit', undefined, message);
}

function makePools(
  pools: readonly ClassPoolOptions[],
  file: AioFile,
  timers: BlockTimers,
  table: OperationTable,
): readonly AioServicePool[] {
  const made: AioServicePool[] = [];
  try {
    for (const { device, ...options } of pools) made.push(new AioServicePool(device, { ...options, file, timers }, table));
  } catch (error) {
    for (const pool of made) pool.close().catch(() => {});
    throw error;
  }
  return made;
}
