import type { BlockDevice } from '../block-device.js';
import { BlockIo } from '../block-io.js';
import type { RaidGeometry } from './raid-geometry.js';
import { COMPONENT_FAILED, COMPONENT_GOOD, COMPONENT_REBUILDING } from './raid-label.js';
import { RaidMember, type RaidSlot } from './raid-member.js';
import type { RaidState } from './raid-state.js';

/** What identifies an array. */
export interface RaidIdentity {
  readonly uuid: string;
  readonly regionRows: number;
  readonly readOnly: boolean;
}

/** No device: a slot that is gone. */
export const NO_SLOT = -1;

/** The components of a raid, as one channel has them, and what it does when one fails. */
export class RaidSet {
  readonly geometry: RaidGeometry;
  readonly identity: RaidIdentity;
  readonly state: RaidState;
  readonly members: RaidMember[];
  /** Components and spares, in the order in which all channels number them. */
  readonly slots: (RaidSlot | null)[];
  /** Whether all components are good, so that every read can go straight to one. */
  allGood = false;
  /** What {@link refresh} has seen last. */
  seen = -1;
  /** Whether it all happens in the calling thread now: see `RaidDriver.startSync`. */
  inThread = false;
  /**
   * Whether the labels stay as they were found until something is written: who only looks at what is left of an array must not make it look as if it
   * had gone its own way.
   */
  untouched = false;
  /** Is told when something has changed here. */
  changed: () => void = () => {};

  constructor(geometry: RaidGeometry, identity: RaidIdentity, state: RaidState, slots: (RaidSlot | null)[]) {
    this.geometry = geometry;
    this.identity = identity;
    this.state = state;
    this.slots = slots;
    this.members = Array.from({ length: geometry.count }, (_, index) => new RaidMember(index, null, null));
    this.refresh();
  }

  get devices(): BlockDevice[] {
    return this.slots.flatMap((slot) => (slot === null ? [] : [slot.device]));
  }

  get isBroken(): boolean {
    return this.state.isBroken;
  }

  /** Whether all labels say how things are, or need not yet. */
  get isSaved(): boolean {
    return this.untouched || this.state.isSaved;
  }

  /** Takes what another channel has changed. */
  refresh(): void {
    const { state, slots, members } = this;
    this.seen = state.changesNow;
    let allGood = !state.isBroken;
    for (const member of members) {
      const slot = state.slotOf(member.index);
      member.slot = slot === NO_SLOT ? null : (slots[slot] ?? null);
      if (state.stateOf(member.index) !== COMPONENT_GOOD) allGood = false;
    }
    this.allGood = allGood;
  }

  /** Whether a row of a component can be read, and is written. */
  isUp(member: RaidMember, row: number): boolean {
    return this.allGood || (member.slot !== null && this.state.isUp(member.index, row));
  }

  /** Those that are written: good ones, and those that are being rebuilt. */
  inUse(): RaidMember[] {
    return this.members.filter(({ index, slot }) => slot !== null && this.state.stateOf(index) !== COMPONENT_FAILED);
  }

  regionOf(row: number): number {
    return Math.floor(row / this.identity.regionRows);
  }

  /** Whether the parity of a row may be wrong. */
  isUnknown(row: number): boolean {
    return this.state.isUnknown(this.regionOf(row));
  }

  /**
   * Takes a component out whose device has failed.
   *
   * @param slot the device: if the component is another one by now, nothing happens
   * @returns false if the others cannot do without it: then it stays, the array is broken, and the errors are the caller's
   */
  takeOut(member: RaidMember, slot: RaidSlot | null, reason: string): boolean {
    const { state } = this;
    if (state.changes !== this.seen) this.refresh();
    if (member.slot !== slot) return true;
    const now = state.stateOf(member.index);
    if (now === COMPONENT_FAILED) return true;
    const others = this.members.filter((other) => other !== member);
    if (now === COMPONENT_GOOD && others.some(({ index }) => state.stateOf(index) !== COMPONENT_GOOD)) {
      member.reason ??= reason;
      // Only the first time is news: labels are written because of it, which may fail again and come back here.
      if (!state.isBroken) {
        state.setBroken();
        this.#update();
      }
      return false;
    }
    member.reason = reason;
    // Two threads that lose two components at the same moment: the second look finds what the first one could not see.
    if (!state.setState(member.index, COMPONENT_FAILED, now)) return this.takeOut(member, slot, reason);
    if (now === COMPONENT_GOOD && others.some(({ index }) => state.stateOf(index) !== COMPONENT_GOOD)) state.setBroken();
    this.#update();
    return !state.isBroken;
  }

  /** Puts a device in the place of a component that has failed, to be rebuilt from this row on. */
  beginRebuild(member: RaidMember, slot: RaidSlot, fromRow: number): void {
    const { state } = this;
    state.setSlot(member.index, slot.index);
    state.setRows(member.index, fromRow);
    state.setStableRows(member.index, fromRow);
    member.reason = null;
    state.setState(member.index, COMPONENT_REBUILDING);
    this.#update();
  }

  becomeGood(member: RaidMember): boolean {
    const done = this.state.setState(member.index, COMPONENT_GOOD, COMPONENT_REBUILDING);
    if (done) member.reason = null;
    this.#update();
    return done;
  }

  /** A request of the array's own to a device. It ends before this returns where it all happens in the calling thread. */
  send(slot: RaidSlot, fill: (io: BlockIo) => void, done: (error: number) => void): void {
    const io = new BlockIo();
    fill(io);
    io.claim = slot.claim;
    if (this.inThread) {
      slot.device.strategySync(io);
      done(io.error);
      return;
    }
    io.iodone = () => done(io.error);
    slot.device.strategy(io);
  }

  #update(): void {
    this.untouched = false;
    this.refresh();
    this.changed();
  }
}
