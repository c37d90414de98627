import { EventEmitter } from 'node:events';
import { EALREADY, EBADF, EBUSY, EINVAL, ENOTSUP, SystemError } from '@biodone/uring';
import { type BlockTimers, threadTimers } from '../batch-clock.js';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { BLOCK_FLUSH, BlockIo } from '../block-io.js';
import { checkDevice } from '../check-options.js';
import type { BlockDriver, DriverEvents } from '../driver.js';
import { ENODEV } from '../errno.js';
import { checkInteger } from '../errors.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import { commonCapabilities, commonLimits, sizeOfChild } from '../stack-children.js';
import type { HalfState } from './mirror-assembly.js';
import { MirrorDriver } from './mirror-driver.js';
import { MirrorHalf } from './mirror-half.js';
import { labelOffset } from './mirror-label.js';
import { MirrorRebuild, type RebuildOptions } from './mirror-rebuild.js';
import { MirrorRepair } from './mirror-repair.js';
import { type MirrorIdentity, MirrorSet } from './mirror-set.js';
import { checkWalkOptions, MIRROR_WALK_OPTIONS } from './walk-options.js';

/** What is known of a half. */
export interface HalfStatus {
  /** `'good'`: it is read. `'syncing'`: it is being made equal after a crash. `'rebuilding'`: it is copied to. `'failed'`: it is not used. */
  readonly state: HalfState;
  /** Why it has failed: `'stale'`, `'missing'`, `'no label'`, or what has gone wrong. */
  readonly reason: string | null;
  /** How much has been copied, where that is under way. */
  readonly rebuiltBytes: number | null;
  readonly device: BlockDevice | null;
}

/** What a mirror is made with; see `MirrorOptions`. */
interface MirrorSettings extends BlockDeviceOptions {
  autoRebuild?: boolean;
  closeChildren?: boolean;
  childrenMax?: number;
}

/** The mirrors of their block devices. */
const mirrors = new WeakMap<BlockDevice, MirrorDevice>();

/**
 * The mirror whose block device this is, as `openDevice('mirror(...)')` returns it; null for any other device, also for one that lies on a
 * mirror.
 */
export function mirrorOf(device: BlockDevice): MirrorDevice | null {
  return mirrors.get(device) ?? null;
}

/** A mirror: its block device, and what its owner does with the halves. Made by `openMirror`. */
export class MirrorDevice {
  /** What reads and writes go to. */
  readonly device: BlockDevice;
  readonly #set: MirrorSet;
  readonly #driver: MirrorDriver;
  readonly #repair: MirrorRepair;
  /** By half. Those that were cancelled are in #running until their last piece has ended. */
  readonly #rebuilds: (MirrorRebuild | null)[] = [];
  readonly #running = new Set<MirrorRebuild>();
  readonly #timers: BlockTimers;
  readonly #options: MirrorSettings;
  readonly #events = new EventEmitter();
  #deviceEvents: DriverEvents | null = null;
  /** Whether the last half with the data is gone, as 'remove' has told. */
  #gone = false;

  /** @internal */
  constructor(halves: MirrorHalf[], identity: MirrorIdentity, options: MirrorSettings) {
    const devices = halves.map(({ device }) => device).filter((device) => device !== null);
    const capabilities = capabilitiesOf(devices);
    const labels = identity.labels && !capabilities.readOnly;
    this.#options = options;
    this.#timers = options.timers ?? threadTimers;
    this.#set = new MirrorSet(
      halves,
      { ...identity, labels },
      () => this.#changed(),
      (half) => this.#lost(half),
    );
    const driver = new MirrorDriver({
      set: this.#set,
      limits: limitsOf(devices, identity.dataBytes, options.childrenMax ?? 1024),
      capabilities,
      timers: this.#timers,
      repair: (half, offset, lengthBytes) => {
        if (capabilities.readOnly !== true && !this.#set.untouched) this.#repair.add(half, offset, lengthBytes);
      },
      makeEqual: (offset, lengthBytes) => this.#repair.makeEqual(offset, lengthBytes),
      repairNow: () => this.#repair.runNow(),
      ...this.#cold(),
    });
    this.#driver = driver;
    this.#repair = new MirrorRepair(driver, this.#set);
    this.device = new BlockDevice(driver, options);
    mirrors.set(this.device, this);
    for (const half of halves) this.#watch(half);
  }

