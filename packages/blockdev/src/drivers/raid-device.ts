import { EventEmitter } from 'node:events';
import { EALREADY, EBADF, EBUSY, EINVAL, SystemError } from '@biodone/uring';
import { threadTimers } from '../batch-clock.js';
import { BlockDevice } from '../block-device.js';
import { checkDevice } from '../check-options.js';
import type { DriverEvents } from '../driver.js';
import { ENODEV } from '../errno.js';
import { checkInteger } from '../errors.js';
import { sizeOfChild } from '../stack-children.js';
import { makeClean, RaidCleaner } from './raid-cleaner.js';
import { RaidDriver } from './raid-driver.js';
import type { RaidLevel } from './raid-geometry.js';
import { RaidKeeper } from './raid-keeper.js';
import { bitmapOffset, COMPONENT_FAILED, COMPONENT_GOOD } from './raid-label.js';
import { raidCapabilities, raidLimits } from './raid-limits.js';
import { type RaidMember, RaidSlot } from './raid-member.js';
import { RaidRebuild } from './raid-rebuild.js';
import {
  componentsOf,
  configOfRaid,
  describeRaid,
  handleOfRaid,
  type RaidComponentStatus,
  type RaidSettings,
} from './raid-report.js';
import { RaidScrub, type RaidScrubResult } from './raid-scrub.js';
import type { RaidSet } from './raid-set.js';
import { writeSpareLabel } from './raid-stable.js';
import type { RaidWalkOptions } from './raid-walk.js';
import { checkWalkOptions, RAID_WALK_OPTIONS } from './walk-options.js';

/** The raids of their block devices. */
const raids = new WeakMap<BlockDevice, RaidDevice>();

/**
 * The raid whose block device this is, as `openDevice('raid(...)')` returns it; null for any other device, for one that lies on a raid, for a
 * channel in another thread, and for level 0, where nothing can be done.
 */
export function raidOf(device: BlockDevice): RaidDevice | null {
  return raids.get(device) ?? null;
}

/** A raid of level 1 or 5: its block device, and what its owner does with the components. Made by `openRaid`. */
export class RaidDevice {
  /** What reads and writes go to. */
  readonly device: BlockDevice;
  readonly #set: RaidSet;
  readonly #driver: RaidDriver;
  readonly #cleaner: RaidCleaner;
  readonly #options: RaidSettings;
  readonly #events = new EventEmitter();
  readonly #keeper: RaidKeeper;
  #deviceEvents: DriverEvents | null = null;
  #lastScrub: RaidScrubResult | null = null;

