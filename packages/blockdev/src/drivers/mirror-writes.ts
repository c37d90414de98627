import { EAGAIN, EBUSY, ECANCELED, EIO, ENOTSUP } from '@biodone/uring';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import {
  type AbortVerdict,
  BLOCK_DISCARD,
  BLOCK_FAST_ONLY,
  BLOCK_FLUSH,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
} from '../block-io.js';
import { aim } from '../nested-io.js';
import type { RangeQueue } from '../range-queue.js';
import type { MirrorChildren } from './mirror-children.js';
import type { MirrorHalf } from './mirror-half.js';
import { type MirrorIo, MirrorWrite } from './mirror-io.js';
import type { MirrorSet } from './mirror-set.js';

/** Makes a range of all halves equal. */
type MakeEqual = (offset: number, lengthBytes: number) => void;

/** What a mirror does on all halves: writes, discards and flushes. Those that overlap go one after the other, so that the halves stay equal. */
export class MirrorWrites {
  readonly #set: MirrorSet;
  readonly #children: MirrorChildren;
  readonly #ranges: RangeQueue;
  readonly #writes: MirrorWrite[] = [];
  readonly #freeWrites: MirrorWrite[] = [];
  readonly #makeEqual: MakeEqual;

  constructor(set: MirrorSet, children: MirrorChildren, ranges: RangeQueue, makeEqual: MakeEqual) {
    this.#makeEqual = makeEqual;
    this.#set = set;
    this.#children = children;
    this.#ranges = ranges;
  }

  start(io: BlockIo): void {
    const write = this.#takeWrite(io);
    if (this.#ranges.enter(write)) this.#issue(write);
  }

  /** Does it in the calling thread, and returns the error. */
  run(io: BlockIo): number {
    // It would have to wait for others' writes, or for labels that are on their way.
    if (this.#set.isSaving) return EBUSY;
    const write = this.#takeWrite(io);
    if (this.#ranges.isTaken(write)) {
      this.#endWrite(write, EBUSY);
      this.#freeWrites.push(write);
      return EBUSY;
    }
    const unsaved = this.#set.inThread(() => {
      this.#writeAllSync(write, io.flags, -1);
      if (write.refused === 0 || write.succeeded === 0) return;
      const { refused } = write;
      write.refused = 0;
      this.#writeAllSync(write, io.flags & ~BLOCK_FAST_ONLY, refused);
    });
    const error = this.#errorOf(write) || unsaved;
    this.#endWrite(write, error);
    this.#freeWrites.push(write);
    return error;
  }

  /** A half has answered; null for none. */
  partDone(write: MirrorWrite, child: MirrorIo | null): void {
    if (child !== null) {
      while (this.#isToRepeat(write, child)) if (!this.#children.start(child)) return;
      this.#absorbWrite(write, child);
      this.#children.giveBack(child);
    }
    write.outstanding -= 1;
    if (write.outstanding > 0) return;
    const { refused } = write;
    if (write.cancelled !== 0) {
      this.#endCancelled(write);
      return;
    }
    if (refused === 0 || write.succeeded === 0) {
      this.#finishWrite(write, this.#errorOf(write));
      return;
    }
    // Some have made zeros of it and some have not: those take longer then.
    write.refused = 0;
    write.outstanding = 1;
    for (const half of this.#set.halves) {
      if (half.inUse && (refused & half.bit) !== 0)
        this.#issueTo(half, write, (write.parent as BlockIo).flags & ~BLOCK_FAST_ONLY);
    }
    this.partDone(write, null);
  }

  /** Takes a write back that waits for others. */
  abort(io: BlockIo): AbortVerdict | null {
    const write = this.#writes.find(({ parent }) => parent === io);
    if (write === undefined) return null;
    if (this.#ranges.cancel(write)) {
      this.#finishWrite(write, ECANCELED);
      return 'cancelled';
    }
    write.aborted = true;
    beginSubmit();
    try {
      for (const child of this.#children.underWay((each) => each.write === write)) child.child?.abort(child.io);
    } finally {
      endSubmit();
    }
    return 'in-progress';
  }

  /** A half is out, and does not count any more. The write's memory stays the half's until it has answered. */
  halfLost(write: MirrorWrite, child: MirrorIo): void {
    this.#children.abandon(child);
    this.partDone(write, null);
  }

  /** What some halves have done and some have not leaves them different: they are made equal. */
  #endCancelled(write: MirrorWrite): void {
    const { begin, end } = write;
    // Before anybody gets the range who reads it.
    if (begin < end) this.#makeEqual(begin, end - begin);
    this.#finishWrite(write, ECANCELED);
  }

  /** What somebody has taken back, but not from here, or what found no room, says nothing of a half the first time. */
  #isToRepeat(write: MirrorWrite, child: MirrorIo): boolean {
    const { bit } = child.half as MirrorHalf;
    const { error } = child.io;
    if ((error !== ECANCELED && error !== EAGAIN) || write.aborted || (write.repeated & bit) !== 0) return false;
    write.repeated |= bit;
    return (child.half as MirrorHalf).inUse;
  }

