import type { BlockDevice } from '../block-device.js';

/** Which blocks of a device are in an overlay, and where there. A block is there from {@link OverlayMap.add} on. */
export interface OverlayMap {
  /** What holds the blocks. */
  readonly store: BlockDevice;
  /** How many there are. */
  readonly count: number;
  has(block: number): boolean;
  /** Where a block is, or where the place is that has been reserved for it. */
  offsetOf(block: number): number;
  /** Takes a place for a block that is not there. False if there is none left. */
  reserve(block: number): boolean;
  /** Gives it back. */
  cancel(block: number): void;
  /** The block is in its place. */
  add(block: number): void;
  /** Forgets all blocks. */
  clear(): void;
  /** Of a map that is kept: what is kept of it may be other than what is here. */
  doubt?(): void;
  /** All blocks, in order. */
  blocks(): Iterable<number>;
}

/** A map in memory: blocks lie in the store in the order in which they came. It is gone with the process. */
export class SlotMap implements OverlayMap {
  readonly store: BlockDevice;
  readonly #blockBytes: number;
  readonly #slotsMax: number;
  readonly #slots = new Map<number, number>();
  readonly #present = new Set<number>();
  readonly #free: number[] = [];
  #used = 0;

  constructor(store: BlockDevice, blockBytes: number) {
    this.store = store;
    this.#blockBytes = blockBytes;
    this.#slotsMax = Math.floor((store.limits.sizeBytes ?? Number.MAX_SAFE_INTEGER) / blockBytes);
  }

  get count(): number {
    return this.#present.size;
  }

  has(block: number): boolean {
    return this.#present.has(block);
  }

  offsetOf(block: number): number {
    return (this.#slots.get(block) ?? 0) * this.#blockBytes;
  }

  reserve(block: number): boolean {
    let slot = this.#free.pop();
    if (slot === undefined) {
      if (this.#used === this.#slotsMax) return false;
      slot = this.#used;
      this.#used += 1;
    }
    this.#slots.set(block, slot);
    return true;
  }

  cancel(block: number): void {
    const slot = this.#slots.get(block);
    if (slot !== undefined) this.#free.push(slot);
    this.#slots.delete(block);
  }

  add(block: number): void {
    this.#present.add(block);
  }

  clear(): void {
    this.#present.clear();
    this.#slots.clear();
    this.#free.length = 0;
    this.#used = 0;
  }

  blocks(): Iterable<number> {
    return [...this.#present].sort((one, other) => one - other);
  }
}
