import { EBUSY, ECANCELED, EIO, ENOTSUP } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import {
  type AbortVerdict,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
} from '../block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import { aim, type NestedIo, type NestedOwner, startChild } from '../nested-io.js';
import { RangeQueue } from '../range-queue.js';
import type { DeviceSpec } from '../spec.js';
import { pollAll, waitForAny } from '../stack-children.js';
import type { MirrorHalf } from './mirror-half.js';
import { judgeReadError, MirrorIo, MirrorWrite } from './mirror-io.js';
import type { MirrorSet } from './mirror-set.js';

/** What no half can read in one piece is read in pieces of this, so that bad places on different halves do not add up. */
const SMALL_BYTES = 4096;

/** What the driver is made of. */
export interface MirrorDriverParts {
  readonly set: MirrorSet;
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly timers: BlockTimers;
  /** A half could not read a range that another one could. */
  readonly repair: (half: MirrorHalf, offset: number, lengthBytes: number) => void;
  /** Does all repairs that can be done, in the calling thread. */
  readonly repairNow: () => void;
  readonly describe: () => Record<string, unknown>;
  readonly config: () => DeviceSpec;
  readonly handle: () => DeviceHandle;
  readonly attached: (events: DriverEvents) => void;
  readonly close: () => Promise<void>;
}

/**
 * The driver of a mirror. A read goes to one half, and on to the others if it fails; everything else goes to all halves in use. Writes that
 * overlap go one after the other, so that the halves stay equal.
 */
export class MirrorDriver implements BlockDriver, NestedOwner {
  readonly name = 'mirror';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  /** The ranges that are being written, or copied from one half to another. */
  readonly ranges: RangeQueue = new RangeQueue();
  readonly describe: () => Record<string, unknown>;
  readonly config: () => DeviceSpec;
  readonly handle: () => DeviceHandle;
  readonly attached: (events: DriverEvents) => void;
  readonly close: () => Promise<void>;
  readonly #set: MirrorSet;
  readonly #timers: BlockTimers;
  readonly #repair: (half: MirrorHalf, offset: number, lengthBytes: number) => void;
  readonly #repairNow: () => void;
  /** All child requests there are, for `abort`; as many as `maxInFlight` and the number of halves let there be. */
  readonly #made: MirrorIo[] = [];
  readonly #free: MirrorIo[] = [];
  readonly #writes: MirrorWrite[] = [];
  readonly #freeWrites: MirrorWrite[] = [];
  readonly #smallBytes: number;
  /** The half that the last read went to. */
  #turn = 0;

  constructor(parts: MirrorDriverParts) {
    this.limits = parts.limits;
    this.capabilities = parts.capabilities;
    this.describe = parts.describe;
    this.config = parts.config;
    this.handle = parts.handle;
    this.attached = parts.attached;
    this.close = parts.close;
    this.#set = parts.set;
    this.#timers = parts.timers;
    this.#repair = parts.repair;
    this.#repairNow = parts.repairNow;
    const { blockSizeBytes } = parts.limits;
    this.#smallBytes = Math.ceil(SMALL_BYTES / blockSizeBytes) * blockSizeBytes;
  }