  /** Sends a write to all halves in use. */
  #issue(write: MirrorWrite): void {
    // One more, so that it does not end before all have begun.
    write.outstanding = 1;
    const { halves } = this.#set;
    for (let index = 0; index < halves.length; index++) {
      const half = halves[index] as MirrorHalf;
      if (half.inUse) this.#issueTo(half, write, (write.parent as BlockIo).flags);
    }
    this.partDone(write, null);
  }

  #issueTo(half: MirrorHalf, write: MirrorWrite, flags: number): void {
    const child = this.#children.take(half);
    this.#aimWrite(child, half, write, flags);
    write.outstanding += 1;
    if (this.#children.start(child)) this.partDone(write, child);
  }

  #aimWrite(child: MirrorIo, half: MirrorHalf, write: MirrorWrite, flags: number): void {
    const parent = write.parent as BlockIo;
    aim(child, parent, half.device as BlockDevice, half.claim, parent.offset, 0, parent.lengthBytes);
    child.io.flags = flags;
    child.write = write;
  }

  #absorbWrite(write: MirrorWrite, child: MirrorIo): void {
    const half = child.half as MirrorHalf;
    const { operation, flags, lengthBytes, transferredBytes } = child.io;
    const short = operation === BLOCK_WRITE && transferredBytes < lengthBytes;
    const error = child.io.error !== 0 ? child.io.error : short ? EIO : 0;
    if (error === ECANCELED && write.aborted) {
      write.cancelled |= half.bit;
    } else if (error === 0) {
      write.succeeded += 1;
    } else if (error === ENOTSUP && operation === BLOCK_WRITE_ZEROES && (flags & BLOCK_FAST_ONLY) !== 0) {
      write.refused |= half.bit;
    } else if (operation === BLOCK_DISCARD && error === ENOTSUP) {
      // A discard is advice.
      write.succeeded += 1;
    } else if (!this.#set.takeOut(half, `a write failed: errno ${error}`)) {
      write.error = error;
      write.movedBytes = operation === BLOCK_FLUSH ? 0 : transferredBytes;
    }
  }

  #errorOf(write: MirrorWrite): number {
    if (write.error !== 0) return write.error;
    return write.succeeded > 0 ? 0 : write.refused !== 0 ? ENOTSUP : EIO;
  }

  #finishWrite(write: MirrorWrite, error: number): void {
    const parent = this.#endWrite(write, error);
    if (write.queue !== null) this.#ranges.leave(write);
    this.#freeWrites.push(write);
    // What one half lacks is not done before the labels say that it is not good.
    if (error === 0) this.#set.complete(parent);
    else biodone(parent, error);
  }

  #endWrite(write: MirrorWrite, error: number): BlockIo {
    const parent = write.parent as BlockIo;
    const whole = parent.operation === BLOCK_FLUSH ? 0 : parent.lengthBytes;
    parent.transferredBytes = error === 0 ? whole : write.movedBytes;
    write.parent = null;
    return parent;
  }

  #writeAllSync(write: MirrorWrite, flags: number, halves: number): void {
    for (const half of this.#set.halves) {
      if (!half.inUse || (halves & half.bit) === 0) continue;
      const child = this.#children.take(half);
      this.#aimWrite(child, half, write, flags);
      do child.child?.strategySync(child.io);
      while (this.#isToRepeat(write, child));
      this.#absorbWrite(write, child);
      this.#children.giveBack(child);
    }
  }

  #takeWrite(parent: BlockIo): MirrorWrite {
    let write = this.#freeWrites.pop();
    if (write === undefined) {
      write = new MirrorWrite((each) => this.#issue(each));
      this.#writes.push(write);
    }
    write.set(parent);
    return write;
  }
}
