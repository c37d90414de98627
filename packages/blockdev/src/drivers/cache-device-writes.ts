import { ECANCELED, IoBuffer } from '@biodone/uring';
import { BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { CacheDeviceCore } from './cache-device-core.js';
import type { CacheDeviceThrough } from './cache-device-through.js';
import { NO_SLOT } from './cache-index.js';
import { part } from './cache-lines.js';
import { aim, errorOf } from './cow-transfers.js';
import { type StepOp, type Stepper, WAITS } from './step-op.js';

const BEGIN = 0;
const NEXT = 1;
/** Lines that are there are written over in their slots. */
const IN_PLACE = 2;
/** Lines that are written whole get slots. */
const NEW = 3;
/** The rest of a line of which a part is written is read before. */
const FILL = 4;
/** There is no slot. */
const BELOW = 5;

/**
 * Writes that are done when they are on the cache device. Who finds too much dirty waits in line; for what there is no slot, or what the cache
 * device does not take, goes to the device below.
 */
export class CacheDeviceWrites implements Stepper {
  readonly #core: CacheDeviceCore;
  readonly #through: CacheDeviceThrough;
  readonly #reclaim: () => void;

  /** @param reclaim lets slots be used again whose lines the device below has */
  constructor(core: CacheDeviceCore, through: CacheDeviceThrough, reclaim: () => void) {
    this.#core = core;
    this.#through = through;
    this.#reclaim = reclaim;
  }

  step(op: StepOp): number {
    const { phase } = op;
    op.phase = NEXT;
    let verdict = 0;
    if (phase === BEGIN && this.#core.writeBack.someAwaitRoom && !op.isSync) return this.#await(op);
    if (phase === IN_PLACE) verdict = this.#inPlaceDone(op);
    else if (phase === NEW) verdict = this.#newDone(op);
    else if (phase === FILL) verdict = this.#filled(op);
    else if (phase === BELOW) verdict = this.#belowDone(op);
    return verdict === 0 ? this.#next(op) : verdict;
  }

  #next(op: StepOp): number {
    const { store, writeBack } = this.#core;
    const parent = op.parent as BlockIo;
    if (op.position === parent.lengthBytes) return 0;
    if (op.aborted) return ECANCELED;
    if (!writeBack.takesWrites) return this.#through.takeOver(op);
    const line = store.lineAt(parent.offset + op.position);
    const slot = store.index.find(line);
    op.block = line;
    if (slot !== NO_SLOT) return this.#sendInPlace(op, parent, slot);
    if (!writeBack.hasRoom) return this.#awaitRoom(op);
    if (!this.#reserve(op, parent)) return this.#sendBelow(op, parent);
    store.partOf(parent, line);
    if (part.lengthBytes < store.lengthOf(line)) {
      op.phase = FILL;
      return this.#core.sendReadBelow(op, line, 1);
    }
    op.phase = NEW;
    const lengthBytes = store.lengthOfLines(line, op.run);
    const memory = parent.bufferOffset + op.position;
    return this.#core.sendFast(op, BLOCK_WRITE, op.slot, 0, parent.buffer as IoBuffer, memory, lengthBytes);
  }

  /** Lines that are there, side by side, as far as there is room for those of them that are clean. */
  #sendInPlace(op: StepOp, parent: BlockIo, slot: number): number {
    const { store } = this.#core;
    const most = store.runOf(slot, op.block, op.end);
    op.slot = slot;
    op.taken = 0;
    op.run = 0;
    while (op.run < most && this.#admit(op, slot + op.run)) op.run += 1;
    if (op.run === 0) return this.#awaitRoom(op);
    store.pinRun(slot, op.run);
    const within = parent.offset + op.position - op.block * store.lineBytes;
    const lengthBytes = Math.min(parent.lengthBytes - op.position, op.run * store.lineBytes - within);
    op.phase = IN_PLACE;
    const memory = parent.bufferOffset + op.position;
    return this.#core.sendFast(op, BLOCK_WRITE, slot, within, parent.buffer as IoBuffer, memory, lengthBytes);
  }

  #admit(op: StepOp, slot: number): boolean {
    if (this.#core.store.index.isUnclean(slot)) {
      this.#core.hold(slot);
      return true;
    }
    if (!this.#core.writeBack.hasRoom) return false;
    this.#core.reserved += 1;
    op.taken += 1;
    return true;
  }

  #inPlaceDone(op: StepOp): number {
    const core = this.#core;
    const { index } = core.store;
    const error = errorOf(op.io);
    core.reserved -= op.taken;
    let isThere = true;
    for (let at = 0; at < op.run; at++) {
      const slot = op.slot + at;
      core.letGo(slot);
      // A reader may have found it unreadable.
      if (index.find(op.block + at) !== slot) isThere = false;
      else if (error === 0) core.dirtied(slot);
      // It was as it is below, and perhaps no longer is.
      else if (!index.isUnclean(slot)) core.abandon(slot);
    }
    core.store.unpinRun(op.slot, op.run);
    if (error !== 0) return this.#failed(op, error);
    if (isThere) this.#written(op, op.io.lengthBytes);
    // Somebody may wait for what was held.
    if (!op.isSync) core.writeBack.look();
    return 0;
  }

  /** Reserves slots side by side for lines that are missing: for those that are written whole, or for one. */
  #reserve(op: StepOp, parent: BlockIo): boolean {
    const core = this.#core;
    const { index } = core.store;
    if (core.map.isBarred(op.block)) return false;
    op.slot = index.reserve();
    if (op.slot === NO_SLOT) return false;
    core.reserved += 1;
    op.run = 1;
    if (!this.#isWhole(parent, op.block)) return true;
    for (let line = op.block + 1; line < op.end && this.#canFollow(parent, line); line++) {
      const slot = index.reserve();
      if (slot !== op.slot + op.run) {
        if (slot !== NO_SLOT) index.giveBack(slot);
        break;
      }
      core.reserved += 1;
      op.run += 1;
    }
    return true;
  }

  #isWhole(parent: BlockIo, line: number): boolean {
    const { store } = this.#core;
    store.partOf(parent, line);
    return part.lengthBytes === store.lengthOf(line);
  }

  #canFollow(parent: BlockIo, line: number): boolean {
    const { map, store, writeBack } = this.#core;
    return writeBack.hasRoom && this.#isWhole(parent, line) && store.index.find(line) === NO_SLOT && !map.isBarred(line);
  }

  #newDone(op: StepOp): number {
    const core = this.#core;
    const { index } = core.store;
    const error = errorOf(op.io);
    core.reserved -= op.run;
    // From the last one on, so that they are taken in their order again.
    for (let at = op.run - 1; at >= 0; at--) {
      if (error === 0) {
        index.publish(op.slot + at, op.block + at);
        core.dirtied(op.slot + at);
      } else {
        index.giveBack(op.slot + at);
      }
    }
    if (error !== 0) return this.#failed(op, error);
    const { offset, lengthBytes } = op.parent as BlockIo;
    const end = Math.min(lengthBytes, (op.block + op.run) * core.store.lineBytes - offset);
    this.#written(op, end - op.position);
    return 0;
  }

  /** The line is in memory: what is to be written is copied over it. */
  #filled(op: StepOp): number {
    const { store } = this.#core;
    const error = errorOf(op.io);
    if (error !== 0) {
      this.#core.reserved -= 1;
      store.index.giveBack(op.slot);
      this.#core.writeBack.look();
      return error;
    }
    const parent = op.parent as BlockIo;
    store.partOf(parent, op.block);
    const { within, position, lengthBytes } = part;
    IoBuffer.copy(op.staging(0), within, parent.buffer as IoBuffer, parent.bufferOffset + position, lengthBytes);
    op.phase = NEW;
    return this.#core.sendFast(op, BLOCK_WRITE, op.slot, 0, op.staging(0), 0, store.lengthOf(op.block));
  }

  /** Writes what is missing, up to the next line that is there, to the device below. */
  #sendBelow(op: StepOp, parent: BlockIo): number {
    const { lineBytes } = this.#core.store;
    const behind = op.block + this.#core.store.missingFrom(op.block, op.end);
    const lengthBytes = Math.min(parent.lengthBytes - op.position, behind * lineBytes - parent.offset - op.position);
    op.phase = BELOW;
    aim(op, BLOCK_WRITE, parent.offset + op.position, parent.buffer, parent.bufferOffset + op.position, lengthBytes);
    if (!op.isSync) this.#reclaim();
    return op.send(this.#core.device, this.#core.claim);
  }

  #belowDone(op: StepOp): number {
    this.#core.unstableBelow = true;
    op.position += op.io.transferredBytes;
    return errorOf(op.io);
  }

  #written(op: StepOp, lengthBytes: number): void {
    op.position += lengthBytes;
    if (op.isSync) this.#core.writeBack.dirtiedSync();
    else this.#core.writeBack.dirtied();
  }

  /** The cache device has not taken what is there from `position` on. */
  #failed(op: StepOp, error: number): number {
    this.#core.writeBack.look();
    if (op.aborted) return error;
    this.#core.failFast(op.isSync);
    return this.#through.takeOver(op);
  }

  #awaitRoom(op: StepOp): number {
    const { writeBack } = this.#core;
    if (!op.isSync) return this.#await(op);
    writeBack.makeRoomSync();
    return writeBack.takesWrites && writeBack.hasRoom ? this.#next(op) : this.#through.takeOver(op);
  }

  #await(op: StepOp): number {
    this.#core.writeBack.awaitRoom(this.#core.waiterOf(op));
    return WAITS;
  }
}
