import { EBUSY, type IoBuffer } from '@biodone/uring';
import { BLOCK_DISCARD, BLOCK_EXTENTS, BLOCK_FUA, BLOCK_WRITE, BLOCK_WRITE_ZEROES, type BlockIo } from '../block-io.js';
import type { CacheCore } from './cache-core.js';
import { EXTENT_LINES_MAX, joinExtents } from './cache-extents.js';
import { NO_SLOT } from './cache-index.js';
import { part } from './cache-lines.js';
import type { CacheOp, CacheWork } from './cache-op.js';
import type { CacheWriteBack } from './cache-write-back.js';

/**
 * What goes to the device below before it is done: writes of a write-through cache and those with BLOCK_FUA, zeros, discards, extents. Meanwhile
 * nothing of the range is written back, and nobody else changes it; afterwards the cache is made to agree.
 */
export class CacheThrough implements CacheWork {
  readonly #core: CacheCore;
  readonly #writeBack: CacheWriteBack;

  constructor(core: CacheCore, writeBack: CacheWriteBack) {
    this.#core = core;
    this.#writeBack = writeBack;
  }

  start(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_WRITE) this.#core.counters.writesThrough += 1;
    const op = this.#core.takeFor(this, io);
    if (operation === BLOCK_EXTENTS) this.#limit(op);
    if (this.#core.ranges.enter(op)) this.entered(op);
  }

  /** Does the rest of a write that has its range already. */
  takeOver(op: CacheOp): void {
    op.work = this;
    this.entered(op);
  }

  /** Does it in the calling thread. Returns the errno. */
  runSync(io: BlockIo): number {
    const op = this.#core.takeFor(this, io);
    if (io.operation === BLOCK_EXTENTS) this.#limit(op);
    const error = this.#core.ranges.isTaken(op) ? EBUSY : this.finishSync(op);
    io.transferredBytes = op.position;
    op.parent = null;
    this.#core.end(op, 0, 0);
    return error;
  }

  /** Does what is left of an operation in the calling thread. Returns the errno. */
  finishSync(op: CacheOp): number {
    if (this.#core.isWriting(op.begin, op.end)) return EBUSY;
    const { io } = op;
    const parent = op.parent as BlockIo;
    this.#aim(io, parent, op);
    this.#core.device.strategySync(io);
    const { error, transferredBytes } = io;
    const moved = this.#apply(io, parent, op);
    op.position = error === 0 ? moved : op.position + transferredBytes;
    return error;
  }

  entered(op: CacheOp): void {
    this.#core.through.push(op);
    if (this.#core.isWriting(op.begin, op.end)) this.#writeBack.awaitQuiet(op.waiter);
    else this.resume(op);
  }

  resume(op: CacheOp): void {
    this.#aim(op.io, op.parent as BlockIo, op);
    if (op.send(this.#core.device)) this.childDone(op);
  }

  childDone(op: CacheOp): void {
    const { io } = op;
    const { error, transferredBytes } = io;
    const parent = op.parent as BlockIo;
    const from = op.position;
    const moved = this.#apply(io, parent, op);
    this.end(op, error, error === 0 ? moved : from + transferredBytes);
  }

  /** Ends an operation that is not under way below. */
  end(op: CacheOp, error: number, transferredBytes: number): void {
    const { through } = this.#core;
    through.splice(through.indexOf(op), 1);
    this.#core.end(op, error, transferredBytes);
    // What was not to be written back in its range may be now.
    if (this.#core.store.index.dirty > 0) this.#writeBack.progress();
  }

  /** Makes a request the part of its parent that is left. */
  #aim(io: BlockIo, parent: BlockIo, op: CacheOp): void {
    const { operation } = parent;
    const { position } = op;
    io.operation = operation;
    io.flags = parent.flags;
    io.offset = parent.offset + position;
    io.lengthBytes = parent.lengthBytes - position;
    io.buffer = parent.buffer;
    io.bufferOffset = parent.bufferOffset + position;
    if (operation !== BLOCK_EXTENTS) return;
    io.lengthBytes = Math.min(io.lengthBytes, op.end * this.#core.store.lineBytes - io.offset);
    io.extents = op.extents;
  }

  /** Makes the cache agree with what has become of a request below. Returns how much of the parent is done. */
  #apply(io: BlockIo, parent: BlockIo, op: CacheOp): number {
    const { error, transferredBytes, operation, lengthBytes } = io;
    if (operation === BLOCK_EXTENTS) return error === 0 ? joinExtents(this.#core.store, io, parent) : 0;
    const isWhole = error === 0 && (operation !== BLOCK_WRITE || transferredBytes === lengthBytes);
    const { store } = this.#core;
    for (let line = store.lineAt(io.offset); line < op.end; line++) {
      store.partOf(io, line);
      if (!isWhole) this.#doubt(line);
      else if (operation === BLOCK_WRITE) this.#take(io, line);
      else this.#clear(operation, line);
    }
    return op.position + transferredBytes;
  }

  /** Nobody knows what the device below has of a line: what is clean here may be other than that. */
  #doubt(line: number): void {
    const { index } = this.#core.store;
    const slot = index.find(line);
    if (slot !== NO_SLOT && !index.isDirty(slot)) index.drop(slot);
  }

  /** Takes what was written to a line. */
  #take(io: BlockIo, line: number): void {
    const { store } = this.#core;
    const { index } = store;
    const { within, position, lengthBytes } = part;
    const isWhole = lengthBytes === store.lengthOf(line);
    let slot = index.find(line);
    const isNew = slot === NO_SLOT;
    if (isNew) {
      if (!isWhole) return;
      slot = index.reserve();
      if (slot === NO_SLOT) return;
    }
    store.copyIn(slot, within, io.buffer as IoBuffer, io.bufferOffset + position, lengthBytes);
    if (isNew) index.publish(slot, line);
    else index.touch(slot);
    if (isWhole) index.setClean(slot);
  }

  /** A line, or a part of it, is zero below now, or discarded. */
  #clear(operation: number, line: number): void {
    const { store } = this.#core;
    const slot = store.index.find(line);
    if (slot === NO_SLOT) return;
    if (part.lengthBytes === store.lengthOf(line)) store.index.drop(slot);
    else if (operation === BLOCK_WRITE_ZEROES) store.fillZero(slot, part.within, part.lengthBytes);
    else this.#doubt(line);
  }

  #limit(op: CacheOp): void {
    if (this.#core.store.index.unclean > 0) op.end = Math.min(op.end, op.begin + EXTENT_LINES_MAX);
  }
}

/** Whether an operation goes to the device below before it is done, whatever the cache's mode. */
export function goesThrough({ operation, flags }: BlockIo): boolean {
  return (
    operation === BLOCK_DISCARD ||
    operation === BLOCK_WRITE_ZEROES ||
    operation === BLOCK_EXTENTS ||
    (operation === BLOCK_WRITE && (flags & BLOCK_FUA) !== 0)
  );
}
