import { ECANCELED, IoBuffer } from '@biodone/uring';
import { BLOCK_READ, type BlockIo } from '../block-io.js';
import type { CacheDeviceCore } from './cache-device-core.js';
import type { CacheDeviceInstall } from './cache-device-install.js';
import { NO_SLOT } from './cache-index.js';
import { errorOf } from './cow-transfers.js';
import { type StepOp, type Stepper, WAITS } from './step-op.js';

const NEXT = 0;
const HIT = 1;
const MISS = 2;
const INSTALL = 3;

/** How many reads that are done may still be putting lines on the cache device; the others are done when those are there. */
const BACKGROUND_MAX = 64;

/**
 * Reads: what is on the cache device from there, in as long parts as lie together, the rest from below, in whole lines, which are kept. A read is
 * done when its reader has the bytes; the lines are put on the cache device afterwards.
 */
export class CacheDeviceReads implements Stepper {
  readonly #core: CacheDeviceCore;
  readonly #install: CacheDeviceInstall;

  constructor(core: CacheDeviceCore, install: CacheDeviceInstall) {
    this.#core = core;
    this.#install = install;
  }

  /** Whether all of a read is on the cache device. */
  isHit({ offset, lengthBytes }: BlockIo): boolean {
    const { store } = this.#core;
    const behind = store.lineBehind(offset, lengthBytes);
    for (let line = store.lineAt(offset); line < behind; line++) if (store.index.find(line) === NO_SLOT) return false;
    return true;
  }

  step(op: StepOp): number {
    const { phase } = op;
    let error = 0;
    if (phase === HIT) error = this.#hitDone(op);
    else if (phase === MISS) return this.#missDone(op);
    else if (phase === INSTALL) this.#install.done(op);
    if (error !== 0) return error;
    return phase === INSTALL ? this.#installNext(op) : this.#next(op);
  }

  #next(op: StepOp): number {
    const parent = op.parent as BlockIo;
    const { store } = this.#core;
    if (op.position === parent.lengthBytes) return 0;
    if (op.aborted) return ECANCELED;
    const offset = parent.offset + op.position;
    const line = store.lineAt(offset);
    const slot = store.index.find(line);
    if (slot === NO_SLOT) return this.#miss(op, line);
    const within = offset - line * store.lineBytes;
    const left = parent.lengthBytes - op.position;
    const run = store.runOf(slot, line, op.end);
    for (let each = slot; each < slot + run; each++) store.index.touch(each);
    store.pinRun(slot, run);
    op.phase = HIT;
    op.block = line;
    op.slot = slot;
    op.run = run;
    const lengthBytes = Math.min(left, run * store.lineBytes - within);
    const memory = parent.bufferOffset + op.position;
    return this.#core.sendFast(op, BLOCK_READ, slot, within, parent.buffer as IoBuffer, memory, lengthBytes);
  }

  #hitDone(op: StepOp): number {
    const { store } = this.#core;
    const { index } = store;
    store.unpinRun(op.slot, op.run);
    const error = errorOf(op.io);
    op.phase = NEXT;
    if (error === 0) {
      op.position += op.io.lengthBytes;
      return 0;
    }
    if (op.aborted) return ECANCELED;
    // The device below has what is clean. What is dirty is nowhere else.
    if (index.find(op.block) === op.slot && index.isUnclean(op.slot)) return error;
    for (let at = 0; at < op.run; at++) {
      const slot = index.find(op.block + at);
      if (slot === op.slot + at && !index.isUnclean(slot)) this.#core.abandon(slot);
    }
    return 0;
  }

  #miss(op: StepOp, line: number): number {
    const { ops, store } = this.#core;
    // Two reads of the same lines are one read below, and one of the cache device. It is looked up again then.
    if (!op.isSync && op.queue === null && !ops.ranges.enter(op)) return WAITS;
    op.phase = MISS;
    // Where others are at work, what is read here may be old in a moment: it is not kept. They may have ended when it has been read.
    if (op.isSync) op.stale = ops.ranges.isTaken(op);
    return this.#core.sendReadBelow(op, line, store.missingFrom(line, op.end));
  }

  #missDone(op: StepOp): number {
    const { ops, store } = this.#core;
    const parent = op.parent as BlockIo;
    const from = parent.offset + op.position - op.block * store.lineBytes;
    const there = Math.min(op.io.transferredBytes - from, parent.lengthBytes - op.position);
    if (there > 0) {
      IoBuffer.copy(parent.buffer as IoBuffer, parent.bufferOffset + op.position, op.staging(0), from, there);
      op.position += there;
    }
    const error = errorOf(op.io);
    if (error !== 0) return error;
    if (op.isSync && ops.ranges.isTaken(op)) op.stale = true;
    return this.#installNext(op);
  }

  #installNext(op: StepOp): number {
    const core = this.#core;
    const { parent } = op;
    op.phase = INSTALL;
    const sent = this.#install.next(op);
    if (sent !== 0) {
      const isDone = parent !== null && op.position === parent.lengthBytes;
      if (!isDone || op.isSync || core.background >= BACKGROUND_MAX) return sent;
      core.putInBackground(op);
      core.ops.deliver(op);
      return sent;
    }
    op.phase = NEXT;
    if (parent !== null) return this.#next(op);
    core.backgroundEnded(op);
    return 0;
  }
}
