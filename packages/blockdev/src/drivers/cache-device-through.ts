import { EBUSY, IoBuffer } from '@biodone/uring';
import { BLOCK_EXTENTS, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { CacheDeviceCore } from './cache-device-core.js';
import type { CacheDeviceInstall } from './cache-device-install.js';
import { EXTENT_LINES_MAX, joinExtents } from './cache-extents.js';
import { NO_SLOT } from './cache-index.js';
import { part } from './cache-lines.js';
import { aim, errorOf } from './cow-transfers.js';
import { type StepOp, type Stepper, WAITS } from './step-op.js';

const BEGIN = 0;
const NEXT = 1;
/** Lines of which nothing is dirty are written below. */
const BELOW = 2;
/** Then on the cache device: those that are there, or new ones. */
const UPDATE = 3;
const NEW = 4;
/** A dirty line is read from the cache device, and written below with what is new in it. */
const DIRTY_READ = 5;
const DIRTY_WRITE = 6;
/** Zeros, discards, extents. */
const FORWARD = 7;

/**
 * What goes to the device below before it is done: writes of a write-through cache, those that the cache device cannot take, zeros, discards,
 * extents. Meanwhile nothing of the range is written back; afterwards the cache device is made to agree, or what it has is forgotten.
 */
export class CacheDeviceThrough implements Stepper {
  readonly #core: CacheDeviceCore;
  readonly #install: CacheDeviceInstall;

  constructor(core: CacheDeviceCore, install: CacheDeviceInstall) {
    this.#core = core;
    this.#install = install;
  }

  /** Does the rest of a write that has its range already. */
  takeOver(op: StepOp): number {
    op.stepper = this;
    op.phase = BEGIN;
    return this.step(op);
  }

  step(op: StepOp): number {
    const verdict = this.#step(op);
    if (verdict >= 0) this.leave(op);
    return verdict;
  }

  /** An operation is at its end, or has waited in vain. */
  leave(op: StepOp): void {
    const { store, through, writeBack } = this.#core;
    const at = through.indexOf(op);
    if (at >= 0) through.splice(at, 1);
    // What was not to be written back in its range may be now.
    if (!op.isSync && (store.index.dirty > 0 || writeBack.waiting > 0)) writeBack.progress();
  }

  #step(op: StepOp): number {
    switch (op.phase) {
      case BEGIN:
        return this.#begin(op);
      case NEXT:
        return this.#next(op);
      case BELOW:
        return this.#belowDone(op);
      case UPDATE:
        return this.#updated(op);
      case NEW:
        return this.#installed(op);
      case DIRTY_READ:
        return this.#merge(op);
      case DIRTY_WRITE:
        return this.#dirtyDone(op);
      default:
        return this.#forwarded(op);
    }
  }

  #begin(op: StepOp): number {
    const core = this.#core;
    const parent = op.parent as BlockIo;
    if (parent.operation === BLOCK_EXTENTS && core.store.index.unclean > 0)
      op.end = Math.min(op.end, op.begin + EXTENT_LINES_MAX);
    op.phase = NEXT;
    if (!core.isWriting(op.begin, op.end)) {
      core.through.push(op);
      return this.#next(op);
    }
    if (op.isSync) return EBUSY;
    core.through.push(op);
    core.writeBack.awaitQuiet(core.waiterOf(op));
    return WAITS;
  }

  #next(op: StepOp): number {
    const { store } = this.#core;
    const parent = op.parent as BlockIo;
    if (parent.operation !== BLOCK_WRITE) return this.#forward(op, parent);
    if (op.position === parent.lengthBytes) return 0;
    const line = store.lineAt(parent.offset + op.position);
    op.block = line;
    if (this.#isDirty(line)) return this.#sendDirty(op, parent);
    op.count = 1;
    while (line + op.count < op.end && !this.#isDirty(line + op.count)) op.count += 1;
    const end = Math.min(parent.lengthBytes, (line + op.count) * store.lineBytes - parent.offset);
    op.phase = BELOW;
    return this.#sendBelow(op, parent, parent.buffer as IoBuffer, parent.bufferOffset + op.position, end - op.position);
  }

  /** Writes from where the operation has got to. */
  #sendBelow(op: StepOp, parent: BlockIo, buffer: IoBuffer, bufferOffset: number, lengthBytes: number): number {
    aim(op, BLOCK_WRITE, parent.offset + op.position, buffer, bufferOffset, lengthBytes);
    op.io.flags = parent.flags;
    return op.send(this.#core.device, this.#core.claim);
  }

  #belowDone(op: StepOp): number {
    const error = errorOf(op.io);
    this.#core.unstableBelow = true;
    op.taken = 0;
    if (error === 0) return this.#update(op);
    op.position += op.io.transferredBytes;
    // Nobody knows what the device below has of them.
    this.#abandonLines(op.block, op.block + op.count);
    return error;
  }

  /** Writes what is new to the lines that are on the cache device, and whole ones that are not to slots of their own. */
  #update(op: StepOp): number {
    const { index } = this.#core.store;
    const parent = op.parent as BlockIo;
    const behind = op.block + op.count;
    while (op.taken < op.count) {
      const line = op.block + op.taken;
      const slot = index.find(line);
      if (!this.#core.takesLines) {
        this.#abandonLines(line, behind);
        break;
      }
      if (slot !== NO_SLOT) return this.#sendUpdate(op, parent, line, slot);
      if (this.#isWhole(parent, line) && this.#install.reserveRun(op, line, this.#wholeUpTo(parent, line, behind))) {
        op.phase = NEW;
        return this.#sendLines(op, parent, line, 0);
      }
      op.taken += 1;
    }
    op.phase = NEXT;
    op.position = Math.min(parent.lengthBytes, behind * this.#core.store.lineBytes - parent.offset);
    return this.#next(op);
  }

  #sendUpdate(op: StepOp, parent: BlockIo, line: number, slot: number): number {
    const { store } = this.#core;
    op.slot = slot;
    op.run = store.runOf(slot, line, op.block + op.count);
    store.pinRun(slot, op.run);
    store.partOf(parent, line);
    op.phase = UPDATE;
    return this.#sendLines(op, parent, line, part.within);
  }

  /** Writes a run of lines to its slots, from the request's memory. */
  #sendLines(op: StepOp, parent: BlockIo, line: number, within: number): number {
    const { lineBytes } = this.#core.store;
    const position = line * lineBytes + within - parent.offset;
    const lengthBytes = Math.min(parent.lengthBytes, (line + op.run) * lineBytes - parent.offset) - position;
    const memory = parent.bufferOffset + position;
    return this.#core.sendFast(op, BLOCK_WRITE, op.slot, within, parent.buffer as IoBuffer, memory, lengthBytes);
  }

  #updated(op: StepOp): number {
    const { store } = this.#core;
    const line = op.block + op.taken;
    if (errorOf(op.io) !== 0) {
      this.#abandonLines(line, line + op.run);
      if (!op.aborted) this.#core.failFast(op.isSync);
    } else {
      for (let at = 0; at < op.run; at++) store.index.touch(op.slot + at);
    }
    store.unpinRun(op.slot, op.run);
    op.taken += op.run;
    return this.#update(op);
  }

  #installed(op: StepOp): number {
    this.#install.done(op);
    return this.#update(op);
  }

  /** What is dirty in a line is nowhere else: all of it goes below. */
  #sendDirty(op: StepOp, parent: BlockIo): number {
    const { store } = this.#core;
    const slot = store.index.find(op.block);
    if (this.#isWhole(parent, op.block)) {
      op.phase = DIRTY_WRITE;
      return this.#sendBelow(op, parent, parent.buffer as IoBuffer, parent.bufferOffset + op.position, part.lengthBytes);
    }
    op.phase = DIRTY_READ;
    const lengthBytes = store.lengthOf(op.block);
    return this.#core.sendFast(op, BLOCK_READ, slot, 0, op.staging(lengthBytes), 0, lengthBytes);
  }

  #merge(op: StepOp): number {
    const error = errorOf(op.io);
    if (error !== 0) return error;
    const { store } = this.#core;
    const parent = op.parent as BlockIo;
    const { lineBytes } = store;
    store.partOf(parent, op.block);
    const { within, position, lengthBytes } = part;
    IoBuffer.copy(op.staging(0), within, parent.buffer as IoBuffer, parent.bufferOffset + position, lengthBytes);
    op.phase = DIRTY_WRITE;
    aim(op, BLOCK_WRITE, op.block * lineBytes, op.staging(0), 0, store.lengthOf(op.block));
    op.io.flags = parent.flags;
    return op.send(this.#core.device, this.#core.claim);
  }

  #dirtyDone(op: StepOp): number {
    const core = this.#core;
    const error = errorOf(op.io);
    core.unstableBelow = true;
    if (error !== 0) return error;
    core.abandon(core.store.index.find(op.block));
    core.store.partOf(op.parent as BlockIo, op.block);
    op.position = part.position + part.lengthBytes;
    op.phase = NEXT;
    return this.#next(op);
  }

  #forward(op: StepOp, parent: BlockIo): number {
    const { io } = op;
    op.phase = FORWARD;
    io.operation = parent.operation;
    io.flags = parent.flags;
    io.offset = parent.offset;
    io.lengthBytes = parent.lengthBytes;
    io.buffer = null;
    if (parent.operation === BLOCK_EXTENTS) {
      io.lengthBytes = Math.min(io.lengthBytes, op.end * this.#core.store.lineBytes - io.offset);
      io.extents = op.extents;
    }
    return op.send(this.#core.device, this.#core.claim);
  }

  #forwarded(op: StepOp): number {
    const { io } = op;
    const parent = op.parent as BlockIo;
    if (io.operation === BLOCK_EXTENTS) {
      if (io.error === 0) op.position = joinExtents(this.#core.store, io, parent);
    } else {
      this.#core.unstableBelow = true;
      op.position = io.transferredBytes;
      this.#abandonLines(op.begin, op.end);
    }
    return io.error;
  }

  #isDirty(line: number): boolean {
    const { index } = this.#core.store;
    const slot = index.find(line);
    return slot !== NO_SLOT && index.isUnclean(slot);
  }

  #isWhole(parent: BlockIo, line: number): boolean {
    const { store } = this.#core;
    store.partOf(parent, line);
    return part.lengthBytes === store.lengthOf(line);
  }

  /** Behind the last of the lines that are written whole, from one that is. */
  #wholeUpTo(parent: BlockIo, line: number, behind: number): number {
    return this.#isWhole(parent, behind - 1) ? behind : Math.max(line + 1, behind - 1);
  }

  #abandonLines(first: number, behind: number): void {
    const { index } = this.#core.store;
    for (let line = first; line < behind; line++) {
      const slot = index.find(line);
      if (slot !== NO_SLOT && !index.isUnclean(slot)) this.#core.abandon(slot);
    }
  }
}
