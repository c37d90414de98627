import type { TailQueueEntry } from '@biodone/sync';
import { TailQueue } from '@biodone/sync';
import { EAGAIN, ECANCELED, EIO, type IoBuffer } from '@biodone/uring';
import { BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE_ZEROES, BlockIo, type BlockOperation, IO_STARTED } from '../block-io.js';
import { judgeReadError } from './mirror-io.js';
import type { RaidMember, RaidSlot } from './raid-member.js';
import { makeParityInScratch, type ParityMemory } from './raid-parity.js';
import type { RaidSet } from './raid-set.js';

/** What no component can read in one piece is read in pieces of this, so that bad places on different components do not add up. */
const SMALL_BYTES = 4096;

/** What is being done with a stripe. */
const IDLE = 0;
const LOADING = 1;
const RECONSTRUCTING = 2;
const REPAIRING = 3;
const STORING = 4;

/** Who wants a row for itself: a write, a read of what cannot be read directly, or a walk over all rows. */
export interface StripeJob extends TailQueueEntry {
  readonly row: number;
  /** Whether it gains by waiting a little for others of the same row. */
  readonly isPartial: boolean;
  /** It has the row, until it calls `RaidStripes.leave`. */
  begin(stripe: RaidStripe): void;
  /** What it has had loaded is there, or cannot be. */
  loaded(error: number): void;
  /** What it has had stored is on all components that there are, or on too few of them. */
  stored(error: number): void;
}

/** A request to one component, for a stripe. */
class StripeIo {
  readonly io: BlockIo = new BlockIo();
  readonly stripe: RaidStripe;
  readonly column: number;
  member: RaidMember | null = null;
  slot: RaidSlot | null = null;
  isRepeated = false;

  constructor(stripe: RaidStripe, column: number) {
    this.stripe = stripe;
    this.column = column;
    this.io.private = this;
  }
}

/**
 * A row that somebody works on, with memory for each of its columns, the parity behind the data. Columns are named by their bits. All of it
 * goes the same way in the calling thread (`set.inThread`), where nothing is ever waited for.
 */
export class RaidStripe implements TailQueueEntry {
  row = 0;
  job: StripeJob | null = null;
  /** The next stripe whose row has the same place in the table. */
  next: RaidStripe | null = null;
  /** Those who wait for the row. */
  readonly waiting: TailQueue<StripeJob> = new TailQueue<StripeJob>();
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  /** Where its memory begins. */
  readonly base: number;
  readonly #set: RaidSet;
  readonly #parity: ParityMemory;
  readonly #ios: StripeIo[];
  readonly #stripeBytes: number;
  #phase = IDLE;
  #outstanding = 0;
  #wanted = 0;
  /** Columns of the wanted ones that could not be read; those that are in memory; those that failed on a medium that may be repaired. */
  #bad = 0;
  #there = 0;
  #repairable = 0;
  #error = 0;
  #aborted = false;
  /** What is being loaded: in pieces, where it cannot be had at once. */
  #from = 0;
  #to = 0;
  #end = 0;
  #begin = 0;
  #flags = 0;
  /** How it is stored. */
  #storing: BlockOperation = BLOCK_WRITE;
  /** Where what is stored lies, if that is not in the stripe's own memory: the data of the whole row, and its parity in the scratch of that memory. */
  #data: IoBuffer | null = null;
  #dataOffset = 0;
  #dataParityOffset = 0;

  constructor(set: RaidSet, parity: ParityMemory, base: number) {
    this.#set = set;
    this.#parity = parity;
    this.base = base;
    this.#stripeBytes = set.geometry.stripeBytes;
    this.#ios = Array.from({ length: set.geometry.dataCount + 1 }, (_, column) => new StripeIo(this, column));
  }

  get parityBit(): number {
    return 1 << this.#set.geometry.dataCount;
  }

  /** The bits of all data columns. */
  get dataBits(): number {
    return this.parityBit - 1;
  }

  memberOf(column: number): RaidMember {
    const { members, geometry } = this.#set;
    return members[geometry.componentOf(this.row, column)] as RaidMember;
  }