  start(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_EXTENTS) this.startRead(io, 0);
    else if (isForAll(operation)) this.#startWrite(io);
    else biodone(io, ENOTSUP);
  }

  startSync(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_EXTENTS) this.#readSync(io);
    else io.error = isForAll(operation) ? this.#writeSync(io) : ENOTSUP;
  }

  /** Starts a read that does not go to the halves in `excluded`, which are bits. */
  startRead(io: BlockIo, excluded: number): void {
    const child = this.#prepareRead(io, excluded);
    if (child === null) biodone(io, EIO);
    else if (this.#startOn(child)) this.#readDone(child);
  }

  /** Reads as {@link startRead} does, in the calling thread, and returns the error. */
  readInThread(io: BlockIo, excluded: number): number {
    const child = this.#prepareRead(io, excluded);
    if (child === null) return EIO;
    let error = -1;
    while (error < 0) {
      child.child?.strategySync(child);
      error = this.#readOn(child);
    }
    this.#giveBack(child);
    return error;
  }

  /** For child requests alone. */
  childDone(io: NestedIo): void {
    const child = io as MirrorIo;
    (child.half as MirrorHalf).inFlight -= 1;
    if (child.write === null) this.#readDone(child);
    else this.#writePartDone(child.write, child);
  }

  abort(io: BlockIo): AbortVerdict {
    for (const write of this.#writes) {
      if (write.parent !== io) continue;
      // Once begun, a write goes to all halves: cancelled on some of them only, it would leave them different.
      if (!this.ranges.cancel(write)) return 'in-progress';
      this.#finishWrite(write, ECANCELED);
      return 'cancelled';
    }
    const child = this.#made.find(({ parent }) => parent === io);
    if (child === undefined) return 'in-progress';
    child.aborted = true;
    // What ends at once comes back by the queue of done requests, not in the middle of this.
    beginSubmit();
    try {
      return child.child?.abort(child) === 'cancelled' ? 'cancelled' : 'in-progress';
    } finally {
      endSubmit();
    }
  }

  poll(): number {
    return pollAll(this.#devices());
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return waitForAny(this.#devices(), timeoutMs, this.#timers);
  }

  #devices(): BlockDevice[] {
    return this.#set.halves.map(({ device }) => device).filter((device) => device !== null);
  }

  // Reads.

  #prepareRead(io: BlockIo, excluded: number): MirrorIo | null {
    const half = this.#choose(io.offset, excluded);
    if (half === null) return null;
    const child = this.#take();
    child.excluded = excluded;
    child.tried = excluded;
    child.chunkBytes = io.lengthBytes;
    this.#aimRead(child, io, half, 0);
    return child;
  }

  #aimRead(child: MirrorIo, parent: BlockIo, half: MirrorHalf, position: number): void {
    const length = Math.min(child.chunkBytes, parent.lengthBytes - position);
    aim(child, parent, half.device as BlockDevice, half.claim, parent.offset + position, position, length);
    child.half = half;
    child.extents = parent.operation === BLOCK_EXTENTS ? parent.extents : null;
    half.readEnd = child.offset + length;
    this.#turn = half.index;
  }

  /** The half with the least to do; of those, the nearest where distance costs time, else the next. */
  #choose(offset: number, tried: number): MirrorHalf | null {
    const { halves } = this.#set;
    const count = halves.length;
    let best: MirrorHalf | null = null;
    for (let step = 1, index = this.#turn; step <= count; step++) {
      index = index + 1 === count ? 0 : index + 1;
      const half = halves[index] as MirrorHalf;
      if (half.state === 'good' && (tried & (1 << index)) === 0 && (best === null || this.#isBetter(half, best, offset)))
        best = half;
    }
    return best ?? this.#chooseUnsettled(tried);
  }

  #isBetter(half: MirrorHalf, best: MirrorHalf, offset: number): boolean {
    if (half.inFlight !== best.inFlight) return half.inFlight < best.inFlight;
    return this.capabilities.rotational === true && Math.abs(half.readEnd - offset) < Math.abs(best.readEnd - offset);
  }

  /** One that may differ in what was being written when the system went down: better than none. */
  #chooseUnsettled(tried: number): MirrorHalf | null {
    return this.#set.halves.find(({ state, bit }) => state === 'syncing' && (tried & bit) === 0) ?? null;
  }

  #startOn(child: MirrorIo): boolean {
    const half = child.half as MirrorHalf;
    half.inFlight += 1;
    if (!startChild(child, half.device as BlockDevice)) return false;
    half.inFlight -= 1;
    return true;
  }

  #readDone(child: MirrorIo): void {
    const parent = child.parent as BlockIo;
    const { transferredBytes } = child;
    if (child.error === 0 && transferredBytes === parent.lengthBytes && child.tried === child.excluded) {
      parent.transferredBytes = transferredBytes;
      this.#giveBack(child);
      biodone(parent, 0);
      return;
    }
    do {
      const error = this.#readOn(child);
      if (error >= 0) {
        this.#giveBack(child);
        biodone(parent, error);
        return;
      }
    } while (this.#startOn(child));
  }

  /**
   * Takes what a half has read, and aims at what is to be read next, where another half can be asked.
   *
   * @returns the request's error, 0 if all has been read; negative if it goes on
   */
  #readOn(child: MirrorIo): number {
    const parent = child.parent as BlockIo;
    let position = this.#absorbRead(child);
    if (position === parent.lengthBytes) return 0;
    if (parent.operation === BLOCK_EXTENTS && child.error === 0) return 0;
    if (child.aborted) return ECANCELED;
    let half = this.#choose(parent.offset + position, child.tried);
    if (half === null && child.chunkBytes > this.#smallBytes && parent.operation === BLOCK_READ) {
      child.chunkBytes = this.#smallBytes;
      child.tried = child.excluded;
      child.errors.length = 0;
      half = this.#choose(parent.offset + position, child.tried);
    }
    if (half === null) return child.errors.find((error) => error > 0) ?? EIO;
    position = parent.operation === BLOCK_EXTENTS ? 0 : position;
    this.#aimRead(child, parent, half, position);
    return -1;
  }

  /** Counts what has been read, and remembers who could not. Returns up to where all has been read. */
  #absorbRead(child: MirrorIo): number {
    const parent = child.parent as BlockIo;
    const half = child.half as MirrorHalf;
    const { error, transferredBytes, position } = child;
    // A half that is short has lost its end: the mirror is not larger than the smallest.
    const short = error === 0 && transferredBytes < child.lengthBytes && parent.operation === BLOCK_READ;
    const moved = error === 0 ? transferredBytes : transferredBytes - (transferredBytes % this.limits.blockSizeBytes);
    const readable = error === 0 && !short ? child.lengthBytes : moved;
    if (readable > 0 && child.errors.length > 0) this.#blame(child, readable);
    if (readable > 0) {
      child.tried = child.excluded;
      child.errors.length = 0;
    }
    if (error !== 0 || short) {
      child.tried |= half.bit;
      child.errors[half.index] = short ? EIO : error;
    }
    parent.transferredBytes = position + moved;
    return position + moved;
  }

  /** One half could read what others could not. */
  #blame(child: MirrorIo, lengthBytes: number): void {
    for (const half of this.#set.halves) {
      const error = child.errors[half.index] ?? 0;
      if (error === 0 || half === child.half) continue;
      const sentence = judgeReadError(error);
      if (sentence === 'repair') this.#repair(half, child.offset, lengthBytes);
      else if (sentence === 'take out') this.#set.takeOut(half, `a read failed: errno ${error}`);
    }
  }

  #readSync(io: BlockIo): void {
    this.#set.inThread(() => {
      io.error = this.readInThread(io, 0);
      this.#repairNow();
    });
  }

  // Everything else.

  #startWrite(io: BlockIo): void {
    const write = this.#takeWrite(io);
    if (this.ranges.enter(write)) this.#issue(write);
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
    this.#writePartDone(write, null);
  }

  #issueTo(half: MirrorHalf, write: MirrorWrite, flags: number): void {
    const child = this.#take();
    this.#aimWrite(child, half, write, flags);
    write.outstanding += 1;
    if (this.#startOn(child)) this.#writePartDone(write, child);
  }

  #aimWrite(child: MirrorIo, half: MirrorHalf, write: MirrorWrite, flags: number): void {
    const parent = write.parent as BlockIo;
    aim(child, parent, half.device as BlockDevice, half.claim, parent.offset, 0, parent.lengthBytes);
    child.flags = flags;
    child.half = half;
    child.write = write;
  }

  #writePartDone(write: MirrorWrite, child: MirrorIo | null): void {
    if (child !== null) {
      this.#absorbWrite(write, child);
      this.#giveBack(child);
    }
    write.outstanding -= 1;
    if (write.outstanding > 0) return;
    const { refused } = write;
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
    this.#writePartDone(write, null);
  }

  #absorbWrite(write: MirrorWrite, child: MirrorIo): void {
    const half = child.half as MirrorHalf;
    const { operation, transferredBytes } = child;
    const short = operation === BLOCK_WRITE && transferredBytes < child.lengthBytes;
    const error = child.error !== 0 ? child.error : short ? EIO : 0;
    if (error === 0) {
      write.succeeded += 1;
    } else if (error === ENOTSUP && operation === BLOCK_WRITE_ZEROES && (child.flags & BLOCK_FAST_ONLY) !== 0) {
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
    if (write.queue !== null) this.ranges.leave(write);
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

  #writeSync(io: BlockIo): number {
    // It would have to wait for others' writes, or for labels that are on their way.
    if (this.#set.isSaving) return EBUSY;
    const write = this.#takeWrite(io);
    if (this.ranges.isTaken(write)) {
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

  #writeAllSync(write: MirrorWrite, flags: number, halves: number): void {
    for (const half of this.#set.halves) {
      if (!half.inUse || (halves & half.bit) === 0) continue;
      const child = this.#take();
      this.#aimWrite(child, half, write, flags);
      child.child?.strategySync(child);
      this.#absorbWrite(write, child);
      this.#giveBack(child);
    }
  }

  // Free lists.

  #take(): MirrorIo {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const made = new MirrorIo(this);
    this.#made.push(made);
    return made;
  }

  #giveBack(child: MirrorIo): void {
    child.parent = null;
    child.buffer = null;
    child.extents = null;
    child.write = null;
    child.half = null;
    child.aborted = false;
    if (child.errors.length > 0) child.errors.length = 0;
    this.#free.push(child);
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

/** What goes to all halves. */
function isForAll(operation: number): boolean {
  return (
    operation === BLOCK_WRITE || operation === BLOCK_FLUSH || operation === BLOCK_DISCARD || operation === BLOCK_WRITE_ZEROES
  );
}
