import type { CacheCore } from './cache-core.js';
import { NO_SLOT } from './cache-index.js';
import type { CacheOp, CacheWork } from './cache-op.js';

/** Reads lines that nobody has asked for yet, and keeps them in memory. */
export class CacheReadAhead implements CacheWork {
  readonly #core: CacheCore;

  constructor(core: CacheCore) {
    this.#core = core;
  }

  /** Reads those lines that are not there, unless somebody is at work on them. */
  fetch(first: number, behind: number): void {
    const core = this.#core;
    const { index } = core.store;
    let begin = first;
    while (begin < behind && index.find(begin) !== NO_SLOT) begin += 1;
    let end = behind;
    while (end > begin && index.find(end - 1) !== NO_SLOT) end -= 1;
    if (begin === end) return;
    const op = core.take(this, null, begin, end);
    if (core.ranges.isTaken(op)) {
      core.end(op, 0, 0);
      return;
    }
    core.ranges.enter(op);
    core.aimRead(op, begin, end - begin);
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
