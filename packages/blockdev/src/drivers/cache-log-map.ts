import { decodePage, encodePage, type MapShape, pageOf } from './cache-map-page.js';

/** In place of moments: of a slot whose first copy is not stable, and of a line that was not written back since it has its slot. */
const NO_COPY = -1;
const NEVER = -2;

/**
 * Which line is in which slot of a log. What is changed here is on the device only after the pages that {@link takeChanged} names have been written;
 * a slot whose line has been removed is free only then.
 */
export class CacheLogMap {
  readonly #shape: MapShape;
  /** The line in each slot; -1 for none. */
  readonly #lines: Float64Array;
  readonly #slotOf = new Map<number, number>();
  readonly #free: number[] = [];
  #removed: number[] = [];
  readonly #changed = new Set<number>();
  /** Counts the copies of lines that were made for the log. */
  moment = 0;
  /** By slot: when its copy was made, and the latest moment of which the device below has the line. */
  readonly #copiedAt: Float64Array;
  readonly #belowAt: Float64Array;
  /** Copies that are not stable yet, with the moment of the one before. */
  #unstable: [slot: number, before: number][] = [];

  constructor(slots: number, id: number) {
    this.#shape = { id, slots };
    this.#lines = new Float64Array(slots).fill(-1);
    this.#copiedAt = new Float64Array(slots);
    this.#belowAt = new Float64Array(slots).fill(NEVER);
    for (let slot = slots - 1; slot >= 0; slot--) this.#free.push(slot);
  }

  get free(): number {
    return this.#free.length;
  }

  get count(): number {
    return this.#slotOf.size;
  }

  /** All lines that are in the log, with their slots. */
  entries(): [line: number, slot: number][] {
    return [...this.#slotOf];
  }

  has(line: number): boolean {
    return this.#slotOf.has(line);
  }

  /** The slot that a line has, or is given; -1 if there is none. */
  place(line: number): number {
    const known = this.#slotOf.get(line);
    if (known !== undefined) return known;
    const slot = this.#free.pop();
    if (slot === undefined) return -1;
    this.#set(line, slot);
    this.#copiedAt[slot] = NO_COPY;
    this.#belowAt[slot] = NEVER;
    return slot;
  }

  /** A copy of a line, as it is now, is on its way to its slot. */
  copied(slot: number): void {
    this.#unstable.push([slot, this.#copiedAt[slot] as number]);
    this.moment += 1;
    this.#copiedAt[slot] = this.moment;
  }

  /** The device below has a line as it was at a moment, though perhaps not stably. */
  writtenBack(line: number, moment: number): void {
    const slot = this.#slotOf.get(line);
    if (slot !== undefined) this.#belowAt[slot] = Math.max(this.#belowAt[slot] as number, moment);
  }

  /** Whether the device below has what the log has of a line, or something newer: then the log's is not to come back over it. */
  isBelow(line: number): boolean {
    const slot = this.#slotOf.get(line) as number;
    return (this.#belowAt[slot] as number) >= (this.#copiedAt[slot] as number);
  }

  /** The line is not needed any more. */
  remove(line: number): void {
    const slot = this.#slotOf.get(line);
    if (slot === undefined) return;
    this.#slotOf.delete(line);
    this.#lines[slot] = -1;
    this.#removed.push(slot);
    this.#changed.add(pageOf(slot));
  }

  /** The pages that have changed since the last call. */
  takeChanged(): number[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  /** They are stable, and all copies are; or, with `failed`, they are to be written once more, and only the copies before are to be counted on. */
  settle(pages: readonly number[], failed: boolean): void {
    if (failed) {
      for (const page of pages) this.#changed.add(page);
      for (const [slot, before] of this.#unstable.reverse()) this.#copiedAt[slot] = before;
    }
    this.#unstable = [];
    if (failed) return;
    this.#free.push(...this.#removed);
    this.#removed = [];
  }

  encode(page: number, memory: Uint8Array): void {
    encodePage(this.#shape, page, (slot) => this.#lines[slot] as number, memory);
  }

  /** Takes a page of the device's map. False if it is damaged. */
  decode(page: number, memory: Uint8Array): boolean {
    return decodePage(this.#shape, page, memory, (line, slot) => {
      this.#set(line, slot);
      return true;
    });
  }

  /** After the last page: what is in use is not free. */
  sealed(): void {
    const used = new Set(this.#slotOf.values());
    this.#free.length = 0;
    for (let slot = this.#shape.slots - 1; slot >= 0; slot--) if (!used.has(slot)) this.#free.push(slot);
    this.#changed.clear();
  }

  #set(line: number, slot: number): void {
    this.#slotOf.set(line, slot);
    this.#lines[slot] = line;
    this.#changed.add(pageOf(slot));
  }
}
