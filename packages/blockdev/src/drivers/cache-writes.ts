import { EBUSY, ECANCELED, EIO, type IoBuffer } from '@biodone/uring';
import { biodone } from '../biodone.js';
import { BLOCK_READ, type BlockIo } from '../block-io.js';
import type { CacheCore } from './cache-core.js';
import { NO_SLOT } from './cache-index.js';
import { part } from './cache-lines.js';
import { CacheOp, type CacheWork } from './cache-op.js';
import type { CacheThrough } from './cache-through.js';
import type { CacheWriteBack } from './cache-write-back.js';

/**
 * Writes that are done when they are in the cache. A part of a line that is not there is read before; who finds too much dirty waits in line. Once
 * something could not be written back, the rest of them goes to the device below.
 */
export class CacheWrites implements CacheWork {
  readonly #core: CacheCore;
  readonly #writeBack: CacheWriteBack;
  readonly #through: CacheThrough;
  readonly #probe: CacheOp = new CacheOp(this);

  constructor(core: CacheCore, writeBack: CacheWriteBack, through: CacheThrough) {
    this.#core = core;
    this.#writeBack = writeBack;
    this.#through = through;
  }

  start(io: BlockIo): void {
    this.#core.counters.writesBack += 1;
    if (this.isTaken(io) || this.#writeBack.someAwaitRoom) {
      this.#begin(io, 0);
      return;
    }
    const position = this.#copyLines(io, 0);
    if (position > 0) this.#writeBack.dirtied();
    if (position < io.lengthBytes) {
      this.#begin(io, position);
      return;
    }
    io.transferredBytes = position;
    biodone(io, 0);
  }

