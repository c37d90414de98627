import { ChannelTable } from '../channel-table.js';
import { COMPONENT_GOOD, COMPONENT_REBUILDING, COMPONENTS_MAX } from './raid-label.js';

/** Words of {@link RaidState}. */
const CHANGES = 0;
const VERSION = 1;
const SAVED = 2;
const GENERATION = 3;
const BROKEN = 4;
const REPAIRED = 5;
const LABELS_LOCK = 6;
const STATES = 16;
const ROWS = STATES + COMPONENTS_MAX;
const SLOTS = ROWS + COMPONENTS_MAX;
const STABLE = SLOTS + COMPONENTS_MAX;
const LOCKS = STABLE + COMPONENTS_MAX;
/** Rows share so many locks, by their number. */
const LOCK_COUNT = 1024;
const REGIONS = LOCKS + LOCK_COUNT;

/** What the bitmap on the components says of a region, and what is to be written there. */
export const REGION_CLEAN = 0;
/** Its bit is to be set: nobody may write to it before it is. */
export const REGION_TO_MARK = 1;
export const REGION_MARKED = 2;
export const REGION_TO_CLEAR = 3;

/**
 * What all channels of a raid have in common, whatever thread they are in: which components are good, which rows are locked, and which regions
 * are being written.
 *
 * Each change of the components counts one word up, which every request looks at with a plain load: a change is seen by whatever is
 * started after its maker has told this thread of it in any way. A writer sees it at the latest when it has the lock of its row, because
 * whoever wrote to that row without a component had that lock before.
 */
export class RaidState {
  readonly memory: SharedArrayBuffer;
  readonly regions: number;
  readonly channels: ChannelTable;
  /** This channel's row in the table, plus 1: what it locks with. */
  readonly owner: number;
  readonly #words: Int32Array;
  /** By region: how many writes are under way; whether there were any since the last look; what the bitmap says; whether parity is unknown. */
  readonly #writers: Int32Array;
  readonly #touched: Int32Array;
  readonly #marks: Int32Array;
  readonly #unknown: Int32Array;

  constructor(regions: number, memory?: SharedArrayBuffer) {
    const words = REGIONS + 4 * regions;
    const tableBytes = Math.ceil(words / 2) * 8;
    this.memory = memory ?? new SharedArrayBuffer(tableBytes + ChannelTable.WORDS * 4);
    this.regions = regions;
    this.#words = new Int32Array(this.memory, 0, REGIONS);
    const ofRegions = (index: number): Int32Array => new Int32Array(this.memory, (REGIONS + index * regions) * 4, regions);
    this.#writers = ofRegions(0);
    this.#touched = ofRegions(1);
    this.#marks = ofRegions(2);
    this.#unknown = ofRegions(3);
    this.channels = new ChannelTable(this.memory, tableBytes);
    this.owner = this.channels.take() + 1;
  }

  /** Counts the changes. A plain load. */
  get changes(): number {
    return this.#words[CHANGES] as number;
  }

