import { ECANCELED, EIO, IoBuffer } from '@biodone/uring';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import { type AbortVerdict, BLOCK_EXTENTS, BLOCK_READ, type BlockIo } from '../block-io.js';
import { aim } from '../nested-io.js';
import type { MirrorChildren } from './mirror-children.js';
import type { MirrorHalf } from './mirror-half.js';
import { judgeReadError, type MirrorIo, OWN_READ } from './mirror-io.js';
import type { MirrorSet } from './mirror-set.js';
import { PlainReads, type TakeOver } from './plain-reads.js';

/** What no half can read in one piece is read in pieces of this, so that bad places on different halves do not add up. */
const SMALL_BYTES = 4096;

/** What reads need to know of the mirror. */
export interface MirrorReadsParts {
  readonly set: MirrorSet;
  readonly children: MirrorChildren;
  readonly blockSizeBytes: number;
  /** Whether distance costs time on the halves. */
  readonly rotational: boolean;
  /** A half could not read a range that another one could. */
  readonly repair: (half: MirrorHalf, offset: number, lengthBytes: number) => void;
}

/** Reads of a mirror: each goes to one half, and what that cannot read to the others. */
export class MirrorReads {
  readonly #set: MirrorSet;
  readonly #children: MirrorChildren;
  readonly #blockSizeBytes: number;
  readonly #rotational: boolean;
  readonly #repair: MirrorReadsParts['repair'];
  readonly #smallBytes: number;
  readonly #takeOver: TakeOver;
  /** Halves that are not read, as bits, while some are made equal to another one; 0 mostly. */
  unequal = 0;
  /** The half that the last read went to. */
  #turn = 0;

