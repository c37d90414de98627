import type { TailQueueEntry } from '@biodone/sync';
import { EBUSY, ECANCELED, EIO, IoBuffer } from '@biodone/uring';
import { beginSubmit, endSubmit, putOff, submitting } from '../biodone.js';
import { BLOCK_READ, BLOCK_WRITE, BlockIo, type BlockIoOwner, IO_DONE, IO_STARTED } from '../block-io.js';
import type { RangeEntry } from '../range-queue.js';
import type { MirrorDriver } from './mirror-driver.js';
import type { MirrorHalf } from './mirror-half.js';
import { OWN_READ } from './mirror-io.js';

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
  #write = new BlockIo();
  readonly #owner: BlockIoOwner;
  #buffer: IoBuffer | null = null;
  #target: MirrorHalf | null = null;
  #done: (error: number, written: boolean) => void = () => {};

  constructor(driver: MirrorDriver) {
    this.#driver = driver;
    this.#owner = ownerOf(driver);
    this.#read.private = OWN_READ;
    this.#read.iodone = () => this.#readDone();
  }

  /**
   * @param done is told the errno, and whether it is that of the write to `target`; perhaps before this returns
   */
  start(target: MirrorHalf, offset: number, lengthBytes: number, done: (error: number, written: boolean) => void): void {
    this.#aim(target, offset, lengthBytes);
    this.#done = done;
    if (this.#driver.ranges.enter(this)) this.entered();
  }

  /** Copies in the calling thread. EBUSY if somebody has a part of the range. */
  run(target: MirrorHalf, offset: number, lengthBytes: number): CopyResult {
    this.#aim(target, offset, lengthBytes);
    if (this.#driver.ranges.isTaken(this)) return { error: EBUSY, written: false };
    const read = this.#prepareRead();
    const error = this.#driver.reads.run(read, target.bit);
    if (error !== 0) return { error, written: false };
    if (!target.inUse) return { error: ECANCELED, written: true };
    const write = this.#prepareWrite(target);
    target.device?.strategySync(write);
    return { error: this.#writeError(), written: true };
  }

  entered(): void {
    const io = this.#prepareRead();
    io.state = IO_STARTED;
    io.device = this.#owner;
    // What completes at once is told by the queue of done requests, not in the middle of this.
    beginSubmit();
    try {
      this.#driver.reads.start(io, this.#target?.bit ?? 0);
    } finally {
      endSubmit();
    }
  }

  #aim(target: MirrorHalf, offset: number, lengthBytes: number): void {
    this.#target = target;
    this.begin = offset;
    this.end = offset + lengthBytes;
    if (this.#buffer === null || this.#buffer.lengthBytes < lengthBytes) this.#buffer = IoBuffer.allocate(lengthBytes);
  }

  #prepareRead(): BlockIo {
    const io = this.#read;
    io.operation = BLOCK_READ;
    io.error = 0;
    io.transferredBytes = 0;
    return this.#fill(io);
  }

  #prepareWrite(target: MirrorHalf): BlockIo {
    const io = this.#write;
    io.operation = BLOCK_WRITE;
    io.claim = target.claim;
    return this.#fill(io);
  }

  #fill(io: BlockIo): BlockIo {
    io.buffer = this.#buffer;
    io.offset = this.begin;
    io.lengthBytes = this.end - this.begin;
    return io;
  }

  #readDone(): void {
    const target = this.#target as MirrorHalf;
    // It is another one if a half did not answer.
    this.#buffer = this.#read.buffer;
    if (this.#read.error !== 0) this.#finish(this.#read.error, false);
    else if (!target.inUse || target.device === null) this.#finish(ECANCELED, true);
    else target.send(this.#prepareWrite(target), (error) => this.#written(target, error));
  }

  #written(target: MirrorHalf, error: number): void {
    const failure = error || this.#writeError();
    if (!target.inUse) {
      // Its device may have them still.
      this.#write = new BlockIo();
      this.#buffer = null;
    }
    this.#finish(failure, true);
  }

  #writeError(): number {
    const { error, transferredBytes } = this.#write;
    return error === 0 && transferredBytes < this.end - this.begin ? EIO : error;
  }

  #finish(error: number, written: boolean): void {
    this.#driver.ranges.leave(this);
    this.#done(error, written);
  }
}

/** What a copy came to: its errno, and whether that is the write's. */
export interface CopyResult {
  readonly error: number;
  readonly written: boolean;
}

/** The requests of a copy are the driver's own: no device counts them. */
function ownerOf(driver: MirrorDriver): BlockIoOwner {
  return {
    capabilities: driver.capabilities,
    completed: (io, error) => {
      io.error = error;
      io.state = IO_DONE;
      if (submitting > 0) putOff(io);
      else io.iodone?.(io);
    },
    finished: () => {},
    wait: (timeoutMs) => driver.wait(timeoutMs),
  };
}
