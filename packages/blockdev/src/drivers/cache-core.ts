import { biodone } from '../biodone.js';
import { BLOCK_READ, type BlockIo } from '../block-io.js';
import { FreeList } from '../free-list.js';
import { RangeQueue } from '../range-queue.js';
import { NO_SLOT } from './cache-index.js';
import type { CacheLogMap } from './cache-log-map.js';
import { CacheOp, type CacheWork } from './cache-op.js';
import { CacheState } from './cache-state.js';
import type { CacheStore } from './cache-store.js';

/** What the parts of the driver of a cache in memory have in common. */
export class CacheCore extends CacheState<CacheStore> {
  /** Who has which lines to himself: who reads them from below, or changes them otherwise than in one go. */
  readonly ranges: RangeQueue = new RangeQueue();
  /** What the log has; null without one. */
  logMap: CacheLogMap | null = null;
  readonly #made: CacheOp[] = [];
  readonly #free = new FreeList<CacheOp>();

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

  #make(work: CacheWork): CacheOp {
    const made = new CacheOp(work);
    made.io.claim = this.claim;
    this.#made.push(made);
    return made;
  }
}