  constructor({ set, children, blockSizeBytes, rotational, repair }: MirrorReadsParts) {
    this.#set = set;
    this.#children = children;
    this.#blockSizeBytes = blockSizeBytes;
    this.#rotational = rotational;
    this.#repair = repair;
    this.#smallBytes = Math.ceil(SMALL_BYTES / blockSizeBytes) * blockSizeBytes;
    this.#takeOver = (parent, half, error, transferredBytes, aborted) => {
      const child = this.#takeChild(parent, half, 0);
      child.aborted = aborted;
      child.io.error = error;
      child.io.transferredBytes = transferredBytes;
      this.done(child);
    };
  }

  /** Starts a read, or a question for extents, that any half can answer. */
  startPlain(io: BlockIo): void {
    const half = this.unequal === 0 && io.operation === BLOCK_READ ? this.#choose(io.offset, 0) : null;
    if (half === null) {
      this.start(io, 0);
      return;
    }
    this.#chosen(half, io.offset + io.lengthBytes);
    half.plain ??= new PlainReads(half, this.#takeOver);
    half.plain.start(io);
  }

  /** Starts a read that does not go to the halves in `excluded`, which are bits. */
  start(io: BlockIo, excluded: number): void {
    const child = this.#prepareRead(io, excluded);
    if (child === null) biodone(io, EIO);
    else if (this.#children.start(child)) this.done(child);
  }

  /** Reads as {@link start} does, in the calling thread, and returns the error. */
  run(io: BlockIo, excluded: number): number {
    const child = this.#prepareRead(io, excluded);
    if (child === null) return EIO;
    let error = -1;
    while (error < 0) {
      child.child?.strategySync(child.io);
      error = this.#readOn(child);
    }
    this.#children.giveBack(child);
    return error;
  }

  /** A half has answered. */
  done(child: MirrorIo): void {
    const parent = child.parent as BlockIo;
    const { error, transferredBytes } = child.io;
    if (error === 0 && transferredBytes === parent.lengthBytes && child.tried === child.excluded) {
      parent.transferredBytes = transferredBytes;
      this.#children.giveBack(child);
      biodone(parent, 0);
      return;
    }
    do {
      const error = this.#readOn(child);
      if (error >= 0) {
        this.#children.giveBack(child);
        biodone(parent, error);
        return;
      }
    } while (this.#children.start(child));
  }

  /** Asks for the end of a read. */
  abort(io: BlockIo): AbortVerdict {
    // What ends at once comes back by the queue of done requests, not in the middle of this.
    beginSubmit();
    try {
      const verdict = this.#abortPlain(io) ?? this.#abortChild(io);
      return verdict === 'cancelled' ? 'cancelled' : 'in-progress';
    } finally {
      endSubmit();
    }
  }

  /**
   * The half of a read is out. Its device may write to the memory of the read for as long as it has it: so the others are asked when it has
   * given it back, or, if it is the mirror's own, with other memory at once.
   */
  halfLost(child: MirrorIo): void {
    const parent = child.parent as BlockIo;
    if (parent.private !== OWN_READ) {
      child.child?.abort(child.io);
      return;
    }
    const { excluded } = child;
    this.#children.abandon(child);
    parent.buffer = IoBuffer.allocate(parent.lengthBytes);
    parent.transferredBytes = 0;
    this.start(parent, excluded);
  }

  #abortPlain(io: BlockIo): AbortVerdict | undefined {
    for (const { plain } of this.#set.halves) {
      const verdict = plain?.abort(io);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  }

  #abortChild(io: BlockIo): AbortVerdict | undefined {
    const child = this.#children.of(io);
    if (child === undefined) return undefined;
    child.aborted = true;
    return child.child?.abort(child.io);
  }

  #prepareRead(io: BlockIo, excluded: number): MirrorIo | null {
    const plain = this.unequal === 0 && io.operation === BLOCK_READ;
    const half = plain ? this.#choose(io.offset, excluded) : this.#chooseFor(io, io.offset, excluded);
    return half === null ? null : this.#takeChild(io, half, excluded);
  }

  #takeChild(io: BlockIo, half: MirrorHalf, excluded: number): MirrorIo {
    const child = this.#children.take(half);
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
    if (parent.operation === BLOCK_EXTENTS) child.io.extents = parent.extents;
    this.#chosen(half, child.io.offset + length);
  }

  #chosen(half: MirrorHalf, readEnd: number): void {
    if (this.#rotational) half.readEnd = readEnd;
    this.#turn = half.index;
  }

  #chooseFor(io: BlockIo, offset: number, tried: number): MirrorHalf | null {
    if (this.unequal !== 0) {
      const source = this.#choose(offset, tried | this.unequal);
      if (source !== null) return source;
    }
    if (io.operation !== BLOCK_EXTENTS) return this.#choose(offset, tried);
    // What is a hole on one may be zeros on another: one of them has the word, so that two answers go together.
    const first = this.#set.halves.find(({ state, bit }) => state === 'good' && (tried & bit) === 0);
    return first ?? this.#chooseUnsettled(tried);
  }

  /** The half with the least to do; of those, the nearest where distance costs time, else the next. */
  #choose(offset: number, tried: number): MirrorHalf | null {
    const { halves } = this.#set;
    const count = halves.length;
    let best: MirrorHalf | null = null;
    let index = this.#turn;
    for (let left = count; left > 0; left--) {
      index = index + 1 === count ? 0 : index + 1;
      const half = halves[index] as MirrorHalf;
      if (half.state !== 'good' || (tried & (1 << index)) !== 0) continue;
      if (best === null || half.inFlight < best.inFlight || (this.#rotational && this.#isBetter(half, best, offset))) best = half;
    }
    return best ?? this.#chooseUnsettled(tried);
  }

  #isBetter(half: MirrorHalf, best: MirrorHalf, offset: number): boolean {
    if (half.inFlight !== best.inFlight) return half.inFlight < best.inFlight;
    return Math.abs(half.readEnd - offset) < Math.abs(best.readEnd - offset);
  }

  /** One that may differ in what was being written when the system went down: better than none. */
  #chooseUnsettled(tried: number): MirrorHalf | null {
    return this.#set.halves.find(({ state, bit }) => state === 'syncing' && (tried & bit) === 0) ?? null;
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
    if (parent.operation === BLOCK_EXTENTS && child.io.error === 0) return 0;
    if (child.aborted) return ECANCELED;
    let half = this.#chooseFor(parent, parent.offset + position, child.tried);
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
    const { position } = child;
    const { error, transferredBytes, lengthBytes } = child.io;
    // A half that is short has lost its end: the mirror is not larger than the smallest.
    const short = error === 0 && transferredBytes < lengthBytes && parent.operation === BLOCK_READ;
    const moved = error === 0 ? transferredBytes : transferredBytes - (transferredBytes % this.#blockSizeBytes);
    const readable = error === 0 && !short ? lengthBytes : moved;
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
      if (sentence === 'repair') this.#repair(half, child.io.offset, lengthBytes);
      else if (sentence === 'take out') this.#set.takeOut(half, `a read failed: errno ${error}`);
    }
  }
}
