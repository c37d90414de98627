import { EIO } from '@biodone/uring';
import type { CacheDeviceCore } from './cache-device-core.js';
import type { CacheDeviceInstall } from './cache-device-install.js';
import { errorOf } from './cow-transfers.js';
import type { StepOp, Stepper } from './step-op.js';

const BEGIN = 0;
const READ = 1;

/** Reads lines that nobody has asked for yet, and puts them on the cache device. */
export class CacheDeviceReadAhead implements Stepper {
  readonly #core: CacheDeviceCore;
  readonly #install: CacheDeviceInstall;

  constructor(core: CacheDeviceCore, install: CacheDeviceInstall) {
    this.#core = core;
    this.#install = install;
  }

  /** Reads those lines that are not there, unless somebody is at work on them, or they could not be kept. */
  fetch(first: number, behind: number): void {
    const { store } = this.#core;
    for (let line = first; line < behind; line += 1) {
      const count = store.missingFrom(line, behind);
      if (count > 0) this.#fetchRun(line, line + count);
      line += count;
    }
  }

  /** None of these may be there: below, what is dirty is old, and by the time that it is to be put on the cache device it may have been written back and displaced. */
  #fetchRun(begin: number, end: number): void {
    const core = this.#core;
    if (!core.takesLines) return;
    const op = core.ops.take(this, null);
    op.begin = begin;
    op.end = end;
    if (core.ops.ranges.isTaken(op)) {
      core.ops.refuse(op, 0);
      return;
    }
    core.putInBackground(op);
    core.ops.startInRange(op);
  }

  step(op: StepOp): number {
    const core = this.#core;
    if (op.phase === BEGIN) {
      op.phase = READ;
      core.counters.readAheadBytes += core.store.lengthOfLines(op.begin, op.end - op.begin);
      return core.sendReadBelow(op, op.begin, op.end - op.begin);
    }
    // Whoever needs what could not be read asks for it again, and gets the error then.
    const failed = op.phase === READ && errorOf(op.io) !== 0;
    if (op.phase !== READ) this.#install.done(op);
    op.phase = READ + 1;
    const sent = failed ? 0 : this.#install.next(op);
    if (sent !== 0) return sent;
    core.backgroundEnded(op);
    return failed ? EIO : 0;
  }
}
