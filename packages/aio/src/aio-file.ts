import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_FLUSH,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockOperation,
  type BlockTimers,
} from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import { AIO_BARRIER, AIO_HELD, type AioOp, HAS_DRAIN, IS_BARRIER, IS_OUTSIDE, IS_TIMER } from './aio-op.js';
import { EILSEQ } from './errno.js';

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
 *
 * Which errors a flush reports: those of writes, of any kind, that were submitted before it and were not over then. It does not matter where one of them
 * was when it ended: a write that is cancelled, or comes too late, before it has reached its device is not on the device either. That of a read, a
 * discard or a comparison says nothing about what is stable.
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
  /** Writes that have ended without a place among what is under way, and are not told yet. */
  readonly #outside = new Set<AioOp>();
  /** While this is not 0, nothing is let go although no drain holds it: see {@link freeze}. */
  #frozen = 0;
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

  /** Whether there is nothing that a flush would cover. @internal */
  get idle(): boolean {
    return this.live === 0 && this.#outside.size === 0;
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
    // Or the end of what one pool has would start what the next one is still to be asked for.
    this.freeze();
    try {
      for (const user of this.#users) {
        const counts = user.cancelAll(filter);
        cancelled += counts.cancelled;
        inProgress += counts.inProgress;
      }
    } finally {
      this.thaw();
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
    this.#number(op);
    if (op.operation === BLOCK_FLUSH) this.#beginFlush(op);
    this.#held.insertTail(op);
    if (op.orderingKey !== null) op.orderingKey.held += 1;
    this.#release();
  }

  /** Counts an operation. @internal */
  enter(op: AioOp): void {
    // What was held has had its number since its submission.
    if (op.phase !== AIO_HELD) this.#number(op);
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
    if (op.phase !== AIO_HELD) this.#beginFlush(op);
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
    if (isLost(op)) this.#tellHeld(op);
    if (this.#draining === op) this.#draining = null;
    if (!this.#held.isEmpty || this.special) this.#release();
  }

  /** Holds an operation back no more, which is ended instead: see {@link endedHeld}. @internal */
  letGo(op: AioOp): void {
    this.#held.remove(op);
    if (op.orderingKey !== null) op.orderingKey.held -= 1;
  }

  /** One that was held has ended: flushes that are held behind it cover it. @internal */
  endedHeld(op: AioOp): void {
    this.#goOutside(op);
    this.#tellHeld(op);
    this.#release();
  }

  /** An operation has ended before it has got a place. Its error is final. @internal */
  passBy(op: AioOp): void {
    this.#number(op);
    this.#goOutside(op);
  }

  /** One that has ended without a place is over. @internal */
  finishedOutside(op: AioOp): void {
    op.features &= ~IS_OUTSIDE;
    this.#outside.delete(op);
  }

  /** Takes a flush out that waits for what it covers. @internal */
  removeBarrier(op: AioOp): void {
    // Those behind it go on covering what it has covered.
    const next = this.#barriers.next(op);
    this.#barriers.remove(op);
    if (next === null) this.#covered -= op.rare.left;
    else bequeath(op, next);
    this.#startBarriers();
    this.#mark();
  }

  /** While many are cancelled: none of them is to start because a drain before it is gone. Ended by {@link thaw}. @internal */
  freeze(): void {
    this.#frozen += 1;
  }

  /** @internal */
  thaw(): void {
    this.#frozen -= 1;
    this.#release();
  }

  /** An operation is done that a flush may wait for. */
  #cover(op: AioOp): void {
    for (let flush = this.#barriers.first; flush !== null; flush = this.#barriers.next(flush)) {
      if (((op.order - flush.order) | 0) > 0) continue;
      const { rare } = flush;
      rare.left -= 1;
      this.#covered -= 1;
      if (isLost(op)) note(flush, op.error, op.order);
      if (rare.left === 0) this.#startBarriers();
      return;
    }
  }

  #number(op: AioOp): void {
    this.order = (this.order + 1) | 0;
    op.order = this.order;
  }

  /** A flush is submitted: of writes that have ended and are not told yet it knows already. */
  #beginFlush(flush: AioOp): void {
    flush.rare.coveredError = 0;
    for (const op of this.#outside) if (isLost(op)) note(flush, op.error, op.order);
  }

  #goOutside(op: AioOp): void {
    op.features |= IS_OUTSIDE;
    this.#outside.add(op);
  }

  /** A write has failed: flushes that are held and were submitted behind it cover it. */
  #tellHeld(op: AioOp): void {
    if (!isLost(op)) return;
    for (let held = this.#held.first; held !== null; held = this.#held.next(held)) {
      if (held.operation === BLOCK_FLUSH && ((held.order - op.order) | 0) > 0) note(held, op.error, op.order);
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
    for (let op = this.#held.first; op !== null && this.#draining === null && this.#frozen === 0; op = this.#held.first) {
      const drains = (op.features & HAS_DRAIN) !== 0;
      if (drains && this.live + this.#flushes > 0) break;
      if (drains) this.#draining = op;
      this.letGo(op);
      op.owner?.enter(op);
    }
    this.#mark();
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

/** Whether this is a write of any kind that has failed. */
function isLost({ operation, error, features }: AioOp): boolean {
  if (error === 0 || (features & IS_TIMER) !== 0) return false;
  if (operation === BLOCK_COMPARE_AND_WRITE) return error !== EILSEQ;
  return operation === BLOCK_WRITE || operation === BLOCK_WRITE_ZEROES;
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