  /** The bits of the columns whose components are not there. */
  downBits(): number {
    const set = this.#set;
    if (set.allGood) return 0;
    let bits = 0;
    for (let column = 0; column <= set.geometry.dataCount; column++) {
      if (!set.isUp(this.memberOf(column), this.row)) bits |= 1 << column;
    }
    return bits;
  }

  /** Where a byte of a column is in memory. */
  place(column: number, within: number): number {
    return this.base + column * this.#stripeBytes + within;
  }

  /** Makes a column the exclusive-or of all the others, between two places of each. */
  combine(column: number, from: number, to: number): void {
    const { dataCount } = this.#set.geometry;
    this.#parity.combine(this.place(column, from), this.place(0, from), this.#stripeBytes, dataCount + 1, to - from);
  }

  /**
   * Reads columns, between two places of each. One that cannot be read is made of all the others; and if its component is there, it is written
   * back, since a disk puts another place there for a bad one. The job is told, perhaps before this returns.
   */
  load(wanted: number, from: number, to: number): void {
    this.#wanted = wanted;
    this.#from = from;
    this.#to = to;
    this.#end = to;
    this.#aborted = false;
    this.#loadPiece();
  }

  /**
   * Writes columns. Of those with data, what lies between two places of the row's data; of the parity what lies between two places of it. A
   * component that is not there is left out. One that fails is taken out, if the others can do without it.
   *
   * With `makesParity` the parity is made between those places once the writes of the data have been started: a device that copies the data at once,
   * as one in memory does, has brought into the processor's cache what is needed. A ring may hand its writes to the kernel only later.
   */
  store(columns: number, begin: number, end: number, from: number, to: number, flags: number, makesParity: boolean): void {
    this.#storing = BLOCK_WRITE;
    this.#store(columns, begin, end, from, to, flags, makesParity);
  }

  /** As {@link store}, of zeros, which the components make by themselves. */
  storeZeroes(columns: number, begin: number, end: number, from: number, to: number, flags: number): void {
    this.#storing = BLOCK_WRITE_ZEROES;
    this.#store(columns, begin, end, from, to, flags, false);
  }

