import { TailQueue, type TailQueueEntry } from '@biodone/sync';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_WRITE, BlockIo, type BlockOperation } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { FreeList } from '../free-list.js';
import { ChecksumBatch } from './checksum-batch.js';
import { type BlockDigest, bindLow } from './checksum-digest.js';
import type { ChecksumLayout } from './checksum-layout.js';
import { type ChecksumPages, DAMAGED, type PageWaiter, WAITING } from './checksum-pages.js';
import { type ChecksumTable, ENTRY_BEFORE, ENTRY_GENERATION, ENTRY_HIGH, LOST, NEVER_WRITTEN } from './checksum-table.js';

/** How many requests of it are under way at a time, and how long they are. */
const CALLS_AT_ONCE = 32;
const RUN_BYTES = 131072;

/** What is done with a batch, in this order. */
const IDLE = 0;
/** It is written to its journal. */
const JOURNAL = 1;
/** The journal is made stable, and with it all that the batch before has written. */
const FLUSH = 2;
/** Its blocks go to their places: nobody must be reading these in doubt. */
const DATA = 3;
/** Their digests go into the table, */
const TABLE = 4;
/** and this to the device. */
const PAGES = 5;

type Phase = typeof IDLE | typeof JOURNAL | typeof FLUSH | typeof DATA | typeof TABLE | typeof PAGES;

/** A request to the device below. */
interface CommitCall {
  readonly io: BlockIo;
  readonly commit: ChecksumCommit;
  /** The frame that is written, or -1. */
  frame: number;
}

/** What a commit needs of its device. */
export interface CommitParts {
  readonly device: BlockDevice;
  readonly claim: BlockClaim | null;
  readonly layout: ChecksumLayout;
  readonly table: ChecksumTable;
  readonly pages: ChecksumPages;
  readonly digest: BlockDigest;
  readonly uuid: Uint8Array;
  readonly salt: number;
  /** Whether a flush is done only when the batch is in its place, too. */
  readonly holdsOn: boolean;
  /** A batch is in its place, or could not be put there: who has waited for that is served. Returns whether somebody waits still. */
  readonly ended: (error: number) => boolean;
}

/**
 * Takes what was written to the device below, a batch at a time: to a journal first, whole; when that is stable, to its places. Whatever the power
 * leaves, either the journal has a block as it is to be, or its place has the one before. There are two journals, in turns: when the second
 * one is stable, so is what the first one's batch has put in its places.
 *
 * All of that is one machine, which goes on with each request that is done; in the calling thread it simply does not stop.
 */
export class ChecksumCommit implements PageWaiter {
  /** What takes what is written now. */
  active: ChecksumBatch;
  /** What is on its way; empty if nothing is. */
  moving: ChecksumBatch;
  /** Counts up when places begin to be written, and when they have been: odd while they are. */
  changes = 0;
  /** How many read places again that did not look right: until they have, nothing is written there. */
  doubts = 0;
  /** The errno of a flush below that has failed: nobody knows what is stable, and nothing more is written. */
  broken = 0;
  wantedPage = 0;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  readonly #parts: CommitParts;
  readonly #free = new FreeList<CommitCall>();
  /** Flushes, and writes that are to be stable: those that what is active is for, and those that what is moving is for. */
  readonly #forActive = new TailQueue<BlockIo>();
  readonly #forMoving = new TailQueue<BlockIo>();
  #phase: Phase = IDLE;
  #sequence: number;
  #position = 0;
  #outstanding = 0;
  #error = 0;
  #pumping = false;
  #isStalled = false;
  #isSync = false;
  #waitsForPage = false;

  constructor(parts: CommitParts, sequence: number) {
    this.#parts = parts;
    this.#sequence = sequence;
    this.active = new ChecksumBatch(parts.layout);
    this.moving = new ChecksumBatch(parts.layout);
  }

  /** The number of the batch that was written last. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Whether something is under way that does not depend on the calling thread. */
  get isBusy(): boolean {
    return this.#phase !== IDLE && !this.#isStalled;
  }

  /** Whether there is nothing that is not in its place. */
  get isClean(): boolean {
    return this.active.isEmpty && this.moving.isEmpty;
  }

