import type { TailQueueEntry } from '@biodone/sync';
import { ECANCELED, EIO, IoBuffer } from '@biodone/uring';
import { beginSubmit, endSubmit } from '../biodone.js';
import { BLOCK_READ, BLOCK_WRITE, BlockIo, type BlockIoOwner, IO_STARTED } from '../block-io.js';
import type { RangeEntry } from '../range-queue.js';
import type { MirrorDriver } from './mirror-driver.js';
import type { MirrorHalf } from './mirror-half.js';

/**
 * Copies a range from the good halves to another one. Meanwhile no write has any of the range, so none is lost: what comes before is copied,
 * what comes after goes to both.
 *
 * It needs no event loop: a write that waits for it gets on in a thread that polls.
 */
export class MirrorCopy implements RangeEntry {
  begin = 0;
  end = 0;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  readonly #driver: MirrorDriver;
  readonly #read = new BlockIo();
  readonly #write = new BlockIo();
  readonly #owner: BlockIoOwner;
  #buffer: IoBuffer | null = null;
  #target: MirrorHalf | null = null;
  #done: (error: number, written: boolean) => void = () => {};

  constructor(driver: MirrorDriver) {
    this.#driver = driver;
    this.#owner = ownerOf(driver);
    this.#read.iodone = () => this.#readDone();
    this.#write.iodone = () => this.#finish(this.#write.error, true);
  }

  /** @param done is told the errno, and whether it is that of the write to `target`; perhaps before this returns */
  start(target: MirrorHalf, offset: number, lengthBytes: number, done: (error: number, written: boolean) => void): void {
    this.#target = target;
    this.#done = done;
    this.begin = offset;
    this.end = offset + lengthBytes;
    if (this.#buffer === null || this.#buffer.lengthBytes < lengthBytes) this.#buffer = IoBuffer.allocate(lengthBytes);
    if (this.#driver.ranges.enter(this)) this.entered();
  }

  entered(): void {
    const io = this.#read;
    io.state = IO_STARTED;
    io.device = this.#owner;
    io.operation = BLOCK_READ;
    io.error = 0;
    io.transferredBytes = 0;
    this.#fill(io);
    // What completes at once is told by the queue of done requests, not in the middle of this.
    beginSubmit();
    try {
      this.#driver.startRead(io, this.#target?.bit ?? 0);
    } finally {
      endSubmit();
    }
  }

  #fill(io: BlockIo): void {
    io.buffer = this.#buffer;
    io.offset = this.begin;
    io.lengthBytes = this.end - this.begin;
  }

  #readDone(): void {
    const target = this.#target as MirrorHalf;
    if (this.#read.error !== 0) this.#finish(this.#read.error, false);
    else if (!target.inUse || target.device === null) this.#finish(ECANCELED, true);
    else {
      const io = this.#write;
      io.operation = BLOCK_WRITE;
      io.claim = target.claim;
      this.#fill(io);
      target.device.strategy(io);
    }
  }

  #finish(error: number, written: boolean): void {
    const short = written && error === 0 && this.#write.transferredBytes < this.end - this.begin;
    this.#driver.ranges.leave(this);
    this.#done(short ? EIO : error, written);
  }
}

/** The requests of a copy are the driver's own: no device counts them. */
function ownerOf(driver: MirrorDriver): BlockIoOwner {
  return {
    capabilities: driver.capabilities,
    completed: () => true,
    finished: () => {},
    wait: (timeoutMs) => driver.wait(timeoutMs),
  };
}
