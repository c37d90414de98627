import { EBUSY, ECANCELED, ENOTSUP, SystemError } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import { biodone } from '../biodone.js';
import { type AbortVerdict, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import { closeAll, commonLimits, StackChildren } from '../stack-children.js';
import type { CowBitmap } from './cow-bitmap.js';
import { CowFlush } from './cow-flush.js';
import { type CowParts, CowReads, CowWrites } from './cow-transfers.js';
import { type StepOp, StepOps, type Stepper } from './step-op.js';

const TRANSFER_MAX_BYTES = 2 ** 20;

/** How an overlay was opened, besides what it lies over. */
export interface CowSettings {
  readonly closeChildren: boolean;
  readonly childrenMax?: number;
  /** Of an overlay in memory. */
  readonly maxBytes?: number;
  readonly timers: BlockTimers;
}

/** The driver of an overlay. */
export class CowDriver implements BlockDriver {
  readonly name = 'cow';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly parts: CowParts;
  /** Null for an overlay in memory. */
  readonly bitmap: CowBitmap | null;
  readonly #settings: CowSettings;
  readonly #children: StackChildren;
  readonly #ops: StepOps = new StepOps();
  readonly #reads: CowReads;
  readonly #writes: CowWrites;
  readonly #flush: CowFlush;
  #lost = false;

  constructor(parts: CowParts, bitmap: CowBitmap | null, settings: CowSettings) {
    const { base, map, sizeBytes } = parts;
    this.parts = parts;
    this.bitmap = bitmap;
    this.#settings = settings;
    this.#children = new StackChildren([base, map.store], null);
    this.#reads = new CowReads(parts);
    this.#writes = new CowWrites(parts);
    this.#flush = new CowFlush(parts, bitmap, this.#ops);
    const isByEventLoop = [base, map.store].some(({ capabilities }) => capabilities.progress === 'event-loop');
    this.limits = {
      ...commonLimits([base, map.store]),
      sizeBytes,
      maxTransferBytes: Math.max(TRANSFER_MAX_BYTES, parts.blockBytes),
      maxInFlight: settings.childrenMax ?? 1024,
    };
    this.capabilities = {
      readOnly: map.store.capabilities.readOnly,
      progress: isByEventLoop ? 'event-loop' : 'any',
      // A block that is stable is not there before the map is, too.
      fua: 'emulate',
      volatileCache: true,
      rotational: base.capabilities.rotational,
    };
  }

  start(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ) this.#ops.run(this.#ops.take(this.#reads, io));
    else if (operation === BLOCK_WRITE) this.#ops.startInRange(this.#take(this.#writes, io));
    else if (operation === BLOCK_FLUSH) this.#flush.start(this.#ops.take(this.#flush, io));
    else biodone(io, ENOTSUP);
  }

  startSync(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ) {
      io.error = this.#ops.runSync(this.#ops.take(this.#reads, io));
    } else if (operation === BLOCK_WRITE) {
      const op = this.#take(this.#writes, io);
      io.error = this.#ops.ranges.isTaken(op) ? this.#ops.refuse(op, EBUSY) : this.#ops.runSync(op);
    } else if (operation === BLOCK_FLUSH) {
      io.error = this.#flush.isBusy ? EBUSY : this.#ops.runSync(this.#ops.take(this.#flush, io));
    } else {
      io.error = ENOTSUP;
    }
  }

  abort(io: BlockIo): AbortVerdict {
    const op = this.#ops.of(io);
    if (op === undefined || !this.#flush.leave(op)) return this.#ops.abort(io);
    this.#ops.end(op, ECANCELED);
    return 'cancelled';
  }

  poll(): number {
    return this.#ops.poll() + this.#children.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#children.wait(timeoutMs, this.#settings.timers);
  }

  describe(): Record<string, unknown> {
    const { base, blockBytes, map, sizeBytes } = this.parts;
    const overlay = this.bitmap === null ? 'memory' : map.store.describe();
    return { sizeBytes, blockBytes, changedBytes: map.count * blockBytes, base: base.describe(), overlay };
  }

  config(): DeviceSpec {
    const { base, blockBytes, map } = this.parts;
    const { childrenMax, maxBytes } = this.#settings;
    return {
      driver: 'cow',
      base: base.config(),
      ...(this.bitmap === null ? { blockBytes } : { overlay: map.store.config() }),
      ...(maxBytes === undefined ? {} : { maxBytes }),
      ...(childrenMax === undefined ? {} : { childrenMax }),
    };
  }

  handle(): DeviceHandle {
    const advice = 'an overlay is for one thread, which knows what is in it: serve other threads through a pool';
    throw new SystemError(ENOTSUP, 'handle', undefined, advice);
  }

  attached(events: DriverEvents): void {
    const { sizeBytes, map } = this.parts;
    // An overlay that grows has no end to fall short of.
    const begin = this.bitmap === null ? 0 : this.bitmap.dataOffset;
    const needed = [sizeBytes, map.store.limits.sizeBytes === null || this.bitmap === null ? 0 : begin + sizeBytes];
    this.#children.watch(
      (index) => needed[index] as number,
      () => {
        this.#lost = true;
        events.removed();
      },
    );
  }

  async close(): Promise<void> {
    this.#children.release();
    const { base, claims, map } = this.parts;
    const error = this.#lost ? 0 : await this.#flushLast();
    claims.base?.release();
    claims.store?.release();
    await closeAll(this.#settings.closeChildren ? [base, map.store] : this.bitmap === null ? [map.store] : []);
    if (error !== 0)
      throw new SystemError(error, 'close', undefined, 'what was written since the last flush may not be in the overlay');
  }

  /** Keeps what was written: nobody has to flush before a close. */
  #flushLast(): Promise<number> {
    if (this.bitmap === null || this.capabilities.readOnly) return Promise.resolve(0);
    return new Promise((resolve) => {
      const step: Stepper = {
        step: (op) => {
          const verdict = this.#flush.step(op);
          if (verdict >= 0) resolve(verdict);
          return verdict;
        },
      };
      this.#ops.run(this.#ops.take(step, null));
    });
  }

  #take(stepper: Stepper, io: BlockIo): StepOp {
    const op = this.#ops.take(stepper, io);
    op.begin = Math.floor(io.offset / this.parts.blockBytes);
    op.end = Math.ceil((io.offset + io.lengthBytes) / this.parts.blockBytes);
    return op;
  }
}
