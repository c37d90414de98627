import type { TailQueueEntry } from '@biodone/sync';
import { EBUSY, ECANCELED, EIO, IoBuffer } from '@biodone/uring';
import { biodone } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import { type AbortVerdict, BLOCK_READ, BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { EILSEQ } from '../errno.js';
import { FreeList } from '../free-list.js';
import type { ChecksumBatch } from './checksum-batch.js';
import type { ChecksumCommit } from './checksum-commit.js';
import type { BlockDigest } from './checksum-digest.js';
import type { ChecksumLayout } from './checksum-layout.js';
import { type ChecksumPages, DAMAGED, type PageWaiter, WAITING } from './checksum-pages.js';
import { type ChecksumTable, LOST, NEVER_WRITTEN } from './checksum-table.js';

/** What reads need of their device. */
export interface ChecksumReadsParts {
  readonly device: BlockDevice;
  readonly claim: BlockClaim | null;
  readonly layout: ChecksumLayout;
  readonly table: ChecksumTable;
  readonly pages: ChecksumPages;
  readonly digest: BlockDigest;
  readonly commit: ChecksumCommit;
  /** The most blocks of a request. */
  readonly blocksMax: number;
  /** A block is not what was written. */
  readonly bad: (block: number) => void;
}

// What has become of a step.
const GOES_ON = 0;
const WAITS = 1;
const ENDED = 2;

type Outcome = typeof GOES_ON | typeof WAITS | typeof ENDED;

/** A read under way. */
class ReadWork implements PageWaiter {
  readonly io: BlockIo = new BlockIo();
  readonly reads: ChecksumReads;
  parent: BlockIo | null = null;
  error = 0;
  /** In blocks of the request: up to where it is done, and how many are being read. */
  position = 0;
  run = 0;
  /** What the blocks that are being read should be. */
  low = 0;
  high = 0;
  readonly lows: Int32Array;
  readonly highs: Int32Array;
  /** What the commit's count of changes was when they were looked up. */
  changes = 0;
  /** Whether nothing is written in its place as long as it reads. */
  isDoubt = false;
  isAborted = false;
  wantedPage = 0;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;

  constructor(reads: ChecksumReads, claim: BlockClaim | null, blocksMax: number) {
    this.reads = reads;
    this.lows = new Int32Array(blocksMax);
    this.highs = new Int32Array(blocksMax);
    this.io.private = this;
    this.io.claim = claim;
    this.io.operation = BLOCK_READ;
  }

  pageDone(error: number): void {
    this.reads.pageDone(this, error);
  }
}

/**
 * Reads: what is on its way to its place comes from memory, what was never written is zeros, all else from the device below, and is held against
 * its digest.
 */
export class ChecksumReads {
  readonly #parts: ChecksumReadsParts;
  readonly #free = new FreeList<ReadWork>();
  readonly #made: ReadWork[] = [];
  /** Those that read again when nothing is being written in its place. */
  #doubtful: ReadWork[] = [];
  readonly #blockBytes: number;
  /** A block is a power of two, so that a multiplication by this is as exact as the division, and takes a third of its time. */
  readonly #blocksPerByte: number;

  constructor(parts: ChecksumReadsParts) {
    this.#parts = parts;
    this.#blockBytes = parts.layout.blockBytes;
    this.#blocksPerByte = 1 / this.#blockBytes;
  }

  start(parent: BlockIo): void {
    const work = this.#free.take() ?? this.#make();
    work.parent = parent;
    work.position = 0;
    work.error = 0;
    if (parent.lengthBytes !== this.#blockBytes || !this.#startSingle(work, parent)) this.#advance(work);
  }

  /** Starts to read one block that is in its place, as most are. False if it is not, or its page is not in memory. */
  #startSingle(work: ReadWork, parent: BlockIo): boolean {
    const { commit, table, device, layout } = this.#parts;
    if (!commit.active.isEmpty || !commit.moving.isEmpty) return false;
    const at = table.digestAt(parent.offset * this.#blocksPerByte);
    if (at < 0) return false;
    const { expected } = table;
    work.low = expected[at] as number;
    work.high = expected[at + 1] as number;
    // Never written, or lost: otherwise by a chance of 1 in 2^32, and then it goes the long way all the same.
    if (work.low === work.high) return false;
    work.changes = commit.changes;
    const { io } = work;
    io.buffer = parent.buffer;
    io.bufferOffset = parent.bufferOffset;
    io.offset = layout.dataOffset + parent.offset;
    io.lengthBytes = parent.lengthBytes;
    if (device.startNested(io, singleReadDone)) this.#singleDone(work, parent);
    // Whoever wants it to end looks whether something is being read.
    else work.run = 1;
    return true;
  }

  /** For the iodone of child requests alone. */
  singleDone(work: ReadWork): void {
    this.#singleDone(work, work.parent as BlockIo);
  }

  #singleDone(work: ReadWork, parent: BlockIo): void {
    const { io } = work;
    if (io.error === 0 && io.transferredBytes === io.lengthBytes) {
      const { digest } = this.#parts;
      if (digest.matches(io.buffer as IoBuffer, io.bufferOffset, io.lengthBytes, work.low, work.high)) {
        parent.transferredBytes = io.lengthBytes;
        work.parent = null;
        work.run = 0;
        io.buffer = null;
        this.#free.put(work);
        biodone(parent, 0);
        return;
      }
    }
    work.run = 1;
    work.lows[0] = work.low;
    work.highs[0] = work.high;
    this.childDone(work);
  }

  /** Reads in the calling thread. Returns the errno. */
  runSync(parent: BlockIo): number {
    const work = this.#free.take() ?? this.#make();
    work.parent = parent;
    work.position = 0;
    work.error = 0;
    while (this.#step(work, true) === GOES_ON);
    const { error } = work;
    this.#recycle(work);
    return error;
  }

  /** For works alone. */
  pageDone(work: ReadWork, error: number): void {
    if (error === 0) {
      this.#advance(work);
    } else {
      this.#pageFailed(work, error);
      this.#end(work);
    }
  }

  /** For the iodone of child requests alone. */
  childDone(work: ReadWork): void {
    const outcome = this.#absorb(work, false);
    if (outcome === GOES_ON) this.#advance(work);
    else if (outcome === ENDED) this.#end(work);
  }

  /** What was on its way is in its place: who has not trusted that reads again. */
  settled(): void {
    if (this.#doubtful.length === 0) return;
    const works = this.#doubtful;
    this.#doubtful = [];
    for (const work of works) {
      work.isDoubt = true;
      this.#parts.commit.doubts += 1;
    }
    for (const work of works) this.#advance(work);
  }

  abort(parent: BlockIo): AbortVerdict {
    const work = this.#made.find((one) => one.parent === parent);
    if (work === undefined) return 'in-progress';
    work.isAborted = true;
    const verdict = work.run > 0 ? this.#parts.device.abort(work.io) : 'in-progress';
    return verdict === 'done' ? 'in-progress' : verdict;
  }

  #advance(work: ReadWork): void {
    let outcome: Outcome = GOES_ON;
    while (outcome === GOES_ON) outcome = this.#step(work, false);
    if (outcome === ENDED) this.#end(work);
  }

  /** Does the next part: some blocks that are alike. */
  #step(work: ReadWork, isSync: boolean): Outcome {
    const parent = work.parent as BlockIo;
    const position = work.position;
    if (position * this.#blockBytes >= parent.lengthBytes) return ENDED;
    if (work.isAborted) return fail(work, ECANCELED);
    const block = parent.offset / this.#blockBytes + position;
    const { commit, table } = this.#parts;
    if (!commit.isClean && this.#copyFromBatch(work, block)) return GOES_ON;
    const at = table.digestAt(block);
    if (at < 0) return this.#loadPage(work, block, isSync);
    const low = table.expected[at] as number;
    const isPlain = low !== table.expected[at + 1];
    if (low === NEVER_WRITTEN && !isPlain) {
      const begin = parent.bufferOffset + position * this.#blockBytes;
      (parent.buffer as IoBuffer).bytes.fill(0, begin, begin + this.#blockBytes);
      work.position += 1;
      return GOES_ON;
    }
    if (low === LOST && !isPlain) {
      this.#parts.bad(block);
      return fail(work, EIO);
    }
    return this.#readRun(work, block, isSync);
  }

  #copyFromBatch(work: ReadWork, block: number): boolean {
    const { active, moving } = this.#parts.commit;
    return (!active.isEmpty && this.#copyFrom(active, work, block)) || (!moving.isEmpty && this.#copyFrom(moving, work, block));
  }

  #copyFrom(batch: ChecksumBatch, work: ReadWork, block: number): boolean {
    const place = batch.find(block);
    if (place < 0) return false;
    const parent = work.parent as BlockIo;
    const target = parent.bufferOffset + work.position * this.#blockBytes;
    IoBuffer.copy(parent.buffer as IoBuffer, target, batch.memory, batch.offsetOf(place), this.#blockBytes);
    work.position += 1;
    return true;
  }

  #loadPage(work: ReadWork, block: number, isSync: boolean): Outcome {
    const { table, pages } = this.#parts;
    work.wantedPage = table.pageOf(block);
    const error = isSync ? pages.readSync(work.wantedPage) : pages.want(work);
    if (error === 0) return GOES_ON;
    if (error === WAITING) return WAITS;
    this.#pageFailed(work, error);
    return ENDED;
  }

  #pageFailed(work: ReadWork, error: number): void {
    const parent = work.parent as BlockIo;
    if (error === DAMAGED) this.#parts.bad(parent.offset / this.#blockBytes + work.position);
    fail(work, error === DAMAGED ? EIO : error);
  }

  /** Reads blocks from the device below, as many as are to be read there side by side. */
  #readRun(work: ReadWork, first: number, isSync: boolean): Outcome {
    const parent = work.parent as BlockIo;
    const { device, layout, commit } = this.#parts;
    const most = parent.lengthBytes / this.#blockBytes - work.position;
    let run = 0;
    while (run < most && this.#expect(work, run, first + run)) run += 1;
    work.run = run;
    work.changes = commit.changes;
    const { io } = work;
    io.buffer = parent.buffer;
    io.bufferOffset = parent.bufferOffset + work.position * this.#blockBytes;
    io.offset = layout.dataOffset + first * this.#blockBytes;
    io.lengthBytes = run * this.#blockBytes;
    if (isSync) {
      device.strategySync(io);
      return this.#absorb(work, true);
    }
    return device.startNested(io, readChildDone) ? this.#absorb(work, false) : WAITS;
  }

  /** Notes what a block should be. False if it is not to be read below, or that is not known yet. */
  #expect(work: ReadWork, index: number, block: number): boolean {
    const { table, commit } = this.#parts;
    if (index > 0 && !commit.isClean && (commit.active.find(block) >= 0 || commit.moving.find(block) >= 0)) return false;
    const at = table.digestAt(block);
    if (at < 0) return false;
    const low = table.expected[at] as number;
    const high = table.expected[at + 1] as number;
    if (low === high && (low === NEVER_WRITTEN || low === LOST)) return false;
    work.lows[index] = low;
    work.highs[index] = high;
    return true;
  }

  /** Takes what was read. */
  #absorb(work: ReadWork, isSync: boolean): Outcome {
    const { run, io } = work;
    const parent = work.parent as BlockIo;
    const first = parent.offset / this.#blockBytes + work.position;
    work.run = 0;
    if (io.error !== 0 || io.transferredBytes < io.lengthBytes) return fail(work, io.error || EIO);
    for (let index = 0; index < run; index++) {
      if (this.#isRight(work, index)) continue;
      work.position += index;
      return this.#doubt(work, first + index, isSync);
    }
    work.position += run;
    return GOES_ON;
  }

  #isRight(work: ReadWork, index: number): boolean {
    const { buffer, bufferOffset } = work.parent as BlockIo;
    const offset = bufferOffset + (work.position + index) * this.#blockBytes;
    const low = work.lows[index] as number;
    return this.#parts.digest.matches(buffer as IoBuffer, offset, this.#blockBytes, low, work.highs[index] as number);
  }

  /** A block is not what it should be: unless it has been written meanwhile, it is bad. */
  #doubt(work: ReadWork, block: number, isSync: boolean): Outcome {
    const { commit } = this.#parts;
    const isWriting = commit.changes % 2 === 1;
    if (!isWriting && commit.changes === work.changes) {
      const parent = work.parent as BlockIo;
      const buffer = parent.buffer as IoBuffer;
      const begin = parent.bufferOffset + work.position * this.#blockBytes;
      // Whoever asks why it is bad wants to know what it is instead.
      this.#parts.digest.of(buffer, begin, this.#blockBytes);
      this.#parts.bad(block);
      // Nobody is to take it for data.
      buffer.bytes.fill(0, begin, begin + this.#blockBytes);
      return fail(work, EILSEQ);
    }
    if (!isWriting) return GOES_ON;
    // The calling thread cannot wait for what others write.
    if (isSync) return fail(work, EBUSY);
    this.#endDoubt(work);
    this.#doubtful.push(work);
    return WAITS;
  }

  #end(work: ReadWork): void {
    const parent = work.parent as BlockIo;
    const { error } = work;
    parent.transferredBytes = work.position * this.#blockBytes;
    this.#recycle(work);
    biodone(parent, error);
  }

  #recycle(work: ReadWork): void {
    (work.parent as BlockIo).transferredBytes = work.position * this.#blockBytes;
    work.parent = null;
    work.isAborted = false;
    work.io.buffer = null;
    this.#free.put(work);
    if (work.isDoubt) this.#endDoubt(work);
  }

  #endDoubt(work: ReadWork): void {
    if (!work.isDoubt) return;
    work.isDoubt = false;
    const { commit } = this.#parts;
    commit.doubts -= 1;
    if (commit.doubts === 0) commit.doubtsEnded();
  }

  #make(): ReadWork {
    const work = new ReadWork(this, this.#parts.claim, this.#parts.blocksMax);
    this.#made.push(work);
    return work;
  }
}

function fail(work: ReadWork, error: number): Outcome {
  work.error = error;
  return ENDED;
}

function readChildDone(io: BlockIo): void {
  const work = io.private as ReadWork;
  work.reads.childDone(work);
}

function singleReadDone(io: BlockIo): void {
  const work = io.private as ReadWork;
  work.reads.singleDone(work);
}
