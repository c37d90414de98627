import { ECANCELED, ENOTSUP, SystemError } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import { type AbortVerdict, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import { pollAll, waitForAny } from '../stack-children.js';
import { CacheCore } from './cache-core.js';
import { CacheFlushes } from './cache-flushes.js';
import type { CacheLines } from './cache-lines.js';
import type { CacheLog } from './cache-log.js';
import { CacheLogFlush } from './cache-log-flush.js';
import type { CacheOp } from './cache-op.js';
import { CacheReadAhead } from './cache-read-ahead.js';
import { CacheReads } from './cache-reads.js';
import type { CacheState, CacheStatistics } from './cache-state.js';
import type { CacheStore } from './cache-store.js';
import { CacheStreams } from './cache-streams.js';
import { CacheThrough, goesThrough } from './cache-through.js';
import { CacheWriteBack, type WriteBackLimits } from './cache-write-back.js';
import { CacheWriteRun } from './cache-write-run.js';
import { CacheWrites } from './cache-writes.js';
import type { ChildDevice, ChildIo } from './child-device.js';

/** The longest request that the driver gets, unless a line is longer. */
export const TRANSFER_MAX_BYTES = 131_072;
/** For how long a thread that waits sleeps, where nothing is under way below. */
export const SLEEP_MS = 5;

/** How a cache was opened, as `config` says it. */
export interface CacheSettings {
  readonly mode: 'write-back' | 'write-through';
  readonly cacheBytes: number;
  readonly lineBytes: number;
  readonly dirtyMaxBytes: number;
  readonly writeBackDelayMs: number;
  readonly readAheadBytes: number;
  readonly childrenMax?: number;
  readonly deviceName?: string;
}

/** What the driver is made of. */
export interface CacheDriverParts {
  readonly child: ChildDevice<ChildIo>;
  readonly store: CacheStore;
  readonly settings: CacheSettings;
  readonly limits: WriteBackLimits;
  readonly requestsMax: number;
  /** What keeps what is dirty and was flushed; null for a cache that is gone with the process. */
  readonly log: CacheLog | null;
  readonly closesLog: boolean;
  readonly timers: BlockTimers;
}

/** The driver of a cache in memory. */
export class CacheDriver implements BlockDriver {
  readonly name = 'cache';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly #parts: CacheDriverParts;
  readonly #core: CacheCore;
  readonly #writeBack: CacheWriteBack;
  readonly #reads: CacheReads;
  readonly #writes: CacheWrites;
  readonly #through: CacheThrough;
  readonly #flushes: CacheFlushes;
  readonly #logFlush: CacheLogFlush | null;
  readonly #devices: readonly BlockDevice[];
  readonly #streams: CacheStreams;
  readonly #store: CacheStore;
  /** The device below is gone. */
  #lost = false;

  constructor(parts: CacheDriverParts) {
    const { child, log, store, settings } = parts;
    const { limits, capabilities } = child.device;
    this.#parts = parts;
    this.#store = store;
    this.#core = new CacheCore(store, child.device, child.claim);
    this.#core.logMap = log?.map ?? null;
    this.#writeBack = new CacheWriteBack(
      this.#core,
      parts.limits,
      parts.timers,
      (linesMax, done) => new CacheWriteRun(this.#core, linesMax, done),
    );
    this.#reads = new CacheReads(this.#core);
    this.#through = new CacheThrough(this.#core, this.#writeBack);
    this.#writes = new CacheWrites(this.#core, this.#writeBack, this.#through);
    this.#flushes = new CacheFlushes(this.#core, this.#writeBack);
    this.#logFlush = log === null ? null : new CacheLogFlush(this.#core, log, this.#writeBack);
    this.#devices = log === null ? [child.device] : [child.device, log.device];
    const readAhead = new CacheReadAhead(this.#core);
    this.#streams = new CacheStreams(store, settings.readAheadBytes, (first, behind) => readAhead.fetch(first, behind));
    this.limits = {
      blockSizeBytes: limits.blockSizeBytes,
      sizeBytes: store.sizeBytes,
      memoryAlignmentBytes: 1,
      physicalBlockSizeBytes: Math.max(settings.lineBytes, limits.physicalBlockSizeBytes),
      maxTransferBytes: Math.max(TRANSFER_MAX_BYTES, settings.lineBytes),
      maxInFlight: parts.requestsMax,
    };
    this.capabilities = {
      readOnly: capabilities.readOnly,
      progress: this.#devices.some((each) => each.capabilities.progress === 'event-loop') ? 'event-loop' : 'any',
      // What is in the log must not come back over what has gone past it.
      fua: log === null ? child.fua : 'emulate',
      zeroes: log === null ? capabilities.zeroes : 'emulate',
      discard: log === null && capabilities.discard,
      extents: capabilities.extents,
      volatileCache: settings.mode === 'write-back' || capabilities.volatileCache,
      rotational: capabilities.rotational,
    };
  }

  get statistics(): CacheStatistics {
    return statisticsOf(this.#core);
  }

  start(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ) this.#read(io);
    else if (operation === BLOCK_WRITE && io.flags === 0 && this.#writeBack.takesWrites) this.#writes.start(io);
    else if (operation === BLOCK_FLUSH) this.#flush(io);
    else if (operation === BLOCK_WRITE || goesThrough(io)) this.#through.start(io);
    else biodone(io, ENOTSUP);
  }

  startSync(io: BlockIo): void {
    io.error = this.#runSync(io);
  }

  abort(io: BlockIo): AbortVerdict {
    const op = this.#core.of(io);
    if (op === undefined) return this.#abortFlush(io);
    beginSubmit();
    try {
      return this.#abort(op);
    } finally {
      endSubmit();
    }
  }

  poll(): number {
    // For a thread that does not return to its event loop, where the timer would fire.
    if (this.#writeBack.waiting > 0) this.#writeBack.progress();
    return (this.#logFlush?.ops.poll() ?? 0) + pollAll(this.#devices);
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    if (this.#writeBack.waiting > 0) this.#writeBack.progress();
    if (this.#devices.some(({ inFlight }) => inFlight > 0)) return waitForAny(this.#devices, timeoutMs, this.#parts.timers);
    if (this.#writeBack.waiting === 0) return 0;
    const sleepMs = Math.min(timeoutMs, SLEEP_MS);
    this.#parts.timers.sleep(sleepMs);
    return sleepMs === timeoutMs ? 'ETIME' : 0;
  }

  describe(): Record<string, unknown> {
    const { sizeBytes } = this.#store;
    const device = this.#core.device.describe();
    return {
      ...this.#parts.settings,
      sizeBytes,
      ...this.statistics,
      failure: this.#core.failure,
      device,
      ...this.#describeLog(),
    };
  }

  config(): DeviceSpec {
    const { log, settings } = this.#parts;
    const kept = log === null ? {} : { log: log.device.config() };
    return { driver: 'cache', device: this.#core.device.config(), ...settings, ...kept };
  }

  handle(): DeviceHandle {
    return noHandle();
  }

  attached(events: DriverEvents): void {
    const lost = (): void => {
      this.#lost = true;
      events.removed();
      this.#writeBack.progress();
    };
    // A cache keeps its size. Where the device below has become too small for it, there is none.
    const resized = (sizeBytes: number): void => {
      if (sizeBytes < this.#store.sizeBytes) lost();
    };
    this.#parts.child.follow({ resized, removed: lost }, (sizeBytes) => sizeBytes);
    // What the log had: not before, as nobody would end it if the opening failed.
    if (this.#store.index.unclean > 0) this.#writeBack.dirtied();
  }

  async close(): Promise<void> {
    const error = await this.#finish();
    const { child, log, closesLog } = this.#parts;
    log?.claim?.release();
    await child.close();
    if (closesLog) await log?.device.close();
    // Who has taken the device away knows that what was dirty has gone with it.
    if (error === 0 || this.#lost) return;
    const what = `${this.#store.index.unclean * this.#store.lineBytes} bytes that were written are not on the device below`;
    throw new SystemError(error, 'close', undefined, what);
  }

  /** Writes what is dirty. Returns the errno with which that has failed. */
  async #finish(): Promise<number> {
    if (this.capabilities.readOnly || !this.#writeBack.limits.isOn) return 0;
    await this.#writeBack.drain();
    if (this.#store.index.unclean > 0) return this.#core.failure;
    if (this.#logFlush !== null) return this.#lost ? 0 : this.#logFlush.empty();
    return this.#core.counters.writeBacks > 0 ? this.#writeBack.flushBelow() : 0;
  }

  #flush(io: BlockIo): void {
    if (this.#logFlush === null) this.#flushes.start(io);
    else this.#logFlush.start(io);
  }

  #abortFlush(io: BlockIo): AbortVerdict {
    const waiting = this.#logFlush?.leave(io) ?? null;
    if (waiting === null) return this.#logFlush?.ops.abort(io) ?? 'in-progress';
    this.#logFlush?.ops.end(waiting, ECANCELED);
    return 'cancelled';
  }

  #describeLog(): Record<string, unknown> {
    const { log } = this.#parts;
    return log === null ? {} : { loggedBytes: log.map.count * this.#store.lineBytes, log: log.device.describe() };
  }

  #read(io: BlockIo): void {
    const { counters } = this.#core;
    if (this.#store.readHit(io)) {
      counters.readHits += 1;
      io.transferredBytes = io.lengthBytes;
      this.#streams.look(io.offset, io.lengthBytes);
      biodone(io, 0);
      return;
    }
    counters.readMisses += 1;
    const { offset, lengthBytes } = io;
    this.#reads.start(io);
    this.#streams.look(offset, lengthBytes);
  }

  #runSync(io: BlockIo): number {
    const { operation } = io;
    const { counters } = this.#core;
    if (operation === BLOCK_READ) {
      if (!this.#store.readHit(io)) {
        counters.readMisses += 1;
        return this.#reads.runSync(io);
      }
      counters.readHits += 1;
      io.transferredBytes = io.lengthBytes;
      return 0;
    }
    if (operation === BLOCK_FLUSH) return this.#logFlush === null ? this.#flushes.runSync(io) : this.#logFlush.runSync(io);
    if (operation === BLOCK_WRITE && io.flags === 0 && this.#writeBack.takesWrites) {
      counters.writesBack += 1;
      return this.#writes.runSync(io);
    }
    if (operation !== BLOCK_WRITE && !goesThrough(io)) return ENOTSUP;
    if (operation === BLOCK_WRITE) counters.writesThrough += 1;
    return this.#through.runSync(io);
  }

  #abort(op: CacheOp): AbortVerdict {
    if (this.#core.ranges.cancel(op)) {
      this.#core.end(op, ECANCELED, op.position);
      return 'cancelled';
    }
    if (this.#writeBack.leave(op.waiter)) {
      if (op.work === this.#through) this.#through.end(op, ECANCELED, op.position);
      else this.#core.end(op, ECANCELED, op.position);
      return 'cancelled';
    }
    op.aborted = true;
    if (op.below) this.#core.device.abort(op.io);
    return 'in-progress';
  }
}

/** @throws SystemError ENOTSUP */
export function noHandle(): never {
  const advice =
    'a cache is for one thread: what another one writes would not be in it; serve other threads through a pool, or open the device below there instead';
  throw new SystemError(ENOTSUP, 'handle', undefined, advice);
}

/** What a cache has counted, and what it holds. */
export function statisticsOf({ counters, store }: CacheState<CacheLines>): CacheStatistics {
  const { index, lineBytes } = store;
  return {
    ...counters,
    evictions: index.evictions,
    dirtyBytes: index.unclean * lineBytes,
    usedBytes: index.used * lineBytes,
  };
}
