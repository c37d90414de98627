import type { BlockTimers } from '../batch-clock.js';
import type { RaidDriver } from './raid-driver.js';
import { COMPONENT_FAILED, COMPONENT_REBUILDING } from './raid-label.js';
import type { RaidMember, RaidSlot } from './raid-member.js';
import { RaidRebuild } from './raid-rebuild.js';
import { RaidResync, type RaidScrub } from './raid-scrub.js';
import type { RaidSet } from './raid-set.js';
import type { RaidWalk, RaidWalkOptions } from './raid-walk.js';

/** How soon it is noticed what another thread has changed. */
const LOOK_EVERY_MS = 100;

/** What a {@link RaidKeeper} needs of its raid. */
interface RaidKeeperParts {
  readonly set: RaidSet;
  readonly driver: RaidDriver;
  readonly timers: BlockTimers;
  readonly spares: readonly RaidSlot[];
  readonly autoRebuild: boolean;
  readonly rebuildBytesPerSecond: number;
  /** The state is another one. */
  readonly told: (state: string) => void;
  /** The last component is gone. */
  readonly removed: () => void;
}

/** Keeps a raid whole by itself: labels, spares, rebuilds, and parity that is not known. */
export class RaidKeeper {
  readonly spares: RaidSlot[];
  /** Slots whose devices are gone. */
  readonly gone: Set<RaidSlot> = new Set<RaidSlot>();
  readonly timers: BlockTimers;
  /** What goes through all rows now, if anything does; and a scrub. */
  walk: RaidWalk | null = null;
  scrub: RaidScrub | null = null;
  readonly #parts: RaidKeeperParts;
  readonly #set: RaidSet;
  readonly #driver: RaidDriver;
  /** What has failed, and is not begun again by itself. */
  #given: string | null = null;
  #told = '';
  #servicing = false;
  #closing = false;
  #epochTimer: (() => void) | null = null;

  constructor(parts: RaidKeeperParts) {
    this.#parts = parts;
    this.#set = parts.set;
    this.#driver = parts.driver;
    this.timers = parts.timers;
    this.spares = [...parts.spares];
    this.#told = this.state;
    parts.set.changed = () => this.changed();
    for (const slot of parts.set.slots) if (slot !== null) this.watch(slot);
  }

  /**
   * `'optimal'`, `'degraded'` without one component, `'rebuilding 43 %'`, `'failed'` when more has failed than can be done without; or
   * `'resyncing 12 %'`, while parity is made anew that is not known to be right.
   */
  get state(): string {
    const { state, members } = this.#set;
    if (state.isBroken) return 'failed';
    const rebuilding = members.find(({ index }) => state.stateOf(index) === COMPONENT_REBUILDING);
    if (rebuilding !== undefined) return `rebuilding ${percent(state.rowsOf(rebuilding.index), this.#set.geometry.rows)} %`;
    if (members.some(({ index }) => state.stateOf(index) === COMPONENT_FAILED)) return 'degraded';
    if (this.walk instanceof RaidResync) return `resyncing ${percent(this.walk.doneRows, this.walk.totalRows)} %`;
    return 'optimal';
  }

  /** Looks now and then what other threads have changed, who tell nobody. */
  lookAtOthers(): void {
    this.#epochTimer ??= this.#lookLater();
  }

  /** Ends what is under way. */
  async stop(): Promise<void> {
    this.#closing = true;
    this.#epochTimer?.();
    const { state } = this.#set;
    for (const walk of [this.walk, this.scrub]) {
      walk?.cancel();
      await walk?.promise.catch(() => {});
      if (walk instanceof RaidRebuild && state.stateOf(walk.member.index) === COMPONENT_REBUILDING) {
        await new Promise<void>((resolve) => walk.checkpoint(resolve));
      }
    }
  }

  takeSpare(): RaidSlot | null {
    const slot = this.spares.shift();
    return slot ?? null;
  }