  /** Whether somebody has lines of a request to himself, or waits for them. */
  isTaken({ offset, lengthBytes }: BlockIo): boolean {
    const { ranges, store } = this.#core;
    this.#probe.begin = store.lineAt(offset);
    this.#probe.end = store.lineBehind(offset, lengthBytes);
    return ranges.isTaken(this.#probe);
  }

  /** Does a write in the calling thread. Returns the errno. */
  runSync(io: BlockIo): number {
    if (this.isTaken(io)) return EBUSY;
    const { index } = this.#core.store;
    const op = this.#core.takeFor(this, io);
    let error = 0;
    while (error === 0 && op.position < io.lengthBytes) {
      if (this.#writeBack.takesWrites) op.position = this.#copyLines(io, op.position);
      if (op.position === io.lengthBytes) break;
      if (!this.#writeBack.hasRoom || !index.hasSlot) this.#writeBack.makeRoomSync();
      if (!this.#writeBack.takesWrites || !this.#writeBack.hasRoom || !index.hasSlot) error = this.#through.finishSync(op);
      else if (this.#reserve(op)) error = this.#fillSync(op);
    }
    this.#writeBack.dirtiedSync();
    io.transferredBytes = op.position;
    op.parent = null;
    this.#core.end(op, 0, 0);
    return error;
  }

  entered(op: CacheOp): void {
    this.#advance(op, this.#writeBack.someAwaitRoom);
  }

  resume(op: CacheOp): void {
    this.#advance(op, false);
  }

  childDone(op: CacheOp): void {
    if (this.#absorb(op)) this.#advance(op, false);
  }

  #begin(io: BlockIo, position: number): void {
    const op = this.#core.takeFor(this, io);
    op.position = position;
    if (this.#core.ranges.enter(op)) this.#advance(op, this.#writeBack.someAwaitRoom);
  }

  #advance(op: CacheOp, othersWait: boolean): void {
    if (op.aborted) this.#core.end(op, ECANCELED, op.position);
    else if (!this.#writeBack.takesWrites) this.#through.takeOver(op);
    else if (othersWait) this.#writeBack.awaitRoom(op.waiter);
    else this.#copy(op);
  }

  #copy(op: CacheOp): void {
    const parent = op.parent as BlockIo;
    do {
      const from = op.position;
      op.position = this.#copyLines(parent, from);
      if (op.position > from) this.#writeBack.dirtied();
      if (op.position === parent.lengthBytes) {
        this.#core.end(op, 0, op.position);
        return;
      }
      if (!this.#reserve(op)) {
        this.#writeBack.awaitRoom(op.waiter);
        return;
      }
      this.#aim(op);
    } while (op.send(this.#core.device) && this.#absorb(op));
  }

  /** Copies lines into the cache as long as nothing is in the way. Returns up to which position of the request. */
  #copyLines(io: BlockIo, from: number): number {
    const { store } = this.#core;
    let position = from;
    while (position < io.lengthBytes && this.#copyLine(io, store.lineAt(io.offset + position)))
      position = part.position + part.lengthBytes;
    return position;
  }

  /** Gives a slot back that could not be filled. */
  #giveBack(op: CacheOp): void {
    this.#core.reserved -= 1;
    this.#core.store.index.giveBack(op.slot);
  }

  /** Copies a part of a line over what has just been read into a slot, and makes it known. */
  #merge(op: CacheOp): void {
    const { store } = this.#core;
    this.#core.reserved -= 1;
    const io = op.parent as BlockIo;
    store.partOf(io, op.line);
    store.copyIn(op.slot, part.within, io.buffer as IoBuffer, io.bufferOffset + part.position, part.lengthBytes);
    store.index.publish(op.slot, op.line);
    store.index.setDirty(op.slot);
    op.position = part.position + part.lengthBytes;
  }

  #copyLine(io: BlockIo, line: number): boolean {
    const { store } = this.#core;
    const { index } = store;
    let slot = index.find(line);
    store.partOf(io, line);
    const isNew = slot === NO_SLOT;
    if (isNew) {
      // What is left of the line has to be read.
      if (part.lengthBytes < store.lengthOf(line) || !this.#writeBack.hasRoom) return false;
      slot = index.reserve();
      if (slot === NO_SLOT) return false;
    } else if (!index.isDirty(slot) && !index.isWriting(slot) && !this.#writeBack.hasRoom) {
      return false;
    }
    store.copyIn(slot, part.within, io.buffer as IoBuffer, io.bufferOffset + part.position, part.lengthBytes);
    if (isNew) index.publish(slot, line);
    else index.touch(slot);
    index.setDirty(slot);
    return true;
  }

  /** Takes a slot for a line of which a part is to be written. False if there is no room, and one has to wait. */
  #reserve(op: CacheOp): boolean {
    const { store } = this.#core;
    const parent = op.parent as BlockIo;
    op.line = store.lineAt(parent.offset + op.position);
    if (!this.#writeBack.hasRoom || store.index.find(op.line) !== NO_SLOT) return false;
    op.slot = store.index.reserve();
    if (op.slot === NO_SLOT) return false;
    this.#core.reserved += 1;
    return true;
  }

  #aim(op: CacheOp): void {
    const { store } = this.#core;
    const { io } = op;
    io.operation = BLOCK_READ;
    io.flags = 0;
    io.offset = op.line * store.lineBytes;
    io.lengthBytes = store.lengthOf(op.line);
    io.buffer = store.memory;
    io.bufferOffset = op.slot * store.lineBytes;
  }

  #absorb(op: CacheOp): boolean {
    const error = errorOf(op);
    if (error !== 0 || op.aborted) {
      this.#giveBack(op);
      this.#core.end(op, error || ECANCELED, op.position);
      return false;
    }
    this.#merge(op);
    this.#writeBack.dirtied();
    return true;
  }
  #fillSync(op: CacheOp): number {
    this.#aim(op);
    this.#core.device.strategySync(op.io);
    const error = errorOf(op);
    if (error !== 0) this.#giveBack(op);
    else this.#merge(op);
    return error;
  }
}

function errorOf({ io }: CacheOp): number {
  return io.error !== 0 ? io.error : io.transferredBytes < io.lengthBytes ? EIO : 0;
}
