import type { TailQueueEntry } from '@biodone/sync';
import { IoBuffer } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BlockIo } from '../block-io.js';
import { ExtentList } from '../extent-list.js';
import type { RangeEntry } from '../range-queue.js';
import { Waiter } from './cache-waiter.js';

/** What a request to a cache does that is not done at once. */
export interface CacheWork {
  /** It has the range that it has waited for. */
  entered(op: CacheOp): void;
  /** Its request to the device below is done. */
  childDone(op: CacheOp): void;
  /** It has stood in a line of {@link Waiter}s, and goes on. */
  resume(op: CacheOp): void;
}

/** The work on a request that the cache cannot answer at once, or on lines that are read ahead. It has the range of its lines to itself. */
export class CacheOp implements RangeEntry {
  begin = 0;
  end = 0;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  /** Its place among those who wait for room, or for what is dirty to be written. */
  readonly waiter: Waiter;
  /** Null for lines that are read ahead. */
  parent: BlockIo | null = null;
  work: CacheWork;
  /** Up to where it has got in its parent. */
  position = 0;
  /** The lines that are being read. */
  line = 0;
  count = 0;
  /** A slot that is being filled. */
  slot = -1;
  aborted = false;
  /** Whether its request to the device below is under way. */
  below = false;
  readonly io: BlockIo = new BlockIo();
  #staging: IoBuffer | null = null;
  #extents: ExtentList | null = null;

  constructor(work: CacheWork) {
    this.waiter = new Waiter(this);
    this.work = work;
    this.io.private = this;
  }

  /** Memory for so much. */
  staging(lengthBytes: number): IoBuffer {
    if (this.#staging === null || this.#staging.lengthBytes < lengthBytes) this.#staging = IoBuffer.allocate(lengthBytes);
    return this.#staging;
  }

  get extents(): ExtentList {
    this.#extents ??= new ExtentList();
    return this.#extents;
  }

  /**
   * Sends its request to the device below.
   *
   * @returns whether that is done already; otherwise `work.childDone` is called
   */
  send(device: BlockDevice): boolean {
    const isDone = device.startNested(this.io, childDone);
    this.below = !isDone;
    return isDone;
  }

  entered(): void {
    this.work.entered(this);
  }

  resume(): void {
    this.work.resume(this);
  }
}

function childDone(io: BlockIo): void {
  const op = io.private as CacheOp;
  op.below = false;
  op.work.childDone(op);
}