  #store(columns: number, begin: number, end: number, from: number, to: number, flags: number, makesParity: boolean): void {
    this.#phase = STORING;
    this.#begin = begin;
    this.#end = end;
    this.#from = from;
    this.#to = to;
    this.#flags = flags;
    this.#error = 0;
    this.#outstanding = 1;
    const { dataCount } = this.#set.geometry;
    for (let column = 0; column < dataCount; column++) {
      if ((columns & (1 << column)) !== 0) this.#startStore(column);
    }
    if (makesParity) this.#makeParity();
    if ((columns & this.parityBit) !== 0) this.#startStore(dataCount);
    this.#partDone();
  }

  /**
   * As {@link store}, of a whole row that is written from where it lies, in memory that WebAssembly sees. The parity is made at a place that was
   * taken of its scratch.
   */
  storeFrom(data: IoBuffer, dataOffset: number, parityOffset: number, flags: number): void {
    this.#data = data;
    this.#dataOffset = dataOffset;
    this.#dataParityOffset = parityOffset;
    const { rowBytes } = this.#set.geometry;
    this.store(this.dataBits | this.parityBit, 0, rowBytes, 0, this.#stripeBytes, flags, true);
  }

  /** Writes all of a column to a component that is not there yet. */
  rebuild(column: number): void {
    this.#phase = STORING;
    this.#error = 0;
    this.#outstanding = 1;
    this.#start(column, this.memberOf(column), BLOCK_WRITE, 0, this.#stripeBytes, 0);
    this.#partDone();
  }

  /** Adds the data to the parity, and looks whether that leaves nothing, as it does if they go together. */
  isConsistent(): boolean {
    const { dataCount } = this.#set.geometry;
    const parity = this.place(dataCount, 0);
    for (let column = 0; column < dataCount; column++) this.#parity.add(parity, this.place(column, 0), this.#stripeBytes);
    return this.#parity.isZero(parity, this.#stripeBytes);
  }

  /** Asks for the end of the reads that are under way. False if it writes already. */
  abort(): boolean {
    if (this.#phase !== LOADING && this.#phase !== RECONSTRUCTING) return false;
    this.#aborted = true;
    for (const { io, slot } of this.#ios) if (io.state === IO_STARTED) slot?.device.abort(io);
    return true;
  }

  /** For the `iodone` of its requests alone. */
  childDone(child: StripeIo): void {
    if (this.#phase === STORING) this.#storeDone(child);
    else if (this.#phase === REPAIRING) this.#repairDone(child);
    else this.#readDone(child);
    this.#partDone();
  }

  #loadPiece(): void {
    this.#phase = LOADING;
    this.#bad = 0;
    this.#there = 0;
    this.#repairable = 0;
    this.#error = 0;
    this.#read(this.#wanted);
  }

  #read(columns: number): void {
    this.#outstanding = 1;
    for (let column = 0; column <= this.#set.geometry.dataCount; column++) {
      if ((columns & (1 << column)) === 0) continue;
      const member = this.memberOf(column);
      if (this.#set.isUp(member, this.row)) this.#start(column, member, BLOCK_READ, this.#from, this.#to, 0);
      else this.#bad |= 1 << column;
    }
    this.#partDone();
  }

  #start(column: number, member: RaidMember, operation: BlockOperation, from: number, to: number, flags: number): void {
    const child = this.#ios[column] as StripeIo;
    const { io } = child;
    const slot = member.slot as RaidSlot;
    child.member = member;
    if (child.slot !== slot) child.slot = slot;
    child.isRepeated = false;
    io.operation = operation;
    io.flags = flags;
    if (io.claim !== slot.claim) io.claim = slot.claim;
    if (this.#data === null) {
      if (io.buffer === null) io.buffer = this.#parity.buffer;
      io.bufferOffset = this.place(column, from);
    } else this.#aimElsewhere(io, this.#data, column);
    io.offset = this.row * this.#stripeBytes + from;
    io.lengthBytes = to - from;
    this.#outstanding += 1;
    this.#send(child, slot);
  }

  #aimElsewhere(io: BlockIo, data: IoBuffer, column: number): void {
    const isParity = column === this.#set.geometry.dataCount;
    io.buffer = isParity ? (data.scratch as NonNullable<IoBuffer['scratch']>).buffer : data;
    io.bufferOffset = isParity ? this.#dataParityOffset : this.#dataOffset + column * this.#stripeBytes;
  }

  #makeParity(): void {
    const { dataCount } = this.#set.geometry;
    if (this.#data === null) this.combine(dataCount, this.#from, this.#to);
    else makeParityInScratch(this.#data, this.#dataParityOffset, this.#dataOffset, this.#stripeBytes, dataCount);
  }

  /** Nobody's memory is to be held by requests that nobody uses. */
  #letGo(): void {
    this.#data = null;
    for (const { io } of this.#ios) io.buffer = null;
  }

  #send(child: StripeIo, slot: RaidSlot): void {
    if (this.#set.inThread) slot.device.strategySync(child.io);
    else if (!slot.device.startNested(child.io, stripeIoDone)) return;
    this.childDone(child);
  }

  #readDone(child: StripeIo): void {
    const { error, transferredBytes, lengthBytes } = child.io;
    const bit = 1 << child.column;
    // A component that is short has lost its end.
    const failure = error !== 0 ? error : transferredBytes < lengthBytes ? EIO : 0;
    if (failure === 0) {
      this.#there |= bit;
      return;
    }
    this.#bad |= bit;
    if (this.#error === 0) this.#error = failure;
    const sentence = judgeReadError(failure);
    if (sentence === 'repair') this.#repairable |= bit;
    else if (sentence === 'take out') {
      this.#set.takeOut(child.member as RaidMember, child.slot, `a read failed: errno ${failure}`);
    }
  }

  #partDone(): void {
    this.#outstanding -= 1;
    if (this.#outstanding > 0) return;
    const phase = this.#phase;
    if (phase === LOADING) this.#loadDone();
    else if (phase === RECONSTRUCTING) this.#reconstructed();
    else if (phase === REPAIRING) this.#pieceDone();
    else this.#finish(this.#error, true);
  }

  #loadDone(): void {
    if (this.#aborted) this.#finish(ECANCELED, false);
    else if (this.#bad === 0) this.#pieceDone();
    else if (!this.#canReconstruct(this.#bad)) this.#giveUp();
    else {
      this.#phase = RECONSTRUCTING;
      this.#read((this.dataBits | this.parityBit) & ~this.#bad & ~this.#there);
    }
  }

  #reconstructed(): void {
    const bad = this.#bad;
    if (this.#aborted) {
      this.#finish(ECANCELED, false);
      return;
    }
    if (!this.#canReconstruct(bad)) {
      this.#giveUp();
      return;
    }
    const column = 31 - Math.clz32(bad);
    this.combine(column, this.#from, this.#to);
    const member = this.memberOf(column);
    if ((this.#repairable & bad) === 0 || this.#set.identity.readOnly || !this.#set.isUp(member, this.row)) {
      this.#pieceDone();
      return;
    }
    this.#phase = REPAIRING;
    this.#outstanding = 1;
    this.#start(column, member, BLOCK_WRITE, this.#from, this.#to, 0);
    this.#partDone();
  }

  /** Whether one column alone is missing, and the parity is that of the data. */
  #canReconstruct(bad: number): boolean {
    if ((bad & (bad - 1)) !== 0 || this.#set.isBroken) return false;
    // Parity itself can always be made of the data.
    return bad === this.parityBit || !this.#set.isUnknown(this.row);
  }

  #repairDone(child: StripeIo): void {
    const { error, transferredBytes, lengthBytes } = child.io;
    if (error === 0 && transferredBytes === lengthBytes) this.#set.state.countRepair();
    else this.#set.takeOut(child.member as RaidMember, child.slot, `a repair failed: errno ${error || EIO}`);
  }

  /** More than one column is bad: perhaps not at the same places. */
  #giveUp(): void {
    const small = Math.max(SMALL_BYTES, this.#set.geometry.blockSizeBytes);
    if (this.#repairable !== 0 && this.#to - this.#from > small) {
      this.#to = this.#from + small;
      this.#loadPiece();
      return;
    }
    this.#finish(this.#error || EIO, false);
  }

  #pieceDone(): void {
    if (this.#to >= this.#end) {
      this.#finish(0, false);
      return;
    }
    const length = this.#to - this.#from;
    this.#from = this.#to;
    this.#to = Math.min(this.#end, this.#to + length);
    this.#loadPiece();
  }

  #startStore(column: number): void {
    const member = this.memberOf(column);
    if (!this.#set.isUp(member, this.row)) return;
    const isParity = column === this.#set.geometry.dataCount;
    const first = column * this.#stripeBytes;
    const from = isParity ? this.#from : Math.max(0, this.#begin - first);
    const to = isParity ? this.#to : Math.min(this.#stripeBytes, this.#end - first);
    this.#start(column, member, this.#storing, from, to, this.#flags);
  }

  #storeDone(child: StripeIo): void {
    const { io, slot, member } = child;
    const { error, transferredBytes, lengthBytes, operation } = io;
    if (error === 0 && (transferredBytes === lengthBytes || operation !== BLOCK_WRITE)) return;
    // It says nothing of the component: nobody has wanted it to end.
    if ((error === ECANCELED || error === EAGAIN) && !child.isRepeated) {
      child.isRepeated = true;
      this.#outstanding += 1;
      this.#send(child, slot as RaidSlot);
      return;
    }
    const failure = error || EIO;
    if (!this.#set.takeOut(member as RaidMember, slot, `a write failed: errno ${failure}`) && this.#error === 0) {
      this.#error = failure;
    }
  }

  #finish(error: number, stored: boolean): void {
    this.#phase = IDLE;
    if (this.#data !== null) this.#letGo();
    const job = this.job as StripeJob;
    if (stored) job.stored(error);
    else job.loaded(error);
  }
}

function stripeIoDone(io: BlockIo): void {
  const child = io.private as StripeIo;
  child.stripe.childDone(child);
}
