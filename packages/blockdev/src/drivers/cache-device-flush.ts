import { EBUSY, ECANCELED, IoBuffer } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import type { CacheDeviceCore } from './cache-device-core.js';
import { LABEL_BYTES } from './cache-label.js';
import { MAP_PAGE_BYTES } from './cache-map-page.js';
import { aim, errorOf } from './cow-transfers.js';
import { type StepOp, type Stepper, WAITS } from './step-op.js';

const BEGIN = 0;
const FAST_FLUSH = 1;
const BELOW_FLUSH = 2;
const PAGE = 3;
const PAGE_FLUSH = 4;

/** Which share of its slots a map keeps of lines that have been written back, before the device below is flushed to have them back. */
const SETTLED_SHARE = 1 / 8;

/**
 * Flushes: the cache device is flushed, then the map names what is dirty, and that is made stable. The device below is flushed only if something
 * has been written there that is nowhere else, or slots are to be used again: a line leaves the map when the device below has it stably, and only when
 * that is stable too may another line have its slot.
 *
 * One flush at a time: the next one has what came meanwhile.
 */
export class CacheDeviceFlush implements Stepper {
  readonly #core: CacheDeviceCore;
  readonly #waiting: StepOp[] = [];
  readonly #page: IoBuffer = IoBuffer.allocate(MAP_PAGE_BYTES);
  readonly #settledMax: number;
  #current: StepOp | null = null;
  #pages: number[] = [];
  #written: number[] = [];
  /** Whether the device below is to be flushed so that lines leave the map. */
  #forced = false;

  constructor(core: CacheDeviceCore) {
    this.#core = core;
    this.#settledMax = Math.floor(core.store.index.slots * SETTLED_SHARE);
  }

  start(io: BlockIo): void {
    this.#begin(this.#core.ops.take(this, io));
  }

  runSync(io: BlockIo): number {
    if (this.#current !== null) return EBUSY;
    const op = this.#core.ops.take(this, io);
    this.#current = op;
    return this.#core.ops.runSync(op);
  }

  /** Many lines of the map may be on the device below: if so, they leave it. */
  runSettled(isSync: boolean): void {
    if (!isSync && this.#core.map.settled > this.#settledMax) this.reclaim();
  }

  /** Lets lines leave the map that the device below has, unless a flush is under way. */
  readonly reclaim = (): void => {
    const { failure, map, ops } = this.#core;
    if (this.#current !== null || map.settled === 0 || failure !== 0) return;
    this.#forced = true;
    const op = ops.take(this, null);
    this.#core.putInBackground(op);
    this.#current = op;
    // Its request is not to be the first of what somebody is in the middle of.
    ops.runSoon(op);
  };

  /** Empties the map of a cache of which nothing is dirty any more. Resolves to the errno. */
  empty(): Promise<number> {
    this.#core.unstableBelow = true;
    return new Promise((resolve) => {
      const op = this.#core.ops.take(this, null);
      op.stepper = {
        step: (each) => {
          const verdict = this.step(each);
          if (verdict >= 0) resolve(verdict);
          return verdict;
        },
      };
      this.#core.putInBackground(op);
      this.#begin(op);
    });
  }

  /** Takes one out that waits. Null if it does not. */
  leave(io: BlockIo): StepOp | null {
    const at = this.#waiting.findIndex(({ parent }) => parent === io);
    return at < 0 ? null : (this.#waiting.splice(at, 1)[0] ?? null);
  }

  /** A flush that waited for what is dirty does not any more: it ends. */
  gaveUp(op: StepOp): void {
    this.#next(op);
  }

  step(op: StepOp): number {
    const error = op.phase === BEGIN ? this.#core.failure : errorOf(op.io);
    if (error !== 0) return this.#failed(op, error);
    switch (op.phase) {
      case BEGIN:
        return this.#linesStable(op);
      case FAST_FLUSH:
        return this.#belowStable(op);
      case BELOW_FLUSH:
        return this.#writeMap(op);
      case PAGE:
        return this.#nextPage(op);
      default:
        return this.#finish(op);
    }
  }

  #begin(op: StepOp): void {
    if (this.#current !== null) {
      this.#waiting.push(op);
      return;
    }
    this.#current = op;
    this.#core.ops.run(op);
  }

  #linesStable(op: StepOp): number {
    const core = this.#core;
    if (!core.takesLines) return this.#writeBackAll(op);
    core.map.collect();
    // What is clean need not be stable.
    if (!core.unstableFast || core.map.count === 0) return this.#belowStable(op);
    core.unstableFast = false;
    op.phase = FAST_FLUSH;
    return this.#flush(op, core.fast, core.fastClaim);
  }

  /** A cache device that takes nothing any more cannot make anything stable: the device below does. */
  #writeBackAll(op: StepOp): number {
    const { store, writeBack } = this.#core;
    if (store.index.unclean === 0) return this.#belowStable(op);
    if (!op.isSync) {
      writeBack.awaitClean(this.#core.waiterOf(op));
      return WAITS;
    }
    if (writeBack.isActive || this.#core.holdsAny) return this.#failed(op, EBUSY);
    const error = writeBack.writeAllSync();
    return error === 0 ? this.#belowStable(op) : this.#failed(op, error);
  }

  #belowStable(op: StepOp): number {
    const core = this.#core;
    const { map } = core;
    const isFull = this.#forced || map.settled > this.#settledMax || (map.settled > 0 && !core.takesLines);
    if (!core.unstableBelow && !isFull) return this.#writeMap(op);
    this.#forced = false;
    core.unstableBelow = false;
    map.leave();
    op.phase = BELOW_FLUSH;
    return this.#flush(op, core.device, core.claim);
  }

  #writeMap(op: StepOp): number {
    this.#pages = this.#core.map.takeChanged();
    this.#written = [...this.#pages];
    return this.#pages.length === 0 ? this.#finish(op) : this.#nextPage(op);
  }

  #nextPage(op: StepOp): number {
    const { fast, fastClaim, map } = this.#core;
    const page = this.#pages.pop();
    if (page === undefined) {
      op.phase = PAGE_FLUSH;
      return this.#flush(op, fast, fastClaim);
    }
    op.phase = PAGE;
    map.encode(page, this.#page.bytes);
    aim(op, BLOCK_WRITE, LABEL_BYTES + page * MAP_PAGE_BYTES, this.#page, 0, MAP_PAGE_BYTES);
    return op.send(fast, fastClaim);
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

  #finish(op: StepOp): number {
    this.#core.map.settle();
    this.#next(op);
    return 0;
  }

  #failed(op: StepOp, error: number): number {
    const core = this.#core;
    const { phase } = op;
    if (phase === FAST_FLUSH || phase === BELOW_FLUSH) core.map.uncollect();
    core.map.unsettle(this.#written);
    core.unstableBelow = true;
    core.unstableFast = true;
    if (phase !== BEGIN && error !== ECANCELED && error !== EBUSY) {
      // Nobody knows what the device that was flushed has. A page that could not be written leaves the one that was.
      if (phase === FAST_FLUSH) core.poison ||= error;
      if (phase !== PAGE) core.failure ||= error;
      else core.failFast(op.isSync);
    }
    this.#next(op);
    return error;
  }

  #next(op: StepOp): void {
    this.#written = [];
    this.#pages = [];
    if (op.parent === null) this.#core.backgroundEnded(op);
    if (this.#current !== op) return;
    this.#current = this.#waiting.shift() ?? null;
    // After this one has ended, or the stack would grow with each that waits.
    if (this.#current !== null) this.#core.ops.runSoon(this.#current);
  }
}