  /** As {@link changes}, after what this thread has just locked. Pairs with the add in `#change`. */
  get changesNow(): number {
    return Atomics.load(this.#words, CHANGES);
  }

  stateOf(component: number): number {
    return Atomics.load(this.#words, STATES + component);
  }

  /** How many rows a component has that is being rebuilt. Pairs with the store in {@link setRows}, made under the row's lock. */
  rowsOf(component: number): number {
    return Atomics.load(this.#words, ROWS + component);
  }

  /** Which device is the component: a place in the list of components and spares. */
  slotOf(component: number): number {
    return Atomics.load(this.#words, SLOTS + component);
  }

  /** Whether a row of a component can be read, and is written. */
  isUp(component: number, row: number): boolean {
    const state = this.stateOf(component);
    return state === COMPONENT_GOOD || (state === COMPONENT_REBUILDING && row < this.rowsOf(component));
  }

  /** Changes a component's state; from `before` only, if that is given. Returns whether it did. */
  setState(component: number, state: number, before: number = this.stateOf(component)): boolean {
    if (Atomics.compareExchange(this.#words, STATES + component, before, state) !== before) return false;
    Atomics.add(this.#words, VERSION, 1);
    this.#change();
    return true;
  }

  setRows(component: number, rows: number): void {
    Atomics.store(this.#words, ROWS + component, rows);
  }

  /** How many of those rows are stable: the labels say no more. */
  stableRowsOf(component: number): number {
    return Atomics.load(this.#words, STABLE + component);
  }

  setStableRows(component: number, rows: number): void {
    Atomics.store(this.#words, STABLE + component, rows);
  }

  setSlot(component: number, slot: number): void {
    Atomics.store(this.#words, SLOTS + component, slot);
  }

  /** Whether more has failed than the array can do without. */
  get isBroken(): boolean {
    return Atomics.load(this.#words, BROKEN) !== 0;
  }

  setBroken(): void {
    if (Atomics.exchange(this.#words, BROKEN, 1) === 0) this.#change();
  }

  /** How many places have been written back. */
  get repaired(): number {
    return Atomics.load(this.#words, REPAIRED);
  }

  countRepair(): void {
    Atomics.add(this.#words, REPAIRED, 1);
  }

  /** Counts the changes of membership; the labels say all of them when {@link saved} is the same. */
  get version(): number {
    return Atomics.load(this.#words, VERSION);
  }

  get isSaved(): boolean {
    return Atomics.load(this.#words, SAVED) === Atomics.load(this.#words, VERSION);
  }

  setSaved(version: number): void {
    Atomics.store(this.#words, SAVED, version);
  }

  /** The labels are to be written, although nobody has changed. */
  touch(): void {
    Atomics.add(this.#words, VERSION, 1);
  }

  get generation(): number {
    return Atomics.load(this.#words, GENERATION);
  }

  setGeneration(generation: number): void {
    Atomics.store(this.#words, GENERATION, generation);
  }

  nextGeneration(): number {
    return Atomics.add(this.#words, GENERATION, 1) + 1;
  }

  /** Locks a row. False if a channel has it, or one that shares its lock. */
  lockRow(row: number): boolean {
    return this.#lock(LOCKS + (row % LOCK_COUNT));
  }

  /**
   * Takes a row's lock from a thread that has ended with it.
   *
   * @returns whether it did: then the row's parity is not known to be right
   */
  takeRow(row: number): boolean {
    return this.#takeOver(LOCKS + (row % LOCK_COUNT));
  }

  unlockRow(row: number): void {
    // Pairs with the exchange in #lock().
    Atomics.store(this.#words, LOCKS + (row % LOCK_COUNT), 0);
  }

  /** Locks the labels and the bitmap, which one channel writes at a time; also if the thread has ended that had them. */
  lockLabels(): boolean {
    return this.#lock(LABELS_LOCK) || this.#takeOver(LABELS_LOCK);
  }

  unlockLabels(): void {
    Atomics.store(this.#words, LABELS_LOCK, 0);
  }

  /** A write to a region begins. Returns whether its bit is set; if not, it has to be before anything is written. */
  enterRegion(region: number): boolean {
    Atomics.add(this.#writers, region, 1);
    Atomics.store(this.#touched, region, 1);
    // After the add, which whoever clears the bit looks at after it has said so here: one of the two sees the other.
    return Atomics.load(this.#marks, region) === REGION_MARKED;
  }

  leaveRegion(region: number): void {
    Atomics.sub(this.#writers, region, 1);
  }

  isWritten(region: number): boolean {
    return Atomics.load(this.#writers, region) !== 0 || Atomics.load(this.#touched, region) !== 0;
  }

  /** Forgets that a region was written to, if nothing is under way there. Whoever writes there from now on says so again. */
  forgetWrites(region: number): void {
    if (Atomics.load(this.#writers, region) === 0) Atomics.store(this.#touched, region, 0);
  }

  markOf(region: number): number {
    return Atomics.load(this.#marks, region);
  }

  /** Changes what is to become of a region's bit. Returns whether it was `before`. */
  setMark(region: number, before: number, after: number): boolean {
    return Atomics.compareExchange(this.#marks, region, before, after) === before;
  }

  /** Whether the parity of a region may be wrong. */
  isUnknown(region: number): boolean {
    return Atomics.load(this.#unknown, region) !== 0;
  }

  setUnknown(region: number, isUnknown: boolean): void {
    Atomics.store(this.#unknown, region, isUnknown ? 1 : 0);
  }

  countUnknown(): number {
    return this.#count(this.#unknown);
  }

  countMarked(): number {
    return this.#count(this.#marks);
  }

  /** The channel is not used any more. */
  leave(): void {
    this.channels.leave(this.owner - 1);
  }

  #count(words: Int32Array): number {
    let count = 0;
    for (let region = 0; region < this.regions; region++) if (Atomics.load(words, region) !== 0) count += 1;
    return count;
  }

  #change(): void {
    // Pairs with the loads in `changes` and `changesNow`.
    Atomics.add(this.#words, CHANGES, 1);
  }

  #lock(word: number): boolean {
    // Pairs with the stores in unlockRow() and unlockLabels().
    return Atomics.compareExchange(this.#words, word, 0, this.owner) === 0;
  }

  #takeOver(word: number): boolean {
    const holder = Atomics.load(this.#words, word);
    if (holder === 0 || holder === this.owner || this.channels.isAlive(holder - 1)) return false;
    return Atomics.compareExchange(this.#words, word, holder, this.owner) === holder;
  }
}
