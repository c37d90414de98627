import { biodone } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_READ, type BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { FreeList } from '../free-list.js';
import { RangeQueue } from '../range-queue.js';
import { NO_SLOT } from './cache-index.js';
import type { CacheLogMap } from './cache-log-map.js';
import { CacheOp, type CacheWork } from './cache-op.js';
import type { CacheStore } from './cache-store.js';

/** What a cache has done since its opening, and what it holds. */
export interface CacheStatistics extends Readonly<CacheCounters> {
  /** Lines that had to go for others. */
  readonly evictions: number;
  /** What the device below does not have yet, and all that the cache holds, in whole lines. */
  readonly dirtyBytes: number;
  readonly usedBytes: number;
}

/** What a cache counts. */
export interface CacheCounters {
  /** Reads that were answered from the cache, and those that were not, at least in part. */
  readHits: number;
  readMisses: number;
  /** Writes that were done when they were in the cache, and those that went to the device below before. */
  writesBack: number;
  writesThrough: number;
  /** Requests by which dirty lines were written back, and the bytes of those. */
  writeBacks: number;
  writtenBackBytes: number;
  /** Bytes that were read before anybody asked for them. */
  readAheadBytes: number;
  /** How often a write had to wait for room, because too much was dirty. */
  waits: number;
}

/** What the parts of a cache's driver have in common. */
export class CacheCore {
  readonly store: CacheStore;
  readonly device: BlockDevice;
  readonly claim: BlockClaim | null;
  /** Who has which lines to himself: who reads them from below, or changes them otherwise than in one go. */
  readonly ranges: RangeQueue = new RangeQueue();
  /** Those of them that work on their range below, where nothing may be written back meanwhile. */
  readonly through: CacheOp[] = [];
  readonly counters: CacheCounters = {
    readHits: 0,
    readMisses: 0,
    writesBack: 0,
    writesThrough: 0,
    writeBacks: 0,
    writtenBackBytes: 0,
    readAheadBytes: 0,
    waits: 0,
  };
  /** Told of each operation that has ended: others may go on. */
  ended: () => void = () => {};
  /** How many slots are being filled for lines that will be dirty. */
  reserved = 0;
  /** What the log has; null without one. */
  logMap: CacheLogMap | null = null;
  /** Whether something was written back, without being in the log, since the device below was flushed. */
  unstableBelow = false;
  /** The errno of the first write-back that failed; 0 if all went well. */
  failure = 0;
  readonly #made: CacheOp[] = [];
  readonly #free = new FreeList<CacheOp>();

  constructor(store: CacheStore, device: BlockDevice, claim: BlockClaim | null) {
    this.store = store;
    this.device = device;
    this.claim = claim;
  }

  /** An operation for these lines, which do not belong to it yet. */
  take(work: CacheWork, parent: BlockIo | null, firstLine: number, behindLine: number): CacheOp {
    const op = this.#free.take() ?? this.#make(work);
    op.work = work;
    op.parent = parent;
    op.position = 0;
    op.aborted = false;
    op.begin = firstLine;
    op.end = behindLine;
    return op;
  }

  takeFor(work: CacheWork, io: BlockIo): CacheOp {
    const { store } = this;
    return this.take(work, io, store.lineAt(io.offset), store.lineBehind(io.offset, io.lengthBytes));
  }

  /** The operation that works for a request. For `abort`, which has the time. */
  of(parent: BlockIo): CacheOp | undefined {
    return this.#made.find((op) => op.parent === parent);
  }

  /** Ends an operation: the range is given back, and the request completes. */
  end(op: CacheOp, error: number, transferredBytes: number): void {
    const { parent, io } = op;
    op.parent = null;
    io.buffer = null;
    io.extents = null;
    if (op.queue !== null) this.ranges.leave(op);
    this.#free.put(op);
    this.ended();
    if (parent === null) return;
    parent.transferredBytes = transferredBytes;
    biodone(parent, error);
  }

  /** Makes the request of an operation a read of whole lines into its staging memory. */
  aimRead(op: CacheOp, line: number, count: number): void {
    const { store } = this;
    const { io } = op;
    const offset = line * store.lineBytes;
    op.line = line;
    op.count = count;
    io.operation = BLOCK_READ;
    io.flags = 0;
    io.offset = offset;
    io.lengthBytes = Math.min(count * store.lineBytes, store.sizeBytes - offset);
    io.buffer = op.staging(count * store.lineBytes);
    io.bufferOffset = 0;
  }

  /** Puts the lines that an operation has read into the cache, as far as there are slots for them. */
  install(op: CacheOp): void {
    const { store } = this;
    for (let line = op.line; line < op.line + op.count; line++) {
      if (store.index.find(line) !== NO_SLOT) continue;
      const slot = store.index.reserve();
      if (slot === NO_SLOT) return;
      store.copyIn(slot, 0, op.staging(0), (line - op.line) * store.lineBytes, store.lengthOf(line));
      store.index.publish(slot, line);
    }
  }

  /** Whether somebody works below on the range of a line. */
  isThrough(line: number): boolean {
    for (let index = 0; index < this.through.length; index++) {
      const op = this.through[index] as CacheOp;
      if (line >= op.begin && line < op.end) return true;
    }
    return false;
  }

  /** Whether a line of the range is on its way to the device below. */
  isWriting(firstLine: number, behindLine: number): boolean {
    const { index } = this.store;
    if (index.unclean === 0) return false;
    for (let line = firstLine; line < behindLine; line++) {
      const slot = index.find(line);
      if (slot !== NO_SLOT && index.isWriting(slot)) return true;
    }
    return false;
  }

  #make(work: CacheWork): CacheOp {
    const made = new CacheOp(work);
    made.io.claim = this.claim;
    this.#made.push(made);
    return made;
  }
}
