import { BLOCK_FLUSH, type BlockDevice, type BlockOperation, type BlockTimers } from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import { AIO_BARRIER, AIO_HELD, type AioOp, HAS_DRAIN, IS_BARRIER } from './aio-op.js';

/** What came of asking many operations to end. */
export interface CancelCounts {
  readonly cancelled: number;
  readonly inProgress: number;
}

/** Which operations a `cancelAll` is about. */
export interface CancelFilter {
  /** Those that do this: BLOCK_READ and its like. @default all */
  operation?: BlockOperation;
}

/** What an {@link AioFile} asks of the pools whose operations it orders. */
export interface AioFileUser {
  /** How many of the pool's operations are submitted and not done. */
  readonly inFlight: number;
  /** How many of them are with the device. */
  readonly started: number;
  readonly timers: BlockTimers;
  /** What a thread that waits for the pool sleeps for: its device, or its service. One wait serves all pools that have the same. */
  readonly waitsFor: object;
  /** In how many milliseconds the next of its timeouts and deadlines is due: 0 if it is over, Infinity if there is none. */
  readonly alarmInMs: number;
  /** How many operations have been done, ever. */
  readonly completed: number;
  /** Whether operations may go straight to the device has changed. */
  reconsider(): void;
  poll(): number;
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
  cancelAll(filter?: CancelFilter): CancelCounts;
}

/**
 * An open file as the protocol sees it: what a flush covers, and what a drain waits for and holds (rule 7). Operations on it run in parallel
 * otherwise.
 *
 * Pools of the same device object share one by themselves. Who has a file open more than once, by several devices, makes one for their pools
 * (`options.file`), so that a flush through one covers what is queued through the others. It belongs to one thread.
 *
 * How a flush knows what it covers: all operations of the file are numbered, and counted while they are under way. A flush that comes is given the
 * count of those since the flush before it; each that is done is found by its number, and the flush whose count reaches 0 starts. Without a
 * flush that waits, an operation costs two additions here.
 */
export class AioFile {
  /** How many operations, but for flushes, are under way. @internal */
  live = 0;
  /** The number of the last one. It wraps around; for differences. @internal */
  order = 0;
  /** Whether operations that are done must be told here. @internal */
  special = false;
  /** Flushes that wait for what they cover, in order. */
  readonly #barriers = new TailQueue<AioOp>();
  /** How many operations they wait for, all together. */
  #covered = 0;
  /** How many flushes wait or run. */
  #flushes = 0;
  /** Operations that a drain holds, in order: the first is one that drains, or waits for one that does. */
  readonly #held = new TailQueue<AioOp>();
  #draining: AioOp | null = null;
  /** Whether nothing is let go although no drain holds it: see {@link freeze}. */
  #frozen = false;
  /** What the pools know of {@link gated}. */
  #gateTold = false;
  readonly #users = new Set<AioFileUser>();

  /** The file that pools of a device share. */
  static of(device: BlockDevice): AioFile {
    let file = files.get(device);
    if (file === undefined) {
      file = makeFile();
      files.set(device, file);
    }
    return file;
  }

  /** Whether operations that come now are held back. @internal */
  get gated(): boolean {
    return this.#draining !== null || !this.#held.isEmpty;
  }

  /** The pools that have not been closed. */
  get users(): ReadonlySet<AioFileUser> {
    return this.#users;
  }