  paced(options: RaidWalkOptions): RaidWalkOptions {
    return { bytesPerSecond: this.#parts.rebuildBytesPerSecond, ...options };
  }

  startWalk(walk: RaidWalk): RaidWalk {
    this.walk = walk;
    this.#given = null;
    const ended = (failure: string | null): void => {
      if (this.walk === walk) this.walk = null;
      // What has failed for another reason than its component would fail again, and take the next spare with it.
      const isOwnFault = walk instanceof RaidRebuild && this.#set.state.stateOf(walk.member.index) === COMPONENT_FAILED;
      if (failure !== null && !isOwnFault) this.#given = walk.name;
      if (failure !== null && walk instanceof RaidRebuild && !walk.cancelled) {
        this.#set.takeOut(walk.member, walk.member.slot, failure);
      }
      this.changed();
    };
    walk.promise.then(
      () => ended(null),
      (error: Error) => ended(error.message),
    );
    walk.start();
    return walk;
  }

  async endWalk(): Promise<void> {
    const walk = this.walk;
    walk?.cancel();
    await walk?.promise.catch(() => {});
    if (this.walk === walk) this.walk = null;
  }

  changed(): void {
    if (this.#servicing) return;
    this.#servicing = true;
    queueMicrotask(() => {
      this.#servicing = false;
      this.service();
    });
  }

  /** Does what is to be done by itself: labels, spares, rebuilds, parity that is not known. */
  service(): void {
    const { state, members, identity } = this.#set;
    if (this.#closing || identity.readOnly) return;
    if (state.changesNow !== this.#set.seen) this.#set.refresh();
    if (!this.#set.isSaved) this.#driver.metadata.save();
    if (!state.isBroken && this.#parts.autoRebuild && !this.#set.untouched) this.#begin(members);
    const now = this.state;
    if (now === this.#told) return;
    this.#told = now;
    this.#parts.told(now);
  }

  #begin(members: readonly RaidMember[]): void {
    const { state } = this.#set;
    if (this.walk !== null || this.#given === 'rebuild') return;
    const failed = members.find(({ index }) => state.stateOf(index) === COMPONENT_FAILED);
    const rebuilding = members.find(({ index }) => state.stateOf(index) === COMPONENT_REBUILDING);
    const spare = failed === undefined ? null : this.takeSpare();
    const member = rebuilding ?? (spare === null ? undefined : failed);
    if (member !== undefined) {
      if (spare !== null) this.#set.beginRebuild(member, spare, 0);
      this.startWalk(new RaidRebuild(this.#driver, this.#set, member, this.timers, this.paced({})));
    } else if (failed === undefined && this.#given !== 'resync' && state.countUnknown() > 0) {
      this.startWalk(new RaidResync(this.#driver, this.#set, this.timers, this.paced({})));
    }
  }

  /** Takes a component out whose device goes, or becomes smaller than it has to be. */
  watch(slot: RaidSlot): void {
    const { geometry } = this.#set;
    const lost = (): void => {
      slot.unwatch();
      const spare = this.spares.indexOf(slot);
      if (spare >= 0) this.spares.splice(spare, 1);
      this.gone.add(slot);
      const member = this.#set.members.find((each) => each.slot === slot);
      if (member !== undefined) this.#set.takeOut(member, slot, 'its device is gone');
      // As long as one is there, what it has can be read.
      if (this.#set.members.every((each) => each.slot === null || this.gone.has(each.slot))) this.#parts.removed();
    };
    const resized = (sizeBytes: number): void => {
      if (sizeBytes < geometry.rows * geometry.stripeBytes) lost();
    };
    slot.owner = this.#driver;
    slot.device.on('remove', lost).on('resize', resized);
    slot.unwatch = () => void slot.device.off('remove', lost).off('resize', resized);
  }

  #lookLater(): () => void {
    return this.timers.after(
      LOOK_EVERY_MS,
      () => {
        this.#epochTimer = this.#lookLater();
        this.service();
      },
      false,
    );
  }
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.floor((part / whole) * 100);
}
