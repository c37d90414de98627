import { EBUSY, ENOSPC, IoBuffer } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import type { CacheCore } from './cache-core.js';
import { NO_SLOT } from './cache-index.js';
import { LABEL_BYTES } from './cache-label.js';
import type { CacheLog } from './cache-log.js';
import { MAP_PAGE_BYTES } from './cache-map-page.js';
import type { CacheWriteBack } from './cache-write-back.js';
import { aim, errorOf } from './cow-transfers.js';
import { type StepOp, StepOps, type Stepper } from './step-op.js';

/** How much is written to the log at a time. */
const RUN_BYTES = 131_072;

const BEGIN = 0;
const LINES = 1;
const LINES_STABLE = 2;
const BELOW_STABLE = 3;
const MAP = 4;
const MAP_STABLE = 5;

/**
 * Flushes by a log: what is dirty is written to the log instead of to the slower device, and made stable there; then the map that names it is. A line
 * leaves the log when it has been written back and the device below has been flushed: then, and not before, may another one have its slot.
 *
 * One flush at a time: the next one has what came meanwhile.
 */
export class CacheLogFlush implements Stepper {
  readonly ops: StepOps = new StepOps();
  readonly #core: CacheCore;
  readonly #log: CacheLog;
  readonly #writeBack: CacheWriteBack;
  readonly #waiting: StepOp[] = [];
  readonly #page: IoBuffer = IoBuffer.allocate(MAP_PAGE_BYTES);
  readonly #staging: IoBuffer;
  #current: StepOp | null = null;
  /** Cache slots that are still to be logged, with the lines that they held when that was found; and those that have been logged, or are being. */
  #left: number[] = [];
  #leftLines: number[] = [];
  #logged: number[] = [];
  /** Lines that the device below has, and will have stably after the flush that is under way. */
  #leaving: number[] = [];
  #pages: number[] = [];
  #written: number[] = [];
  /** Whether room has been made in the log for this flush. */
  #reclaimed = false;
  #hasLogged = false;

  constructor(core: CacheCore, log: CacheLog, writeBack: CacheWriteBack) {
    this.#core = core;
    this.#log = log;
    this.#writeBack = writeBack;
    this.#staging = IoBuffer.allocate(Math.max(RUN_BYTES, core.store.lineBytes));
  }

  start(io: BlockIo): void {
    this.#begin(this.ops.take(this, io));
  }

  runSync(io: BlockIo): number {
    if (this.#current !== null) return EBUSY;
    const op = this.ops.take(this, io);
    this.#reset(op);
    return this.ops.runSync(op);
  }

  /** Empties the log of a cache that has nothing dirty any more. Resolves to the errno. */
  empty(): Promise<number> {
    this.#core.unstableBelow = true;
    return new Promise((resolve) => {
      const op = this.ops.take(this, null);
      op.stepper = {
        step: (each) => {
          const verdict = this.step(each);
          if (verdict >= 0) resolve(verdict);
          return verdict;
        },
      };
      this.#begin(op);
    });
  }

  /** Takes one out that waits. Null if it does not. */
  leave(io: BlockIo): StepOp | null {
    const at = this.#waiting.findIndex(({ parent }) => parent === io);
    return at < 0 ? null : (this.#waiting.splice(at, 1)[0] ?? null);
  }

  step(op: StepOp): number {
    const error = op.phase === BEGIN ? this.#core.failure : errorOf(op.io);
    if (error !== 0) return this.#finish(op, error);
    switch (op.phase) {
      case BEGIN:
        return this.#collect(op);
      case LINES:
        return this.#logNext(op);
      case LINES_STABLE:
        return this.#flushBelow(op);
      case BELOW_STABLE:
        this.#drop();
        return this.#writeMap(op);
      case MAP:
        return this.#nextPage(op);
      default:
        return this.#mapDone(op);
    }
  }

  #begin(op: StepOp): void {
    if (this.#current !== null) {
      this.#waiting.push(op);
      return;
    }
    this.#reset(op);
    this.ops.run(op);
  }

  #reset(op: StepOp): void {
    this.#current = op;
    this.#reclaimed = false;
    this.#hasLogged = false;
  }

  #collect(op: StepOp): number {
    const { index } = this.#core.store;
    const { map } = this.#log;
    this.#left = this.#writeBack.uncleanSlots().filter((slot) => !index.isLogged(slot));
    this.#leftLines = this.#left.map((slot) => index.lineOf(slot));
    const wanted = this.#leftLines.reduce((sum, line) => sum + (map.has(line) ? 0 : 1), 0);
    if (wanted <= map.free || this.#reclaimed) return this.#logNext(op);
    this.#left = [];
    this.#reclaimed = true;
    this.#core.unstableBelow = true;
    return this.#flushBelow(op);
  }

