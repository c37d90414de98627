import type { CacheIndex } from './cache-index.js';
import { decodePage, encodePage, type MapShape, pageOf } from './cache-map-page.js';

/** What a slot is for the map. */
const UNNAMED = 0;
/** Its line is dirty, and not named yet. */
const FRESH = 1;
/** The map on the device names it, or may. */
const NAMED = 2;
/** Named, and not in what is written of the map now: the device below has its line stably. */
const LEAVING = 3;

/**
 * The map on a cache device: which slots hold lines that the device below may not have stably. It is what a crash leaves of the index.
 *
 * Each line has one slot as long as the map may name it there, so that a crash between the writing of two of its pages cannot leave it in two.
 */
export class CacheDeviceMap {
  /** How many of its lines have been written back since some of them last left it. A line may count more than once. */
  settled = 0;
  readonly #index: CacheIndex;
  readonly #shape: MapShape;
  readonly #states: Uint8Array;
  /** By slot: the line that is named; -1 where none is, or it is not to be any more. */
  readonly #lines: Float64Array;
  readonly #fresh: Int32Array;
  #freshCount = 0;
  readonly #named: Int32Array;
  #namedCount = 0;
  /** How many of those had been named when the last were. */
  #namedBefore = 0;
  readonly #changed = new Set<number>();
  /** Lines that were dropped from a slot that the map still names: they are to get no other one. */
  readonly #barred = new Set<number>();

  constructor(index: CacheIndex, id: number) {
    const { slots } = index;
    this.#index = index;
    this.#shape = { id, slots };
    this.#states = new Uint8Array(slots);
    this.#lines = new Float64Array(slots).fill(-1);
    this.#fresh = new Int32Array(slots);
    this.#named = new Int32Array(slots);
  }

  /** How many slots the map names, or may. */
  get count(): number {
    return this.#namedCount;
  }

  /** Whether the map names a slot, or may. */
  has(slot: number): boolean {
    return (this.#states[slot] as number) >= NAMED;
  }

  /** Whether the map goes on naming a slot, so that what it holds is not lost if the device below loses it. */
  stays(slot: number): boolean {
    return this.#states[slot] === NAMED;
  }

  /** What a slot holds has become dirty. */
  dirtied(slot: number): void {
    if (this.#states[slot] !== UNNAMED) return;
    this.#states[slot] = FRESH;
    this.#fresh[this.#freshCount] = slot;
    this.#freshCount += 1;
  }

  /** A line is dropped from a slot that the map names. */
  bar(line: number): void {
    this.#barred.add(line);
  }

  isBarred(line: number): boolean {
    return this.#barred.size > 0 && this.#barred.has(line);
  }

  /** Names all lines that are dirty now. What they hold has to be stable before a page is written. */
  collect(): void {
    this.#namedBefore = this.#namedCount;
    for (let at = 0; at < this.#freshCount; at++) {
      const slot = this.#fresh[at] as number;
      this.#states[slot] = UNNAMED;
      // It has been written back meanwhile, and another line may be there.
      if (this.#index.isUnclean(slot)) this.#name(slot, this.#index.lineOf(slot));
    }
    this.#freshCount = 0;
  }

  /** Takes back what {@link collect} has named, of which nothing was written. */
  uncollect(): void {
    for (let at = this.#namedBefore; at < this.#namedCount; at++) this.#unname(this.#named[at] as number);
    this.#namedCount = this.#namedBefore;
  }

  /** The device below is being made stable: what it has of the map's lines is left out of the pages that are written after that. */
  leave(): void {
    this.settled = 0;
    for (let at = 0; at < this.#namedCount; at++) {
      const slot = this.#named[at] as number;
      if (this.#index.isUnclean(slot)) continue;
      this.#states[slot] = LEAVING;
      this.#changed.add(pageOf(slot));
    }
  }

  /** The pages that have changed since the last call. */
  takeChanged(): number[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  /** They are stable, and the slots of what has left can be used again. */
  settle(): void {
    let kept = 0;
    for (let at = 0; at < this.#namedCount; at++) {
      const slot = this.#named[at] as number;
      if (this.#states[slot] === LEAVING) this.#unname(slot);
      else this.#named[kept++] = slot;
    }
    this.#namedCount = kept;
  }

  /** Nobody knows what there is of them: nothing has left, and they are to be written once more. */
  unsettle(pages: readonly number[]): void {
    for (const page of pages) this.#changed.add(page);
    for (let at = 0; at < this.#namedCount; at++) {
      const slot = this.#named[at] as number;
      if (this.#states[slot] !== LEAVING) continue;
      this.#states[slot] = NAMED;
      // They can leave another time, before the next flush too.
      if (!this.#index.isUnclean(slot)) this.settled += 1;
    }
  }

  encode(page: number, memory: Uint8Array): void {
    encodePage(this.#shape, page, (slot) => (this.#states[slot] === NAMED ? (this.#lines[slot] as number) : -1), memory);
  }

  /** Takes a page of the device's map, and puts its lines into the index. False if it is damaged. */
  decode(page: number, memory: Uint8Array): boolean {
    return decodePage(this.#shape, page, memory, (line, slot) => {
      if (!this.#index.adopt(slot, line)) return false;
      this.#name(slot, line);
      return true;
    });
  }

  /** After the last page: its lines are dirty, and the other slots free. */
  adopted(): void {
    this.#index.adopted();
    for (let at = 0; at < this.#namedCount; at++) this.#index.setDirty(this.#named[at] as number);
    this.#changed.clear();
  }

  #name(slot: number, line: number): void {
    this.#index.keep(slot);
    this.#states[slot] = NAMED;
    this.#lines[slot] = line;
    this.#named[this.#namedCount] = slot;
    this.#namedCount += 1;
    this.#changed.add(pageOf(slot));
  }

  #unname(slot: number): void {
    this.#barred.delete(this.#lines[slot] as number);
    this.#states[slot] = UNNAMED;
    this.#lines[slot] = -1;
    this.#index.unkeep(slot);
    // It has become dirty again meanwhile.
    if (this.#index.isUnclean(slot)) this.dirtied(slot);
  }
}