  /** Completes a flush, or a write that is to be stable and is in the active batch, when that is in the journal. */
  makeStable(io: BlockIo): void {
    if (this.broken !== 0) biodone(io, this.broken);
    else if (!this.active.isEmpty) this.#forActive.insertTail(io);
    else if (this.#phase === JOURNAL || this.#phase === FLUSH || (this.#parts.holdsOn && this.isBusy))
      this.#forMoving.insertTail(io);
    else biodone(io, 0);
    this.start();
  }

  /** Moves the active batch on, if it can be now, or what could not be moved before. */
  start(): void {
    if (this.broken !== 0 || this.#pumping || this.isBusy) return;
    if (!this.#begin()) return;
    this.#pump();
  }

  /** Does all that there is to do in the calling thread. Returns the errno. Not while {@link isBusy}. */
  runSync(): number {
    if (this.broken !== 0) return this.broken;
    this.#isSync = true;
    this.#error = 0;
    // What is under way first, then the active one.
    for (let round = 0; round < 2 && this.#begin(); round++) {
      this.#pump();
      if (this.#isStalled || this.broken !== 0) break;
    }
    this.#isSync = false;
    return this.broken || (this.#isStalled ? this.#error : 0);
  }

  /** Puts a batch that a journal held into its places: it is stable already. */
  recover(batch: ChecksumBatch): void {
    if (batch !== this.moving) {
      this.active = this.moving;
      this.moving = batch;
    }
    this.#sequence = Math.max(this.#sequence, batch.sequence);
    this.#enter(DATA);
    this.#pump();
  }

  /** Takes a request out that waits. False if it does not. */
  remove(io: BlockIo): boolean {
    for (const queue of [this.#forActive, this.#forMoving]) {
      if (io.queue !== queue) continue;
      queue.remove(io);
      return true;
    }
    return false;
  }

  /** Nobody is in doubt any more. */
  doubtsEnded(): void {
    if (this.#phase === DATA && !this.#pumping) this.#pump();
  }

  pageDone(error: number): void {
    this.#waitsForPage = false;
    this.#outstanding -= 1;
    if (error !== 0) this.#pageFailed(error);
    if (!this.#pumping) this.#pump();
  }

  /** For the iodone of its requests alone. */
  callDone(call: CommitCall): void {
    this.#outstanding -= 1;
    this.#absorb(call);
    if (!this.#pumping) this.#pump();
  }

  /** Sets out with what there is to do. False if there is nothing. */
  #begin(): boolean {
    if (this.#phase !== IDLE) {
      // What has failed is done again; what is in the journal, and stable, need not be.
      const again = this.#phase <= FLUSH ? JOURNAL : DATA;
      this.#isStalled = false;
      this.#enter(again);
      return true;
    }
    if (this.active.isEmpty) return false;
    [this.active, this.moving] = [this.moving, this.active];
    for (let io = this.#forActive.removeFirst(); io !== null; io = this.#forActive.removeFirst()) this.#forMoving.insertTail(io);
    const { uuid, digest, salt } = this.#parts;
    this.#sequence += 1;
    this.moving.seal(this.#sequence, uuid, digest, salt);
    this.#enter(JOURNAL);
    return true;
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#position = 0;
    this.#error = 0;
  }

  /** Goes on until something is to be waited for, or all is done. */
  #pump(): void {
    this.#pumping = true;
    // Completions of others that come of this are told later.
    beginSubmit();
    try {
      while (this.#phase !== IDLE && !this.#isStalled && this.#step()) this.#leave();
    } finally {
      endSubmit();
      this.#pumping = false;
    }
  }

  /** Starts what can be started in this phase. True if nothing of it is left. */
  #step(): boolean {
    switch (this.#phase) {
      case JOURNAL:
        if (this.#position === 0) this.#writeJournal();
        break;
      case FLUSH:
        if (this.#position === 0) this.#flush();
        break;
      case DATA:
        if (!this.#beginChanges()) return false;
        while (this.#error === 0 && this.#outstanding < CALLS_AT_ONCE && this.#position < this.moving.count) this.#writeRun();
        break;
      case TABLE:
        while (this.#error === 0 && !this.#waitsForPage && this.#position < this.moving.count) this.#enterDigest();
        break;
      default:
        while (this.#error === 0 && this.#outstanding < CALLS_AT_ONCE && this.#position < this.moving.count) this.#writePage();
    }
    return this.#outstanding === 0;
  }

  /** False if somebody reads places again, and must not find them changed. */
  #beginChanges(): boolean {
    if (this.changes % 2 === 1) return true;
    if (this.doubts > 0) return false;
    this.changes += 1;
    return true;
  }

  /** A phase is over. */
  #leave(): void {
    if (this.#error !== 0) {
      this.#fail();
      return;
    }
    switch (this.#phase) {
      case JOURNAL:
        this.#enter(FLUSH);
        break;
      case FLUSH:
        if (!this.#parts.holdsOn) this.#tell(this.#forMoving, 0);
        this.#enter(DATA);
        break;
      case DATA:
        this.#enter(TABLE);
        break;
      case TABLE:
        this.#enter(PAGES);
        break;
      default:
        this.#finish();
    }
  }

  #finish(): void {
    this.moving.clear();
    this.changes += 1;
    this.#phase = IDLE;
    this.#tell(this.#forMoving, 0);
    this.#parts.pages.serve();
    const isWanted = this.#parts.ended(0);
    if (isWanted || !this.#forActive.isEmpty) this.#begin();
  }

  #fail(): void {
    const error = this.#error;
    if (this.#phase === FLUSH) this.broken = error;
    this.#isStalled = true;
    this.#tell(this.#forMoving, error);
    this.#tell(this.#forActive, error);
    this.#parts.pages.serve();
    this.#parts.ended(error);
    this.#error = error;
  }

  #tell(queue: TailQueue<BlockIo>, error: number): void {
    for (let io = queue.removeFirst(); io !== null; io = queue.removeFirst()) biodone(io, error);
  }

  #writeJournal(): void {
    const { layout } = this.#parts;
    this.#position = 1;
    const at = layout.journalOffsets[this.moving.sequence % 2] as number;
    this.#call(BLOCK_WRITE, at, 0, this.moving.lengthBytes, -1);
  }

  #flush(): void {
    this.#position = 1;
    this.#call(BLOCK_FLUSH, 0, 0, 0, -1);
  }

  /** Writes blocks that lie side by side in the batch and on the device. */
  #writeRun(): void {
    const { layout } = this.#parts;
    const { blockBytes } = layout;
    const first = this.#position;
    const block = this.moving.block(first);
    const most = Math.max(1, RUN_BYTES / blockBytes);
    let count = 1;
    if (block >= 0) {
      while (count < most && first + count < this.moving.count && this.moving.block(first + count) === block + count) count += 1;
    }
    this.#position += count;
    if (block < 0) return;
    this.#call(BLOCK_WRITE, layout.dataOffset + block * blockBytes, this.moving.offsetOf(first), count * blockBytes, -1);
  }

  #enterDigest(): void {
    const { table, salt } = this.#parts;
    const place = this.#position;
    const block = this.moving.block(place);
    if (block < 0) {
      this.#position += 1;
      return;
    }
    this.wantedPage = table.pageOf(block);
    if (!table.isLoaded(this.wantedPage) && !this.#wantPage()) return;
    const word = table.entry(block);
    table.change(this.wantedPage);
    const { words } = table;
    const generation = words[word + ENTRY_GENERATION] as number;
    const { generation: now } = this.moving;
    if (generation !== now) {
      const before = bindLow(words[word] as number, block + salt, generation);
      words[word + ENTRY_BEFORE] = generation === NEVER_WRITTEN || generation === LOST ? 0 : before;
    }
    words[word] = this.moving.low(place);
    words[word + ENTRY_HIGH] = this.moving.high(place);
    words[word + ENTRY_GENERATION] = now;
    table.expect(block);
    this.#position += 1;
  }

  /** True if the page is there. */
  #wantPage(): boolean {
    const { pages } = this.#parts;
    if (this.#isSync) {
      const error = pages.readSync(this.wantedPage);
      if (error !== 0) this.#pageFailed(error);
      return this.#error === 0;
    }
    const outcome = pages.want(this);
    if (outcome === WAITING) {
      this.#waitsForPage = true;
      this.#outstanding += 1;
      return false;
    }
    if (outcome !== 0) this.#pageFailed(outcome);
    return this.#error === 0;
  }

  #pageFailed(error: number): void {
    // All that is known of the other blocks of a damaged page is that it is lost.
    this.#error = error === DAMAGED ? this.#parts.pages.replace(this.wantedPage) : error;
  }

  #writePage(): void {
    const { table, layout } = this.#parts;
    const block = this.moving.block(this.#position);
    this.#position += 1;
    if (block < 0) return;
    const page = table.pageOf(block);
    const frame = table.beginWrite(page);
    if (frame < 0) return;
    table.seal(frame, this.moving.generation);
    this.#call(BLOCK_WRITE, table.pageOffset(page), table.frameOffset(frame), layout.pageBytes, frame);
  }

  #call(operation: BlockOperation, offset: number, memoryOffset: number, lengthBytes: number, frame: number): void {
    const { device, table } = this.#parts;
    const call = this.#free.take() ?? this.#make();
    const { io } = call;
    call.frame = frame;
    io.operation = operation;
    io.offset = offset;
    io.lengthBytes = lengthBytes;
    io.buffer = operation === BLOCK_FLUSH ? null : frame >= 0 ? table.memory : this.moving.memory;
    io.bufferOffset = memoryOffset;
    if (this.#isSync) {
      device.strategySync(io);
      this.#absorb(call);
      return;
    }
    if (device.startNested(io, commitCallDone)) this.#absorb(call);
    else this.#outstanding += 1;
  }

  #make(): CommitCall {
    const call: CommitCall = { io: new BlockIo(), commit: this, frame: -1 };
    call.io.private = call;
    call.io.claim = this.#parts.claim;
    return call;
  }

  #absorb(call: CommitCall): void {
    const { error } = call.io;
    if (call.frame >= 0) this.#parts.table.endWrite(call.frame, error === 0);
    if (error !== 0 && this.#error === 0) this.#error = error;
    this.#free.put(call);
  }
}

function commitCallDone(io: BlockIo): void {
  const call = io.private as CommitCall;
  call.commit.callDone(call);
}