  /**
   * @param doubtful how many regions were accepted although their parity cannot be trusted
   * @internal
   */
  constructor(set: RaidSet, spares: readonly RaidSlot[], doubtful: number, options: RaidSettings) {
    this.#set = set;
    this.#options = options;
    const timers = options.timers ?? threadTimers;
    const { devices } = set;
    const childrenMax = options.childrenMax ?? 1024;
    this.#driver = new RaidDriver({
      set,
      limits: raidLimits(set.geometry, devices, childrenMax),
      capabilities: raidCapabilities(devices, set.identity.readOnly),
      timers,
      childrenMax,
      describe: () => describeRaid(set, this.state, this.#keeper.spares, doubtful),
      config: () => configOfRaid(set, this.#keeper.spares, options),
      handle: () => {
        // Their threads tell nobody what they change.
        this.#keeper.lookAtOthers();
        return handleOfRaid(set, childrenMax);
      },
      attached: (events) => {
        this.#deviceEvents = events;
      },
      close: () => this.#close(),
    });
    this.#cleaner = new RaidCleaner(set, this.#driver.metadata, timers, options.bitmapDelayMs ?? 5000);
    this.device = new BlockDevice(this.#driver, options);
    raids.set(this.device, this);
    const { autoRebuild = true, rebuildBytesPerSecond = Number.POSITIVE_INFINITY } = options;
    this.#keeper = new RaidKeeper({
      set,
      driver: this.#driver,
      timers,
      spares,
      autoRebuild,
      rebuildBytesPerSecond,
      told: (state) => this.#events.emit('state', state),
      removed: () => this.#deviceEvents?.removed(),
    });
  }

  /** Writes the labels of the opening, if they have changed, and begins what is to be done. @internal */
  async begin(isChanged: boolean): Promise<void> {
    const { state, identity } = this.#set;
    if (identity.readOnly) return;
    const isDegraded = this.#set.members.some(({ index }) => state.stateOf(index) === COMPONENT_FAILED);
    if (isChanged) state.touch();
    this.#set.untouched = isChanged && isDegraded && (this.#keeper.spares.length === 0 || this.#options.autoRebuild === false);
    const error = await new Promise<number>((resolve) => this.#driver.metadata.whenSaved(resolve));
    if (error !== 0) throw new SystemError(error, 'raid', undefined, 'the labels could not be written');
    this.#cleaner.start();
    this.#keeper.service();
  }

  get level(): RaidLevel {
    return this.#set.geometry.level;
  }

  /**
   * `'optimal'`, `'degraded'` without one component, `'rebuilding 43 %'`, `'failed'` when more has failed than can be done without; or
   * `'resyncing 12 %'`, while parity is made anew that is not known to be right.
   */
  get state(): string {
    return this.#keeper.state;
  }

  /** The state of each component. */
  components(): RaidComponentStatus[] {
    return componentsOf(this.#set);
  }

  /** Devices that take the place of the next component that fails. */
  spares(): BlockDevice[] {
    return this.#keeper.spares.map(({ device }) => device);
  }

  /** How many places have been written back that a component could not read. */
  get repaired(): number {
    return this.#set.state.repaired;
  }

  /**
   * Takes a component out, as if it had failed. Requests to it that are under way are waited for.
   *
   * @throws SystemError EBUSY if the others cannot do without it
   */
  fail(index: number): void {
    const member = this.#member(index);
    const { state } = this.#set;
    const isGood = state.stateOf(index) === COMPONENT_GOOD;
    if (isGood && this.#set.members.some((other) => other !== member && state.stateOf(other.index) !== COMPONENT_GOOD)) {
      throw new SystemError(EBUSY, 'fail', undefined, 'the others cannot do without it: rebuild what has failed first');
    }
    this.#set.takeOut(member, member.slot, 'taken out');
  }

  /**
   * Puts a device in the place of a component that has failed, or fails with this, and rebuilds it there while the raid is in use. What was on the device
   * is lost. The old device is closed (`closeChildren`).
   *
   * @returns a promise for the end, as {@link rebuild}'s
   * @throws SystemError (as a rejection) EINVAL for a device that is too small, EBUSY for one that is claimed, if the others cannot do without the
   * component, or while other threads have channels, which do not know the device: give it as a spare at the opening
   */
  async replace(index: number, device: BlockDevice, options: RaidWalkOptions = {}): Promise<void> {
    const member = this.#member(index);
    checkDevice('device', device, 'replace');
    checkWalkOptions('replace', options, RAID_WALK_OPTIONS);
    this.#checkWritable('replace');
    if (this.device.state.channels.isUsed()) {
      throw new SystemError(
        EBUSY,
        'replace',
        undefined,
        'other threads have channels: give the device as a spare when the raid is opened',
      );
    }
    const size = this.#checkNew(device);
    const claim = device.claim('read-many-write-one');
    const slot = new RaidSlot(this.#set.slots.length, device, claim, size);
    try {
      if (this.#set.state.stateOf(index) !== COMPONENT_FAILED) this.fail(index);
    } catch (error) {
      claim.release();
      throw error;
    }
    const old = member.slot;
    await this.#keeper.endWalk();
    this.#set.slots.push(slot);
    this.#keeper.watch(slot);
    this.#set.beginRebuild(member, slot, 0);
    if (old !== null) await this.#dropSlot(old);
    await this.rebuild(index, options);
  }

  /** Adds a spare. It is written a label, and what was on it is lost. @throws as {@link replace} */
  async addSpare(device: BlockDevice): Promise<void> {
    checkDevice('device', device, 'addSpare');
    this.#checkWritable('addSpare');
    if (this.device.state.channels.isUsed()) {
      throw new SystemError(EBUSY, 'addSpare', undefined, 'other threads have channels: give the device when the raid is opened');
    }
    const size = this.#checkNew(device);
    const slot = new RaidSlot(this.#set.slots.length, device, device.claim('read-many-write-one'), size);
    try {
      await writeSpareLabel(this.#set, slot);
    } catch (error) {
      slot.claim?.release();
      throw error;
    }
    this.#set.slots.push(slot);
    this.#keeper.watch(slot);
    this.#keeper.spares.push(slot);
    this.#keeper.changed();
  }

  /**
   * Rebuilds a component that has failed, on its own device, while the raid is in use. If that is under way already, this is a promise for its
   * end.
   *
   * @returns a promise for the end: rejected with SystemError ECANCELED if it was cancelled, or with the error that ended it
   * @throws SystemError (as a rejection) EALREADY if the component is good, ENODEV if it is missing, EBUSY while another walk is under way
   */
  async rebuild(index: number, options: RaidWalkOptions = {}): Promise<void> {
    const member = this.#member(index);
    const { state } = this.#set;
    checkWalkOptions('rebuild', options, RAID_WALK_OPTIONS);
    this.#checkWritable('rebuild');
    if (this.#keeper.walk instanceof RaidRebuild && this.#keeper.walk.member === member && !this.#keeper.walk.cancelled)
      return this.#keeper.walk.promise;
    await this.#keeper.endWalk();
    if (state.stateOf(index) === COMPONENT_GOOD) throw new SystemError(EALREADY, 'rebuild', undefined, 'the component is good');
    if (state.isBroken) throw new SystemError(EBUSY, 'rebuild', undefined, 'more has failed than can be done without');
    const slot = member.slot ?? this.#keeper.takeSpare();
    if (slot === null) throw new SystemError(ENODEV, 'rebuild', undefined, 'the component is missing: replace it');
    if (state.stateOf(index) === COMPONENT_FAILED) this.#set.beginRebuild(member, slot, 0);
    return this.#keeper.startWalk(
      new RaidRebuild(this.#driver, this.#set, member, this.#keeper.timers, this.#keeper.paced(options)),
    ).promise;
  }

  /**
   * Reads all of the raid, parity too, and repairs what is wrong, while it is in use: what a component cannot read is made of the others and written
   * back, and parity that does not go with the data is made anew (of two copies, the first is taken for right).
   *
   * @throws SystemError (as a rejection) EBUSY unless the raid is optimal, ECANCELED, and what a component fails with
   */
  async scrub(options: RaidWalkOptions = {}): Promise<RaidScrubResult> {
    checkWalkOptions('scrub', options, RAID_WALK_OPTIONS);
    this.#checkWritable('scrub');
    if (this.#keeper.scrub !== null) {
      await this.#keeper.scrub.promise;
      return this.#lastScrub as RaidScrubResult;
    }
    if (this.state !== 'optimal') {
      throw new SystemError(EBUSY, 'scrub', undefined, `the raid is ${this.state}: what is missing cannot be compared`);
    }
    const scrub = new RaidScrub(this.#driver, this.#set, this.#keeper.timers, options);
    this.#keeper.scrub = scrub;
    scrub.start();
    try {
      await scrub.promise;
    } finally {
      this.#lastScrub = scrub.result;
      this.#keeper.scrub = null;
    }
    return scrub.result;
  }

  /** Calls back whenever {@link state} has changed, in a microtask. */
  on(name: 'state', listener: (state: string) => void): this {
    this.#events.on(name, listener);
    return this;
  }

  /** Ends one {@link on}. */
  off(name: 'state', listener: (state: string) => void): this {
    this.#events.off(name, listener);
    return this;
  }

  /**
   * Promises when nothing is being rebuilt or made anew, well or not ({@link state} tells), and the labels say how things are (or cannot be written).
   */
  async settled(): Promise<void> {
    await null;
    while (this.#keeper.walk !== null) {
      await this.#keeper.walk.promise.catch(() => {});
      await null;
    }
    await new Promise((resolve) => this.#driver.metadata.whenSaved(resolve));
  }

  /** Closes the device. What is being rebuilt goes on after the next opening where it was. */
  close(): Promise<void> {
    return this.device.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #member(index: number): RaidMember {
    return this.#set.members[checkInteger('index', index, 0, this.#set.members.length - 1)] as RaidMember;
  }

  #checkWritable(call: string): void {
    if (this.device.closed) throw new SystemError(EBADF, call, undefined, 'the raid is closed');
    if (this.#set.identity.readOnly) throw new SystemError(EINVAL, call, undefined, 'the raid cannot be written');
  }

  #checkNew(device: BlockDevice): number {
    const { geometry } = this.#set;
    const size = sizeOfChild(device, 'replace');
    const room = bitmapOffset(size);
    const needed = geometry.rows * geometry.stripeBytes;
    if (room < needed) throw invalid(`the device has room for ${Math.max(0, room)} bytes, a component has ${needed}`);
    if (device.capabilities.readOnly) throw invalid('the device cannot be written');
    if (geometry.blockSizeBytes % device.limits.blockSizeBytes !== 0) {
      throw invalid(
        `its blocks of ${device.limits.blockSizeBytes} bytes do not go into the raid's of ${geometry.blockSizeBytes}`,
      );
    }
    if (device.capabilities.progress === 'event-loop' && this.#driver.capabilities.progress !== 'event-loop') {
      throw invalid('it completes requests in the event loop alone, and the raid has promised that threads can wait for its own');
    }
    return size;
  }

  async #dropSlot(slot: RaidSlot): Promise<void> {
    slot.unwatch();
    slot.claim?.release();
    this.#set.slots[slot.index] = null;
    if (this.#options.closeChildren !== false) await slot.device.close().catch(() => {});
  }

  async #close(): Promise<void> {
    this.#cleaner.stop();
    const { state, identity, slots, untouched } = this.#set;
    await this.#keeper.stop();
    await new Promise<void>((resolve) => this.#driver.stripes.whenIdle(resolve));
    const error = identity.readOnly || untouched ? 0 : await makeClean(this.#set, this.#driver.metadata);
    for (const slot of slots) {
      slot?.unwatch();
      slot?.claim?.release();
    }
    state.leave();
    if (this.#options.closeChildren !== false) await closeSlots(slots);
    if (error === 0 || this.#keeper.gone.size > 0) return;
    throw new SystemError(error, 'close', undefined, 'what has been written could not be made stable on enough components');
  }
}

async function closeSlots(slots: readonly (RaidSlot | null)[]): Promise<void> {
  const results = await Promise.allSettled(slots.map((slot) => slot?.device.close()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function invalid(message: string): SystemError {
  return new SystemError(EINVAL, 'raid', undefined, message);
}
