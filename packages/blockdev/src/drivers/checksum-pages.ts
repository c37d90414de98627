import { TailQueue, type TailQueueEntry } from '@biodone/sync';
import { EAGAIN, EBUSY, EIO } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_READ, BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { FreeList } from '../free-list.js';
import { type ChecksumTable, LOST } from './checksum-table.js';

/** Instead of an errno: a page was read, and is not what was written. */
export const DAMAGED = -1;

/** It is not known yet. */
export const WAITING = -2;

/** Who waits for a page. */
export interface PageWaiter extends TailQueueEntry {
  /** Which one. */
  wantedPage: number;
  /** The page is there, or this is why it is not: an errno, or DAMAGED. */
  pageDone(error: number): void;
}

/** A page on its way into a frame. */
interface PageRead {
  readonly io: BlockIo;
  readonly pages: ChecksumPages;
  page: number;
  frame: number;
}

/** Reads pages of the table, each once, however many wait for it. */
export class ChecksumPages {
  readonly #device: BlockDevice;
  readonly #claim: BlockClaim | null;
  readonly #table: ChecksumTable;
  readonly #pageBytes: number;
  readonly #free = new FreeList<PageRead>();
  /** Those under way: a few, and all of them for as long as it takes to read some hundred bytes. */
  readonly #reading: PageRead[] = [];
  readonly #waiting = new TailQueue<PageWaiter>();

  constructor(device: BlockDevice, claim: BlockClaim | null, table: ChecksumTable, pageBytes: number) {
    this.#device = device;
    this.#claim = claim;
    this.#table = table;
    this.#pageBytes = pageBytes;
  }

  /**
   * Begins to read a page. Returns 0 if it is there, an errno or DAMAGED if it cannot be had, and WAITING if the waiter is told later, after this has
   * returned.
   */
  want(waiter: PageWaiter): number {
    const page = waiter.wantedPage;
    if (this.#table.isLoaded(page)) return 0;
    const outcome = this.#reading.some((read) => read.page === page) ? WAITING : this.#start(page);
    if (outcome === WAITING) this.#waiting.insertTail(waiter);
    return outcome;
  }

  /** Reads a page in the calling thread. Returns the errno, or DAMAGED. */
  readSync(page: number): number {
    if (this.#table.isLoaded(page)) return 0;
    const frame = this.#table.takeFrame();
    if (frame < 0) return EBUSY;
    const read = this.#take(page, frame);
    this.#device.strategySync(read.io);
    const error = this.#absorb(read);
    this.#free.put(read);
    return error;
  }

  /** Puts a page that says that nobody knows its blocks in the place of one that is damaged. Returns the errno. */
  replace(page: number): number {
    if (this.#table.isLoaded(page)) return 0;
    const frame = this.#table.takeFrame();
    if (frame < 0) return EAGAIN;
    this.#table.make(page, frame, LOST);
    return 0;
  }

  #start(page: number): number {
    const frame = this.#table.takeFrame();
    // One that is being read or written comes back soon.
    if (frame < 0) return WAITING;
    const read = this.#take(page, frame);
    if (!this.#device.startNested(read.io, pageReadDone)) {
      this.#reading.push(read);
      return WAITING;
    }
    const error = this.#absorb(read);
    this.#free.put(read);
    return error;
  }

  /** For the iodone of its requests alone. */
  finished(read: PageRead): void {
    this.#finish(read);
  }

  /** Frames have become free: who has found none is served. */
  serve(): void {
    for (let waiter = this.#waiting.first; waiter !== null; waiter = this.#waiting.first) {
      const page = waiter.wantedPage;
      if (this.#reading.some((read) => read.page === page)) return;
      const outcome = this.#table.isLoaded(page) ? 0 : this.#start(page);
      if (outcome === WAITING) return;
      this.#tell(page, outcome);
    }
  }

  #finish(read: PageRead): void {
    const { page } = read;
    this.#reading.splice(this.#reading.indexOf(read), 1);
    const error = this.#absorb(read);
    this.#free.put(read);
    this.#tell(page, error);
    if (!this.#waiting.isEmpty) this.serve();
  }

  #tell(page: number, error: number): void {
    const told = new TailQueue<PageWaiter>();
    for (let waiter = this.#waiting.first, next: PageWaiter | null; waiter !== null; waiter = next) {
      next = this.#waiting.next(waiter);
      if (waiter.wantedPage !== page) continue;
      this.#waiting.remove(waiter);
      told.insertTail(waiter);
    }
    // Who is told may want the next one.
    for (let waiter = told.removeFirst(); waiter !== null; waiter = told.removeFirst()) waiter.pageDone(error);
  }

  #take(page: number, frame: number): PageRead {
    const read = this.#free.take() ?? this.#make();
    const { io } = read;
    read.page = page;
    read.frame = frame;
    io.offset = this.#table.pageOffset(page);
    io.bufferOffset = this.#table.frameOffset(frame);
    return read;
  }

  #make(): PageRead {
    const read: PageRead = { io: new BlockIo(), pages: this, page: 0, frame: 0 };
    const { io } = read;
    io.private = read;
    io.operation = BLOCK_READ;
    io.claim = this.#claim;
    io.buffer = this.#table.memory;
    io.lengthBytes = this.#pageBytes;
    return read;
  }

  /** Takes what was read. Returns the errno, or DAMAGED. */
  #absorb({ io, page, frame }: PageRead): number {
    const { error, transferredBytes } = io;
    const table = this.#table;
    if (error !== 0 || transferredBytes < this.#pageBytes || table.isLoaded(page)) {
      table.giveBack(frame);
      return table.isLoaded(page) ? 0 : error === 0 ? EIO : error;
    }
    return table.accept(page, frame) ? 0 : DAMAGED;
  }
}

function pageReadDone(io: BlockIo): void {
  const read = io.private as PageRead;
  read.pages.finished(read);
}