  /** Writes the labels of the opening, if nobody may only want to look, and begins what is to be copied. @internal */
  async begin(): Promise<void> {
    if (!this.#set.identity.labels) return;
    const copies = this.#options.autoRebuild !== false && this.#set.halves.some(({ inUse, state }) => inUse && state !== 'good');
    if (!copies && this.#set.halves.some(({ state }) => state === 'failed')) {
      this.#set.untouched = true;
      this.#driver.waitForFirstWrite();
      return;
    }
    this.#set.change();
    const error = await new Promise<number>((resolve) => this.#set.whenSaved(resolve));
    if (error !== 0) {
      for (const half of this.#set.halves) half.unwatch();
      throw new SystemError(error, 'mirror', undefined, 'the labels could not be written');
    }
    if (this.#options.autoRebuild === false) return;
    for (const { state, index } of this.#set.halves) {
      // What it comes to is in halves().
      if (state === 'syncing' || state === 'rebuilding') this.rebuild(index).catch(() => {});
    }
  }

  /** The state of each half. */
  halves(): HalfStatus[] {
    return this.#set.halves.map(({ state, reason, device, index }) => {
      return { state, reason, device, rebuiltBytes: this.#rebuilds[index]?.doneBytes ?? null };
    });
  }

  /** Whether a half is not good. */
  get degraded(): boolean {
    return this.#set.halves.some(({ state }) => state !== 'good');
  }

  /** How many places have been written back that a half could not read. */
  get repaired(): number {
    return this.#repair.repaired;
  }

  /**
   * Takes a half out, as if it had failed. Nobody waits for the requests to it that are under way: they are asked to end, and writes are done
   * without them. Until such a write has ended, the half's device may read its memory; what it finds there does not matter. A read ends when
   * the device has given its memory back, and another half has been asked.
   *
   * @throws SystemError EBUSY for the last half that has all of the data
   */
  fail(index: number): void {
    const half = this.#half(index);
    this.#set.touch();
    if (this.#set.takeOut(half, 'taken out')) {
      this.#stop(index);
      return;
    }
    throw new SystemError(EBUSY, 'fail', undefined, 'it is the last half with all of the data: close the mirror instead');
  }

  /**
   * Puts a device in the place of a half, and copies everything to it, while the mirror is in use. What was on the device is lost. The old
   * half's device is closed when nothing is under way there any more (`closeChildren`).
   *
   * @returns a promise that ends with the copying, as {@link rebuild}'s does
   * @throws SystemError EBUSY (as a rejection) for the last half that has all of the data, EINVAL for a device that is too small, EBUSY for
   * one that somebody has claimed
   */
  async replace(index: number, device: BlockDevice, options: RebuildOptions = {}): Promise<void> {
    const old = this.#half(index);
    checkDevice('device', device, 'replace');
    checkWalkOptions('replace', options, MIRROR_WALK_OPTIONS);
    this.#checkNew(device);
    const claim = device.claim('read-many-write-one');
    this.#set.touch();
    if (!this.#set.takeOut(old, 'replaced')) {
      claim.release();
      throw new SystemError(EBUSY, 'replace', undefined, 'it is the last half with all of the data: rebuild another one first');
    }
    this.#stop(index);
    old.unwatch();
    const half = new MirrorHalf(index, device, claim, 'rebuilding', null);
    this.#set.replace(half);
    this.#watch(half);
    old.claim?.release();
    // A disk that answers no more is not waited for before the copying begins.
    const closed = this.#options.closeChildren === false ? undefined : closeHalf(old);
    await Promise.all([this.rebuild(index, options), closed]);
  }

  /**
   * Copies everything from the good halves to this one, while the mirror is in use: for one that has failed, or whose rebuild was cancelled.
   * Writes go to it from now on, reads when it is done. If that is under way already, this is a promise for its end, and `options` do not matter;
   * one that is being cancelled ends first.
   *
   * @returns a promise for the end: it is rejected with SystemError ECANCELED if that was cancelled, or with the error that ended it
   * @throws SystemError (as a rejection) EALREADY if the half is good, ENODEV if it is missing
   */
  async rebuild(index: number, options: RebuildOptions = {}): Promise<void> {
    this.#half(index);
    checkWalkOptions('rebuild', options, MIRROR_WALK_OPTIONS);
    if (this.#set.untouched) {
      this.#set.touch();
      await new Promise((resolve) => this.#set.whenSaved(resolve));
    }
    const current = this.#rebuilds[index];
    if (current && !current.cancelled && current.half === this.#set.halves[index]) return current.promise;
    // The last piece of one that was cancelled is under way, and must not be mistaken for one of the next rebuild.
    const ending = [...this.#running].filter(({ half }) => half.index === index);
    if (ending.length > 0) await Promise.allSettled(ending.map(({ promise }) => promise));
    const half = this.#half(index);
    if (this.device.closed) throw new SystemError(EBADF, 'rebuild', undefined, 'the mirror is closed');
    if (half.device === null) throw new SystemError(ENODEV, 'rebuild', undefined, 'the half is missing: replace it');
    if (half.state === 'good') throw new SystemError(EALREADY, 'rebuild', undefined, 'the half is good');
    const rebuild = new MirrorRebuild(this.#driver, this.#set, half, this.#timers, options);
    this.#rebuilds[index] = rebuild;
    this.#running.add(rebuild);
    rebuild.begin();
    try {
      await rebuild.promise;
    } finally {
      this.#running.delete(rebuild);
      if (this.#rebuilds[index] === rebuild) this.#rebuilds[index] = null;
    }
  }

  /** Calls back whenever the state of a half has changed, in a microtask. */
  on(name: 'change', listener: (halves: HalfStatus[]) => void): this {
    this.#events.on(name, listener);
    return this;
  }

  /** Ends one {@link on}. */
  off(name: 'change', listener: (halves: HalfStatus[]) => void): this {
    this.#events.off(name, listener);
    return this;
  }

  /** Promises when no half is being rebuilt, well or not: {@link halves} tells. */
  async rebuilt(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running].map(({ promise }) => promise));
  }

  /**
   * Promises when no repair is under way, no rebuild that has been cancelled still has a piece on its way, and the labels say how things are (or
   * cannot be written). For rebuilds that go on see {@link rebuilt}.
   */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#running].flatMap(({ cancelled, promise }) => (cancelled ? [promise] : [])));
    await new Promise<void>((resolve) => this.#repair.whenIdle(resolve));
    await new Promise((resolve) => this.#set.whenSaved(resolve));
  }

  /**
   * Closes the device: what is being rebuilt is so again after the next opening.
   *
   * @throws SystemError (as a rejection, when all is closed) with which the last half that has the data failed at last
   */
  close(): Promise<void> {
    return this.device.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #half(index: number): MirrorHalf {
    const half = this.#set.halves[checkInteger('index', index, 0, this.#set.halves.length - 1)] as MirrorHalf;
    return half;
  }

  #checkNew(device: BlockDevice): void {
    const { dataBytes, labels } = this.#set.identity;
    const size = sizeOfChild(device, 'replace');
    const room = labels ? labelOffset(size) : size;
    const { blockSizeBytes } = this.#driver.limits;
    if (room < dataBytes) throw invalid(`the device has room for ${Math.max(0, room)} bytes, the mirror has ${dataBytes}`);
    if (device.capabilities.readOnly) throw invalid('the device cannot be written');
    if (device.capabilities.progress === 'event-loop' && this.#driver.capabilities.progress !== 'event-loop') {
      throw invalid(
        'it completes requests in the event loop alone, and the mirror has promised that threads can wait for its own',
      );
    }
    if (blockSizeBytes % device.limits.blockSizeBytes !== 0) {
      throw invalid(`its blocks of ${device.limits.blockSizeBytes} bytes do not go into the mirror's of ${blockSizeBytes}`);
    }
  }

  /** Ends the rebuild of a half, so that another one can begin. */
  #stop(index: number): void {
    const rebuild = this.#rebuilds[index];
    this.#rebuilds[index] = null;
    rebuild?.cancel();
  }

  #lost(half: MirrorHalf): void {
    if (this.#rebuilds[half.index]?.half === half) this.#stop(half.index);
    this.#repair.lost(half);
    this.#driver.abandon(half);
  }

  #changed(): void {
    queueMicrotask(() => this.#events.emit('change', this.halves()));
  }

  /** Takes a half out whose device goes, or becomes smaller than the mirror. */
  #watch(half: MirrorHalf): void {
    const { device } = half;
    if (device === null) return;
    const lost = (): void => {
      if (this.#set.takeOut(half, 'its device is gone')) return;
      this.#gone = true;
      this.#deviceEvents?.removed();
    };
    const resized = (sizeBytes: number): void => {
      if (sizeBytes < this.#set.identity.dataBytes) lost();
    };
    device.on('remove', lost).on('resize', resized);
    half.unwatch = () => void device.off('remove', lost).off('resize', resized);
  }

  /** What the driver leaves to the mirror. */
  #cold(): Pick<BlockDriver, 'describe' | 'config' | 'handle'> & {
    attached: (events: DriverEvents) => void;
    close: () => Promise<void>;
  } {
    const { identity } = this.#set;
    return {
      describe: () => ({
        sizeBytes: identity.dataBytes,
        uuid: identity.uuid,
        degraded: this.degraded,
        repaired: this.repaired,
        halves: this.halves().map(({ device, ...status }) => ({ ...status, device: device?.describe() ?? null })),
      }),
      config: () => ({
        driver: 'mirror',
        labels: identity.uuid !== '',
        ...(this.#options.childrenMax === undefined ? {} : { childrenMax: this.#options.childrenMax }),
        devices: this.#set.halves.map(({ device }) => device?.config() ?? null),
      }),
      handle: () => {
        throw new SystemError(
          ENOTSUP,
          'handle',
          undefined,
          'one thread alone can use a mirror: it decides which halves are good',
        );
      },
      attached: (events) => {
        this.#deviceEvents = events;
      },
      close: () => this.#close(),
    };
  }

  async #close(): Promise<void> {
    const rebuilds = [...this.#running];
    for (const rebuild of rebuilds) rebuild.cancel();
    await Promise.allSettled(rebuilds.map(({ promise }) => promise));
    await this.settled();
    const error = this.#set.identity.labels && !this.#set.untouched ? await this.#writeLastLabels() : 0;
    for (const half of this.#set.halves) {
      half.unwatch();
      half.claim?.release();
    }
    if (this.#options.closeChildren !== false) await closeHalves(this.#set.halves);
    // Of devices that are gone, 'remove' has told.
    if (error === 0 || error === ENODEV || this.#gone) return;
    throw new SystemError(
      error,
      'close',
      undefined,
      'the last half that has the data could not make it stable, or say so in its label',
    );
  }

  /** The halves are equal, and said to be so, only when everything is stable. Returns the errno with which the last one failed, or 0. */
  async #writeLastLabels(): Promise<number> {
    let failure = 0;
    await Promise.all(
      this.#set.halves.map(async (half) => {
        const error = await flushHalf(half);
        if (error !== 0 && !this.#set.takeOut(half, `the last flush failed: errno ${error}`)) failure = error;
      }),
    );
    // What may not be stable is not called equal: the next opening makes it so.
    this.#set.dirty = failure !== 0;
    this.#set.change();
    const unsaved = await new Promise<number>((resolve) => this.#set.whenSaved(resolve));
    return failure || unsaved;
  }
}

/** What a mirror can do. */
function capabilitiesOf(devices: readonly BlockDevice[]): BlockCapabilities {
  const common = commonCapabilities(devices);
  return {
    ...common,
    // A request may wait for another half, or for labels.
    progress: common.progress === 'none' ? 'any' : common.progress,
    // A half that would have to wait has not failed.
    nowait: false,
    // What is read after a discard may differ from half to half. Zeros that give the space back are the same on all.
    discard: false,
    extents: devices.every(({ capabilities }) => capabilities.extents),
  };
}

function limitsOf(devices: readonly BlockDevice[], dataBytes: number, childrenMax: number): BlockLimits {
  const transfers = devices.map(({ limits }) => limits.maxTransferBytes);
  const limits = commonLimits(devices);
  const largest = Math.min(...transfers);
  return {
    ...limits,
    sizeBytes: dataBytes,
    // Cut once here instead of once for each half.
    maxTransferBytes: Math.max(limits.blockSizeBytes, largest - (largest % limits.blockSizeBytes)),
    maxInFlight: checkInteger('childrenMax', childrenMax, 1, 65536),
  };
}

/** Closes the device of a half. One that has not given back what it was sent when it failed is not waited for: it may never do so. */
function closeHalf(half: MirrorHalf): Promise<void> {
  const closed = half.device?.close() ?? Promise.resolve();
  if (half.inUse || half.inFlight === 0) return closed;
  closed.catch(() => {});
  return Promise.resolve();
}

async function closeHalves(halves: readonly MirrorHalf[]): Promise<void> {
  const results = await Promise.allSettled(halves.map(closeHalf));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function flushHalf(half: MirrorHalf): Promise<number> {
  if (half.device === null || !half.inUse) return Promise.resolve(0);
  const io = new BlockIo();
  io.operation = BLOCK_FLUSH;
  io.claim = half.claim;
  return new Promise((resolve) => half.send(io, resolve));
}

function invalid(message: string): SystemError {
  return new SystemError(EINVAL, 'replace', undefined, message);
}
