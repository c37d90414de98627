import { ECANCELED, EIO, IoBuffer } from '@biodone/uring';
import { BLOCK_FUA, BLOCK_NO_UNMAP, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { MarkWaiter, RaidMetadata } from './raid-metadata.js';
import { takeParityScratch } from './raid-parity.js';
import { RowPart, type RowParts, RowRequests } from './raid-requests.js';
import type { RaidStripe, StripeJob } from './raid-stripe.js';

/** How a row is written: see {@link StripeWrite}. */
const DATA_ALONE = 0;
const RECONSTRUCT_WRITE = 1;
const READ_MODIFY_WRITE = 2;

/** What writes need of the raid. */
interface WriteParts extends RowParts {
  readonly metadata: RaidMetadata;
}

/** Writes of a raid with parity, and zeros and discards, which are writes of zeros: each is cut into what lies in one row. */
export function createRaidWrites(parts: WriteParts, done: (io: BlockIo, error: number) => void): RowRequests<RowPart> {
  const { rowBytes, dataCount } = parts.set.geometry;
  // On level 1 nothing is ever read for a write, so there is nothing to wait for.
  return new RowRequests<RowPart>(parts, rowBytes, dataCount > 1, (owner) => new StripeWrite(parts, owner), done);
}

/**
 * The part of a write that lies in one row. When it begins, it takes along others that wait for the row and lie next to it: what is one range
 * together is written as one.
 */
class StripeWrite extends RowPart implements MarkWaiter {
  region = 0;
  readonly #metadata: RaidMetadata;
  /** Of the one that goes ahead: the next in the group; all of the group's range; and what it does. */
  next: StripeWrite | null = null;
  #begin = 0;
  #end = 0;
  #plan = DATA_ALONE;
  /** Whether it is one of zeros. */
  #isZeroing = false;
  #touched = 0;
  #from = 0;
  #to = 0;
  /** Where the parity is that was made beside the caller's data; -1 if it was not. */
  #parityAt = -1;
  /** Whether it may still be taken back. */
  #isMarking = false;
  #aborted = false;

  constructor(parts: WriteParts, owner: RowRequests<RowPart>) {
    super(parts, owner);
    this.#metadata = parts.metadata;
  }

  begin(stripe: RaidStripe): void {
    const { set } = this;
    this.stripe = stripe;
    this.#begin = this.begins;
    this.#end = this.ends;
    this.next = null;
    this.#aborted = false;
    this.#isZeroing = this.io.operation !== BLOCK_WRITE;
    if (!stripe.waiting.isEmpty) this.#gather(stripe);
    if (set.isBroken) {
      this.#finish(EIO);
      return;
    }
    set.untouched = false;
    this.region = set.regionOf(this.row);
    if (set.state.enterRegion(this.region)) {
      this.#go();
      return;
    }
    this.#isMarking = true;
    this.#metadata.mark(this);
  }

  marked(error: number): void {
    this.#isMarking = false;
    if (error === 0 && !this.#aborted) this.#go();
    else this.#leave(error || ECANCELED);
  }

  loaded(error: number): void {
    if (error !== 0) this.#leave(error);
    else this.#store();
  }

  stored(error: number): void {
    if (this.#parityAt >= 0) {
      this.io.buffer?.scratch?.giveBack(this.#parityAt, this.set.geometry.stripeBytes);
      this.#parityAt = -1;
    }
    this.#leave(error);
  }

  /** Ends before anything is written, if that can be. What others have come along with goes on. */
  stop(): void {
    if (this.next !== null) return;
    if (this.#isMarking) this.#aborted = true;
    else this.stripes.abort(this);
  }

  /** Gives the row back, and tells all of the group. */
  #finish(error: number): void {
    this.leaveRow();
    let part: StripeWrite | null = this;
    while (part !== null) {
      const next: StripeWrite | null = part.next;
      part.next = null;
      part.end(error);
      part = next;
    }
  }

  #leave(error: number): void {
    this.set.state.leaveRegion(this.region);
    this.#finish(error);
  }

  /** Takes along those that wait for the row and lie next to what there is: data with data, or zeros with zeros. */
  #gather(stripe: RaidStripe): void {
    const { waiting } = stripe;
    for (let job = waiting.first; job !== null; ) {
      const after: StripeJob | null = waiting.next(job);
      if (job instanceof StripeWrite && this.#isNext(job)) {
        waiting.remove(job);
        if (job.begins === this.#end) this.#end = job.ends;
        else this.#begin = job.begins;
        job.next = this.next;
        this.next = job;
        // What did not lie next to it may do so now.
        job = waiting.first;
      } else job = after;
    }
  }

  #isNext(job: StripeWrite): boolean {
    if (job.begins !== this.#end && job.ends !== this.#begin) return false;
    return (job.io.operation !== BLOCK_WRITE) === this.#isZeroing;
  }

  #go(): void {
    const stripe = this.stripe as RaidStripe;
    const reads = this.#choose(stripe);
    if (reads === 0) this.#store();
    else stripe.load(reads, this.#from, this.#to);
  }

  /** Decides how the row is written, and returns the columns that have to be read for it. */
  #choose(stripe: RaidStripe): number {
    const { set } = this;
    const { stripeBytes } = set.geometry;
    const first = Math.floor(this.#begin / stripeBytes);
    const last = Math.floor((this.#end - 1) / stripeBytes);
    const { parityBit, dataBits } = stripe;
    const touched = (2 << last) - (1 << first);
    this.#touched = touched;
    // The parity of what two columns have at different places is that of all of both.
    this.#from = first === last ? this.#begin - first * stripeBytes : 0;
    this.#to = first === last ? this.#end - first * stripeBytes : stripeBytes;
    let partial = 0;
    if (first !== last && this.#begin !== first * stripeBytes) partial |= 1 << first;
    if (first !== last && this.#end !== (last + 1) * stripeBytes) partial |= 1 << last;
    const toReconstruct = (dataBits & ~touched) | partial;
    const toModify = touched | parityBit;
    const down = stripe.downBits();
    if (down === parityBit) {
      this.#plan = DATA_ALONE;
      return 0;
    }
    // What is missing is either written as a whole, or its old contents stay what the parity says.
    const reconstructs =
      down !== 0 ? (down & touched) !== 0 : set.isUnknown(this.row) || countBits(toReconstruct) <= countBits(toModify);
    this.#plan = reconstructs ? RECONSTRUCT_WRITE : READ_MODIFY_WRITE;
    return reconstructs ? toReconstruct : toModify;
  }

  #store(): void {
    const stripe = this.stripe as RaidStripe;
    if (this.#isZeroing ? this.#storeZeroes(stripe) : this.#plan === RECONSTRUCT_WRITE && this.#storeInPlace(stripe)) return;
    if (this.#plan === READ_MODIFY_WRITE) this.#addToParity(stripe);
    let flags = 0;
    let part: StripeWrite | null = this;
    while (part !== null) {
      flags |= part.io.flags & BLOCK_FUA;
      part.#stage(stripe);
      part = part.next;
    }
    if (this.#plan === READ_MODIFY_WRITE) this.#addToParity(stripe);
    const columns = this.#plan === DATA_ALONE ? this.#touched : this.#touched | stripe.parityBit;
    stripe.store(columns, this.#begin, this.#end, this.#from, this.#to, flags, this.#plan === RECONSTRUCT_WRITE);
  }

  /**
   * Writes a whole row from where the caller has it, if the parity can be made there. That is for one request alone: whoever changes his data
   * meanwhile is not to harm what others have written.
   */
  #storeInPlace(stripe: RaidStripe): boolean {
    const { rowBytes, stripeBytes, dataCount } = this.set.geometry;
    if (this.next !== null || this.begins !== 0 || this.ends !== rowBytes || dataCount < 2) return false;
    const { io } = this;
    const buffer = io.buffer as IoBuffer;
    this.#parityAt = takeParityScratch(buffer, stripeBytes);
    if (this.#parityAt < 0) return false;
    stripe.storeFrom(buffer, io.bufferOffset + this.position, this.#parityAt, io.flags & BLOCK_FUA);
    return true;
  }

  /** Has the components make zeros of all of a row, or of two copies: the parity of zeros is zeros. */
  #storeZeroes(stripe: RaidStripe): boolean {
    const { rowBytes, dataCount } = this.set.geometry;
    if (dataCount > 1 && this.#end - this.#begin < rowBytes) return false;
    let flags = 0;
    for (let part: StripeWrite | null = this; part !== null; part = part.next) {
      flags |= part.io.flags & (BLOCK_FUA | BLOCK_NO_UNMAP);
    }
    const parityBit = this.#plan === DATA_ALONE ? 0 : stripe.parityBit;
    stripe.storeZeroes(this.#touched | parityBit, this.#begin, this.#end, this.#from, this.#to, flags);
    return true;
  }

  /** Adds to the parity what is written over, and then what is there instead. */
  #addToParity(stripe: RaidStripe): void {
    const { stripeBytes, dataCount } = this.set.geometry;
    for (let column = 0; column < dataCount; column++) {
      if ((this.#touched & (1 << column)) === 0) continue;
      const from = Math.max(0, this.#begin - column * stripeBytes);
      const to = Math.min(stripeBytes, this.#end - column * stripeBytes);
      this.stripes.parity.add(stripe.place(dataCount, from), stripe.place(column, from), to - from);
    }
  }

  /** Copies what is to be written to its place among the columns. */
  #stage(stripe: RaidStripe): void {
    const { io } = this;
    // Columns lie one after the other in memory, as they do in the row's data.
    const target = stripe.place(0, this.begins);
    const { buffer } = this.stripes.parity;
    if (io.operation !== BLOCK_WRITE) {
      buffer.bytes.fill(0, target, target + this.ends - this.begins);
      return;
    }
    IoBuffer.copy(buffer, target, io.buffer as IoBuffer, io.bufferOffset + this.position, this.ends - this.begins);
  }
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
