import { BLOCK_WRITE } from '../block-io.js';
import type { CacheDeviceCore } from './cache-device-core.js';
import { NO_SLOT } from './cache-index.js';
import { errorOf } from './cow-transfers.js';
import type { StepOp } from './step-op.js';

/**
 * Puts lines that an operation has read from below, `count` from `block` on, on the cache device, in as long runs as there are slots side by side.
 * The operation has their range to itself.
 */
export class CacheDeviceInstall {
  readonly #core: CacheDeviceCore;

  constructor(core: CacheDeviceCore) {
    this.#core = core;
  }

  /** Sends the next run. Returns what a step does then; 0 if there is none. */
  next(op: StepOp): number {
    const core = this.#core;
    const { lineBytes } = core.store;
    while (core.takesLines && !op.stale && op.taken < op.count) {
      const line = op.block + op.taken;
      if (this.reserveRun(op, line, op.block + op.count)) {
        const lengthBytes = core.store.lengthOfLines(line, op.run);
        return core.sendFast(op, BLOCK_WRITE, op.slot, 0, op.staging(0), op.taken * lineBytes, lengthBytes);
      }
      if (op.run < 0) return 0;
      op.taken += 1;
    }
    return 0;
  }

  /** The run has been written, or not. */
  done(op: StepOp): void {
    this.settleRun(op, op.block + op.taken);
    op.taken += op.run;
  }

  /** Takes slots for lines that are missing, from one on. False if that one needs none, or, with `run` below 0, there is none for it. */
  reserveRun(op: StepOp, line: number, behind: number): boolean {
    const { map, store } = this.#core;
    const { index } = store;
    op.run = 0;
    if (index.find(line) !== NO_SLOT || map.isBarred(line)) return false;
    op.slot = index.reserve();
    if (op.slot === NO_SLOT) {
      op.run = -1;
      return false;
    }
    op.run = 1;
    for (let next = line + 1; next < behind && index.find(next) === NO_SLOT && !map.isBarred(next); next++) {
      const slot = index.reserve();
      if (slot !== op.slot + op.run) {
        if (slot !== NO_SLOT) index.giveBack(slot);
        break;
      }
      op.run += 1;
    }
    return true;
  }

  /** Makes the lines of a run known that are on the cache device now; if they are not, its slots are given back. Returns the errno. */
  settleRun(op: StepOp, line: number): number {
    const { index } = this.#core.store;
    const error = errorOf(op.io);
    // From the last one on, so that they are taken in their order again.
    for (let at = op.run - 1; at >= 0; at--) {
      if (error === 0 && !op.stale) index.publish(op.slot + at, line + at);
      else index.giveBack(op.slot + at);
    }
    if (error !== 0 && !op.aborted) this.#core.failFast(op.isSync);
    return error;
  }
}
