import { crc32 } from 'node:zlib';
import type { BlockDevice } from '../block-device.js';
import type { OverlayMap } from './overlay-map.js';

/** What is written of the map at a time. */
export const MAP_PAGE_BYTES = 4096;
/** What a disk writes all or nothing of: each has a checksum of its own, so no part of the map is half of one and half of the next. */
const SECTOR_BYTES = 512;
const HEADER_BYTES = 16;
const SECTOR_BLOCKS = (SECTOR_BYTES - HEADER_BYTES) * 8;
const SECTORS = MAP_PAGE_BYTES / SECTOR_BYTES;
const PAGE_BLOCKS = SECTORS * SECTOR_BLOCKS;

/** How many pages the map of so many blocks takes. */
export function mapPages(blocks: number): number {
  return Math.ceil(blocks / PAGE_BLOCKS);
}

/**
 * A map that is kept in the store: a bit for each block, which lies where it lies on the device below. What is set here is on the store only
 * after {@link begin} and the writing of the pages, which is after the blocks themselves are stable.
 */
export class CowBitmap implements OverlayMap {
  readonly store: BlockDevice;
  /** Where the blocks begin. */
  readonly dataOffset: number;
  count = 0;
  readonly #blockBytes: number;
  readonly #blocks: number;
  readonly #id: number;
  /** The blocks that are there, and those of them that the store's map has, or is being given. */
  readonly #present: Uint8Array;
  readonly #written: Uint8Array;
  /** Blocks that the store's map does not have yet. */
  #fresh: number[] = [];
  #giving: number[] = [];

  /** @param id tells this overlay's map from what was there before */
  constructor(store: BlockDevice, blocks: number, blockBytes: number, dataOffset: number, id: number) {
    this.store = store;
    this.dataOffset = dataOffset;
    this.#blocks = blocks;
    this.#blockBytes = blockBytes;
    this.#id = id;
    this.#present = new Uint8Array(Math.ceil(blocks / 8));
    this.#written = new Uint8Array(Math.ceil(blocks / 8));
  }

  has(block: number): boolean {
    return ((this.#present[block >>> 3] as number) & (1 << (block & 7))) !== 0;
  }

  offsetOf(block: number): number {
    return this.dataOffset + block * this.#blockBytes;
  }

  reserve(): boolean {
    return true;
  }

  cancel(): void {
    // Every block has its place.
  }

  add(block: number): void {
    if (this.has(block)) return;
    set(this.#present, block);
    this.count += 1;
    this.#fresh.push(block);
  }

  clear(): void {
    this.#present.fill(0);
    this.#written.fill(0);
    this.#fresh = [];
    this.#giving = [];
    this.count = 0;
  }

  doubt(): void {
    this.#fresh = [...this.blocks()];
    this.#giving = [];
  }

  *blocks(): Iterable<number> {
    for (let block = 0; block < this.#blocks; block++) if (this.has(block)) yield block;
  }

  /** The blocks that are there now are to be in the store's map. Returns the pages that change. */
  begin(): number[] {
    this.#giving = this.#fresh;
    this.#fresh = [];
    for (const block of this.#giving) set(this.#written, block);
    return [...new Set(this.#giving.map((block) => Math.floor(block / PAGE_BLOCKS)))].sort((one, other) => one - other);
  }

  /** The store's map has them, or, with `failed`, nobody knows. */
  finish(failed: boolean): void {
    if (failed) this.#fresh.push(...this.#giving);
    this.#giving = [];
  }

  /** Writes a page of the store's map into memory. */
  encode(page: number, memory: Uint8Array): void {
    const bytes = Buffer.from(memory.buffer, memory.byteOffset, MAP_PAGE_BYTES).fill(0);
    for (let sector = 0; sector < SECTORS; sector++) {
      const part = bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
      const first = (page * PAGE_BLOCKS + sector * SECTOR_BLOCKS) / 8;
      part.set(this.#written.subarray(first, first + SECTOR_BLOCKS / 8), HEADER_BYTES);
      part.writeUInt32LE(this.#id, 4);
      part.writeUInt32LE(page * SECTORS + sector, 8);
      part.writeUInt32LE(crc32(part.subarray(4)), 0);
    }
  }

  /** Takes a page of the store's map. False if it is damaged. */
  decode(page: number, memory: Uint8Array): boolean {
    const bytes = Buffer.from(memory.buffer, memory.byteOffset, MAP_PAGE_BYTES);
    for (let sector = 0; sector < SECTORS; sector++) {
      const part = bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
      // Nothing was ever written there.
      if (part.every((byte) => byte === 0)) continue;
      const isWhole = part.readUInt32LE(0) === crc32(part.subarray(4)) && part.readUInt32LE(4) === this.#id;
      if (!isWhole || part.readUInt32LE(8) !== page * SECTORS + sector) return false;
      const first = page * PAGE_BLOCKS + sector * SECTOR_BLOCKS;
      for (let at = 0; at < SECTOR_BLOCKS && first + at < this.#blocks; at++) {
        if (((part[HEADER_BYTES + (at >>> 3)] as number) & (1 << (at & 7))) === 0) continue;
        set(this.#present, first + at);
        set(this.#written, first + at);
        this.count += 1;
      }
    }
    return true;
  }
}

function set(bits: Uint8Array, block: number): void {
  bits[block >>> 3] = (bits[block >>> 3] as number) | (1 << (block & 7));
}