  /** The same, with one of them first. @internal */
  usersFrom(first: AioFileUser): readonly AioFileUser[] {
    return [first, ...[...this.#users].filter((user) => user !== first)];
  }

  /** How many operations of all pools are done: it has changed when a callback has been called. @internal */
  get completed(): number {
    let sum = 0;
    for (const { completed } of this.#users) sum += completed;
    return sum;
  }

  /** Asks for the end of all operations on the file, in all of its pools, or of those of one kind: see `AioServicePool.cancel`. */
  cancelAll(filter?: CancelFilter): CancelCounts {
    let cancelled = 0;
    let inProgress = 0;
    for (const user of this.#users) {
      const counts = user.cancelAll(filter);
      cancelled += counts.cancelled;
      inProgress += counts.inProgress;
    }
    return { cancelled, inProgress };
  }

  /** @internal */
  attach(user: AioFileUser): void {
    this.#users.add(user);
  }

  /** @internal */
  detach(user: AioFileUser): void {
    this.#users.delete(user);
  }

  /** Holds an operation back that drains, or that comes after one that does. @internal */
  hold(op: AioOp): void {
    op.phase = AIO_HELD;
    if (op.operation === BLOCK_FLUSH) op.rare.coveredError = 0;
    this.#held.insertTail(op);
    if (op.orderingKey !== null) op.orderingKey.held += 1;
    this.#release();
  }

  /** Counts an operation. @internal */
  enter(op: AioOp): void {
    this.order = (this.order + 1) | 0;
    op.order = this.order;
    if (op.operation === BLOCK_FLUSH) {
      op.features |= IS_BARRIER;
      this.#flushes += 1;
    } else {
      this.live += 1;
    }
  }

  /** Starts a flush when all that it covers is done: that may be at once, also if nothing else ever comes. @internal */
  addBarrier(op: AioOp): void {
    const { rare } = op;
    rare.left = this.live - this.#covered;
    // One that was held may know of failures already.
    if (op.phase !== AIO_HELD) rare.coveredError = 0;
    if (rare.left === 0 && this.#barriers.isEmpty) {
      op.owner?.startBarrier(op);
      return;
    }
    op.phase = AIO_BARRIER;
    this.#covered += rare.left;
    this.#barriers.insertTail(op);
    this.#mark();
  }

  /** An operation is over: told if {@link special}, or if it has something about it. @internal */
  finished(op: AioOp): void {
    if ((op.features & IS_BARRIER) !== 0) {
      op.features &= ~IS_BARRIER;
      this.#flushes -= 1;
    } else {
      this.live -= 1;
      if (!this.#barriers.isEmpty) this.#cover(op);
    }
    if (op.error !== 0 && !this.#held.isEmpty) this.#tellHeld(op);
    if (this.#draining === op) this.#draining = null;
    if (!this.#held.isEmpty || this.special) this.#release();
  }

  /** Takes an operation out that is held or waits as a flush. False if it does neither. @internal */
  remove(op: AioOp): boolean {
    if (op.queue === this.#held) {
      this.#letGo(op);
      this.#release();
      return true;
    }
    if (op.queue !== this.#barriers) return false;
    // Those behind it go on covering what it has covered.
    const next = this.#barriers.next(op);
    this.#barriers.remove(op);
    if (next === null) this.#covered -= op.rare.left;
    else bequeath(op, next);
    this.#startBarriers();
    this.#mark();
    return true;
  }

  /** While many are cancelled: none of them is to start because a drain before it is gone. Ended by {@link thaw}. @internal */
  freeze(): void {
    this.#frozen = true;
  }

  /** @internal */
  thaw(): void {
    this.#frozen = false;
    this.#release();
  }

  /** An operation is done that a flush may wait for. */
  #cover(op: AioOp): void {
    for (let flush = this.#barriers.first; flush !== null; flush = this.#barriers.next(flush)) {
      if (((op.order - flush.order) | 0) > 0) continue;
      const { rare } = flush;
      rare.left -= 1;
      this.#covered -= 1;
      if (op.error !== 0) note(flush, op.error, op.order);
      if (rare.left === 0) this.#startBarriers();
      return;
    }
  }

  /** An operation has failed that was submitted before all that is held: flushes among those cover it. */
  #tellHeld(op: AioOp): void {
    for (let held = this.#held.first; held !== null; held = this.#held.next(held)) {
      if (held.operation === BLOCK_FLUSH && op.operation !== BLOCK_FLUSH) note(held, op.error, op.order);
    }
  }

  #startBarriers(): void {
    for (let flush = this.#barriers.first; flush !== null && flush.rare.left === 0; flush = this.#barriers.first) {
      this.#barriers.remove(flush);
      // The one behind it covers the same, and more.
      const next = this.#barriers.first;
      if (next !== null) bequeath(flush, next);
      flush.owner?.startBarrier(flush);
    }
    this.#mark();
  }

  /** Lets go of what no drain holds any more. */
  #release(): void {
    for (let op = this.#held.first; op !== null && this.#draining === null && !this.#frozen; op = this.#held.first) {
      const drains = (op.features & HAS_DRAIN) !== 0;
      if (drains && this.live + this.#flushes > 0) break;
      if (drains) this.#draining = op;
      this.#letGo(op);
      op.owner?.enter(op);
    }
    this.#mark();
  }

  #letGo(op: AioOp): void {
    this.#held.remove(op);
    if (op.orderingKey !== null) op.orderingKey.held -= 1;
  }

  #mark(): void {
    const { gated } = this;
    const special = gated || !this.#barriers.isEmpty;
    if (gated === this.#gateTold && special === this.special) return;
    this.#gateTold = gated;
    this.special = special;
    for (const user of this.#users) user.reconsider();
  }
}

/** A flush that is counted no more leaves to the next one what it has not seen the end of, and the error that it has. */
function bequeath(flush: AioOp, next: AioOp): void {
  next.rare.left += flush.rare.left;
  if (flush.rare.coveredError !== 0) note(next, flush.rare.coveredError, flush.rare.coveredOrder);
}

/** The error that counts is that of the operation that was submitted first. */
function note(flush: AioOp, error: number, order: number): void {
  const { rare } = flush;
  if (rare.coveredError !== 0 && ((order - rare.coveredOrder) | 0) > 0) return;
  rare.coveredError = error;
  rare.coveredOrder = order;
}

// Outside of the class: a class that mentions itself would lose its name in the bundle.
function makeFile(): AioFile {
  return new AioFile();
}

const files = new WeakMap<BlockDevice, AioFile>();