  /** Writes lines to the log that can lie there side by side. */
  #logNext(op: StepOp): number {
    const { store } = this.#core;
    let count = 0;
    let first = -1;
    while (this.#left.length > 0 && (count + 1) * store.lineBytes <= this.#staging.lengthBytes) {
      const slot = this.#left.at(-1) as number;
      const line = this.#leftLines[this.#left.length - 1] as number;
      // It has been written back meanwhile, which the flush below is about then. Another line may be there now: it came after the flush, and room was
      // not counted for it.
      if (!store.index.isUnclean(slot) || store.index.isLogged(slot) || store.index.lineOf(slot) !== line) {
        this.#left.pop();
        continue;
      }
      const place = this.#log.map.place(line);
      // There is room for twice as many lines as can be dirty, and what has been written back has just left.
      if (place < 0) return this.#finish(op, ENOSPC);
      if (first < 0) first = place;
      else if (place !== first + count) break;
      this.#left.pop();
      store.copyOut(slot, 0, this.#staging, count * store.lineBytes, store.lengthOf(line));
      store.index.setLogged(slot, true);
      this.#log.map.copied(place);
      this.#logged.push(slot);
      count += 1;
    }
    if (count === 0) return this.#flushLines(op);
    op.phase = LINES;
    this.#hasLogged = true;
    aim(op, BLOCK_WRITE, this.#log.offsetOf(first), this.#staging, 0, count * store.lineBytes);
    return op.send(this.#log.device, this.#log.claim);
  }

  #flushLines(op: StepOp): number {
    if (!this.#hasLogged) return this.#flushBelow(op);
    op.phase = LINES_STABLE;
    return this.#flush(op, this.#log.device, this.#log.claim);
  }

  /** Makes stable what was written back without having been in the log; what was in it can leave it then. */
  #flushBelow(op: StepOp): number {
    const core = this.#core;
    if (!core.unstableBelow) return this.#writeMap(op);
    const { index } = core.store;
    const { map } = this.#log;
    core.unstableBelow = false;
    this.#leaving = map.entries().flatMap(([line]) => {
      const slot = index.find(line);
      // One that is dirty again leaves too if what the log has of it is older than what was written back.
      return slot === NO_SLOT || !index.isUnclean(slot) || map.isBelow(line) ? [line] : [];
    });
    op.phase = BELOW_STABLE;
    return this.#flush(op, core.device, core.claim);
  }

  #drop(): void {
    for (const line of this.#leaving) this.#log.map.remove(line);
    this.#leaving = [];
  }

  #writeMap(op: StepOp): number {
    this.#pages = this.#log.map.takeChanged();
    this.#written = [...this.#pages];
    return this.#pages.length === 0 ? this.#mapDone(op) : this.#nextPage(op);
  }

  #nextPage(op: StepOp): number {
    const page = this.#pages.pop();
    const { claim, device, map } = this.#log;
    if (page === undefined) {
      op.phase = MAP_STABLE;
      return this.#flush(op, device, claim);
    }
    op.phase = MAP;
    map.encode(page, this.#page.bytes);
    aim(op, BLOCK_WRITE, LABEL_BYTES + page * MAP_PAGE_BYTES, this.#page, 0, MAP_PAGE_BYTES);
    return op.send(device, claim);
  }

  #mapDone(op: StepOp): number {
    this.#log.map.settle(this.#written, false);
    this.#written = [];
    // Room was made, and what the flush is about is still to be logged, unless it has been written back meanwhile: then the device below is to be flushed.
    const { index } = this.#core.store;
    const isLeft = this.#core.unstableBelow || this.#writeBack.uncleanSlots().some((slot) => !index.isLogged(slot));
    if (this.#reclaimed && !this.#hasLogged && isLeft) return this.#collect(op);
    return this.#finish(op, 0);
  }

  #flush(op: StepOp, device: BlockDevice, claim: BlockClaim | null): number {
    const { io } = op;
    io.operation = BLOCK_FLUSH;
    io.flags = 0;
    io.buffer = null;
    io.offset = 0;
    io.lengthBytes = 0;
    return op.send(device, claim);
  }

  #finish(op: StepOp, error: number): number {
    if (error !== 0) {
      // None of them is known to be stable: a map that names them must not be before they are.
      for (const slot of this.#logged) this.#core.store.index.setLogged(slot, false);
      this.#log.map.settle(this.#written, true);
      this.#core.unstableBelow = true;
    }
    this.#written = [];
    this.#leaving = [];
    this.#left = [];
    this.#logged = [];
    if (this.#current !== op) return error;
    this.#current = null;
    const next = this.#waiting.shift();
    if (next === undefined) return error;
    this.#reset(next);
    // After this one has ended, or the stack would grow with each that waits.
    this.ops.runSoon(next);
    return error;
  }
}
