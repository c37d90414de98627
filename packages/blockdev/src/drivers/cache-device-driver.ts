import { EBUSY, ECANCELED, ENOTSUP, SystemError } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import { type AbortVerdict, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import { commonLimits, pollAll, waitForAny } from '../stack-children.js';
import { CacheDeviceCore } from './cache-device-core.js';
import { CacheDeviceFlush } from './cache-device-flush.js';
import { CacheDeviceInstall } from './cache-device-install.js';
import type { CacheDeviceContents } from './cache-device-open.js';
import { CacheDeviceReadAhead } from './cache-device-read-ahead.js';
import { CacheDeviceReads } from './cache-device-reads.js';
import { CacheDeviceRun } from './cache-device-run.js';
import { CacheDeviceThrough } from './cache-device-through.js';
import { CacheDeviceWrites } from './cache-device-writes.js';
import { type CacheSettings, noHandle, SLEEP_MS, statisticsOf, TRANSFER_MAX_BYTES } from './cache-driver.js';
import type { CacheStatistics } from './cache-state.js';
import { CacheStreams } from './cache-streams.js';
import { goesThrough } from './cache-through.js';
import { CacheWriteBack, type WriteBackLimits } from './cache-write-back.js';
import type { ChildDevice, ChildIo } from './child-device.js';
import type { StepOp, Stepper } from './step-op.js';

/** What the driver is made of. */
export interface CacheDeviceParts {
  readonly child: ChildDevice<ChildIo>;
  readonly fast: BlockDevice;
  readonly fastClaim: BlockClaim | null;
  readonly contents: CacheDeviceContents;
  readonly settings: CacheSettings;
  readonly limits: WriteBackLimits;
  readonly requestsMax: number;
  readonly closesChildren: boolean;
  readonly timers: BlockTimers;
}

/** The driver of a cache whose lines lie on a device. */
export class CacheDeviceDriver implements BlockDriver {
  readonly name = 'cache';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly #parts: CacheDeviceParts;
  readonly #core: CacheDeviceCore;
  readonly #writeBack: CacheWriteBack;
  readonly #reads: CacheDeviceReads;
  readonly #writes: CacheDeviceWrites;
  readonly #through: CacheDeviceThrough;
  readonly #flush: CacheDeviceFlush;
  readonly #streams: CacheStreams;
  readonly #devices: readonly [BlockDevice, BlockDevice];
  /** The device below is gone. */
  #lost = false;
  #unwatch: () => void = () => {};

  constructor(parts: CacheDeviceParts) {
    const { child, contents, fast, settings } = parts;
    const { lines, map } = contents;
    this.#parts = parts;
    this.#devices = [child.device, fast];
    const core = new CacheDeviceCore(lines, map, this.#devices, [child.claim, parts.fastClaim]);
    this.#core = core;
    this.#flush = new CacheDeviceFlush(core);
    this.#writeBack = new CacheWriteBack(
      core,
      parts.limits,
      parts.timers,
      (linesMax, done) => new CacheDeviceRun(core, linesMax, done, (isSync) => this.#flush.runSettled(isSync)),
    );
    core.writeBack = this.#writeBack;
    const install = new CacheDeviceInstall(core);
    this.#reads = new CacheDeviceReads(core, install);
    this.#through = new CacheDeviceThrough(core, install);
    this.#writes = new CacheDeviceWrites(core, this.#through, this.#flush.reclaim);
    const readAhead = new CacheDeviceReadAhead(core, install);
    this.#streams = new CacheStreams(lines, settings.readAheadBytes, (first, behind) => readAhead.fetch(first, behind));
    const common = commonLimits(this.#devices);
    this.limits = {
      blockSizeBytes: common.blockSizeBytes,
      sizeBytes: lines.sizeBytes,
      memoryAlignmentBytes: 1,
      physicalBlockSizeBytes: Math.max(settings.lineBytes, common.physicalBlockSizeBytes ?? 0),
      maxTransferBytes: Math.max(TRANSFER_MAX_BYTES, settings.lineBytes),
      maxInFlight: parts.requestsMax,
    };
    const { capabilities } = child.device;
    const { isOn } = parts.limits;
    this.capabilities = {
      readOnly: capabilities.readOnly,
      progress: this.#devices.some((each) => each.capabilities.progress === 'event-loop') ? 'event-loop' : 'any',
      // Nothing may go past what the map names, which would come back over it.
      fua: isOn ? 'emulate' : child.fua,
      zeroes: isOn ? 'emulate' : capabilities.zeroes,
      discard: !isOn && capabilities.discard,
      extents: capabilities.extents,
      volatileCache: isOn || capabilities.volatileCache,
      rotational: capabilities.rotational,
    };
    // What was written below before may not be stable either.
    core.unstableBelow = true;
  }

  get statistics(): CacheStatistics {
    return statisticsOf(this.#core);
  }

  /** Writes back what was found on the cache device, for a cache that has nothing dirty. Resolves to the errno. */
  async settle(): Promise<number> {
    await this.#writeBack.drain();
    return this.#core.store.index.unclean > 0 ? this.#core.failure : this.#flush.empty();
  }

  start(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ) this.#read(io);
    else if (operation === BLOCK_FLUSH) this.#flush.start(io);
    else if (operation === BLOCK_WRITE || goesThrough(io)) this.#core.ops.startInRange(this.#take(this.#writer(io), io));
    else biodone(io, ENOTSUP);
  }

  startSync(io: BlockIo): void {
    const { operation } = io;
    const { ops } = this.#core;
    if (operation === BLOCK_READ) {
      this.#count(io);
      io.error = ops.runSync(this.#take(this.#reads, io));
    } else if (operation === BLOCK_FLUSH) {
      io.error = this.#flush.runSync(io);
    } else if (operation === BLOCK_WRITE || goesThrough(io)) {
      const op = this.#take(this.#writer(io), io);
      io.error = this.#core.isTaken(op) ? ops.refuse(op, EBUSY) : ops.runSync(op);
    } else {
      io.error = ENOTSUP;
    }
  }

  abort(io: BlockIo): AbortVerdict {
    beginSubmit();
    try {
      return this.#abort(io);
    } finally {
      endSubmit();
    }
  }

  poll(): number {
    // For a thread that does not return to its event loop, where the timer would fire.
    this.#writeBack.look();
    return this.#core.ops.poll() + pollAll(this.#devices);
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    this.#writeBack.look();
    if (this.#devices.some(({ inFlight }) => inFlight > 0)) return waitForAny(this.#devices, timeoutMs, this.#parts.timers);
    if (this.#writeBack.waiting === 0) return 0;
    const sleepMs = Math.min(timeoutMs, SLEEP_MS);
    this.#parts.timers.sleep(sleepMs);
    return sleepMs === timeoutMs ? 'ETIME' : 0;
  }

  describe(): Record<string, unknown> {
    const { failure, fast, map, store, takesLines } = this.#core;
    return {
      ...this.#parts.settings,
      sizeBytes: store.sizeBytes,
      ...this.statistics,
      failure,
      takesLines,
      namedBytes: map.count * store.lineBytes,
      device: this.#core.device.describe(),
      cacheDevice: fast.describe(),
    };
  }

  config(): DeviceSpec {
    const { device, fast } = this.#core;
    return { driver: 'cache', device: device.config(), ...this.#parts.settings, cacheDevice: fast.config() };
  }

  handle(): DeviceHandle {
    return noHandle();
  }

  attached(events: DriverEvents): void {
    const { store } = this.#core;
    const lost = (): void => {
      this.#lost = true;
      events.removed();
      this.#writeBack.progress();
    };
    const resized = (sizeBytes: number): void => {
      if (sizeBytes < store.sizeBytes) lost();
    };
    this.#parts.child.follow({ resized, removed: lost }, (sizeBytes) => sizeBytes);
    const { fast } = this.#parts;
    const end = store.dataOffset + store.index.slots * store.lineBytes;
    const removed = (): void => this.#core.loseFast();
    const shortened = (sizeBytes: number): void => {
      if (sizeBytes < end) this.#core.loseFast();
    };
    fast.on('remove', removed).on('resize', shortened);
    this.#unwatch = () => fast.off('remove', removed).off('resize', shortened);
    // What was found: not before, as nobody would end it if the opening failed.
    if (store.index.unclean > 0) this.#writeBack.dirtied();
  }

  async close(): Promise<void> {
    const error = await this.#finish();
    const { child, closesChildren, fast, fastClaim } = this.#parts;
    this.#unwatch();
    fastClaim?.release();
    try {
      await child.close();
    } finally {
      if (closesChildren) await fast.close();
    }
    // Who has taken the device away knows that what was dirty has gone with it.
    if (error === 0 || this.#lost) return;
    const left = this.#core.store.index.unclean * this.#core.store.lineBytes;
    const what =
      left > 0
        ? `${left} bytes that were written are not on the device below`
        : 'the cache device still names what has been written back: make a new cache of it, or what is written to the device below meanwhile is lost';
    throw new SystemError(error, 'close', undefined, what);
  }

  /** Writes what is dirty. Returns the errno with which that has failed. */
  async #finish(): Promise<number> {
    const core = this.#core;
    await core.untilIdle();
    if (this.capabilities.readOnly || !this.#parts.limits.isOn) return 0;
    await this.#writeBack.drain();
    await core.untilIdle();
    if (core.store.index.unclean > 0) return core.failure;
    if (this.#lost) return 0;
    if (core.poison !== 0) return core.poison;
    // What could not be written back once has been now.
    core.failure = 0;
    return this.#flush.empty();
  }

  #read(io: BlockIo): void {
    const { offset, lengthBytes } = io;
    this.#count(io);
    this.#core.ops.run(this.#take(this.#reads, io));
    this.#streams.look(offset, lengthBytes);
  }

  #count(io: BlockIo): void {
    if (this.#reads.isHit(io)) this.#core.counters.readHits += 1;
    else this.#core.counters.readMisses += 1;
  }

  /** Who does what changes something. */
  #writer(io: BlockIo): Stepper {
    const { counters } = this.#core;
    if (io.operation !== BLOCK_WRITE) return this.#through;
    const isBack = io.flags === 0 && this.#writeBack.takesWrites;
    if (isBack) counters.writesBack += 1;
    else counters.writesThrough += 1;
    return isBack ? this.#writes : this.#through;
  }

  #take(stepper: Stepper, io: BlockIo): StepOp {
    const { ops, store } = this.#core;
    const op = ops.take(stepper, io);
    op.begin = store.lineAt(io.offset);
    op.end = store.lineBehind(io.offset, io.lengthBytes);
    return op;
  }

  #abort(io: BlockIo): AbortVerdict {
    const { ops } = this.#core;
    const waiting = this.#flush.leave(io);
    const op = waiting ?? ops.of(io);
    if (op === undefined) return 'in-progress';
    if (waiting === null) {
      if (!this.#writeBack.leave(this.#core.waiterOf(op))) return ops.abort(io);
      if (io.operation === BLOCK_FLUSH) this.#flush.gaveUp(op);
      else this.#through.leave(op);
    }
    ops.end(op, ECANCELED);
    return 'cancelled';
  }
}
