import type { CacheCore } from './cache-core.js';
import type { CacheOp, CacheWork } from './cache-op.js';

/** Reads lines that nobody has asked for yet, and keeps them in memory. */
export class CacheReadAhead implements CacheWork {
  readonly #core: CacheCore;

  constructor(core: CacheCore) {
    this.#core = core;
  }

  /** Reads those lines that are not there, unless somebody is at work on them. */
  fetch(first: number, behind: number): void {
    const { store } = this.#core;
    for (let line = first; line < behind; line += 1) {
      const count = store.missingFrom(line, behind);
      if (count > 0) this.#fetchRun(line, count);
      line += count;
    }
  }

  /** None of these may be there: below, what is dirty is old, and when it has been read it may have been written back and displaced. */
  #fetchRun(line: number, count: number): void {
    const core = this.#core;
    const op = core.take(this, null, line, line + count);
    if (core.ranges.isTaken(op)) {
      core.end(op, 0, 0);
      return;
    }
    core.ranges.enter(op);
    core.aimRead(op, line, count);
    core.counters.readAheadBytes += op.io.lengthBytes;
    if (op.send(core.device)) this.childDone(op);
  }

  entered(): void {
    // It never waits for a range.
  }

  resume(): void {
    // Nor for anything else.
  }

  childDone(op: CacheOp): void {
    const { error, transferredBytes, lengthBytes } = op.io;
    // Whoever needs what could not be read asks for it again, and gets the error then.
    if (error === 0 && transferredBytes === lengthBytes) this.#core.install(op);
    this.#core.end(op, 0, 0);
  }
}
