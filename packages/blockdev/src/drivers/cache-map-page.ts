import { crc32 } from 'node:zlib';

/** What is written of a map at a time. */
export const MAP_PAGE_BYTES = 4096;
/** What a disk writes all or nothing of: each has a checksum of its own. */
const SECTOR_BYTES = 512;
const HEADER_BYTES = 16;
const ENTRY_BYTES = 8;
const SECTOR_SLOTS = (SECTOR_BYTES - HEADER_BYTES) / ENTRY_BYTES;
const SECTORS = MAP_PAGE_BYTES / SECTOR_BYTES;
const PAGE_SLOTS = SECTORS * SECTOR_SLOTS;

/** How many pages the map of so many slots takes. */
export function mapPages(slots: number): number {
  return Math.ceil(slots / PAGE_SLOTS);
}

/** On which page a slot is. */
export function pageOf(slot: number): number {
  return Math.floor(slot / PAGE_SLOTS);
}

/** Whose map it is, and how long. */
export interface MapShape {
  /** A number of its own, by which what is left of an older map is told from it. */
  readonly id: number;
  readonly slots: number;
}

/** Writes a page of a map into memory. @param lineOf the line in a slot; -1 for none */
export function encodePage({ id, slots }: MapShape, page: number, lineOf: (slot: number) => number, memory: Uint8Array): void {
  const bytes = Buffer.from(memory.buffer, memory.byteOffset, MAP_PAGE_BYTES).fill(0);
  for (let sector = 0; sector < SECTORS; sector++) {
    const part = bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
    const first = page * PAGE_SLOTS + sector * SECTOR_SLOTS;
    // 0 is no line.
    for (let at = 0; at < SECTOR_SLOTS && first + at < slots; at++) {
      part.writeDoubleLE(lineOf(first + at) + 1, HEADER_BYTES + at * ENTRY_BYTES);
    }
    part.writeUInt32LE(id, 4);
    part.writeUInt32LE(page * SECTORS + sector, 8);
    part.writeUInt32LE(crc32(part.subarray(4)), 0);
  }
}

/** Reads a page of a map. False if it is damaged, or `take` says that a line cannot be. */
export function decodePage(
  { id, slots }: MapShape,
  page: number,
  memory: Uint8Array,
  take: (line: number, slot: number) => boolean,
): boolean {
  const bytes = Buffer.from(memory.buffer, memory.byteOffset, MAP_PAGE_BYTES);
  for (let sector = 0; sector < SECTORS; sector++) {
    const part = bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
    // Nothing was ever written there.
    if (part.every((byte) => byte === 0)) continue;
    const isWhole = part.readUInt32LE(0) === crc32(part.subarray(4)) && part.readUInt32LE(4) === id;
    if (!isWhole || part.readUInt32LE(8) !== page * SECTORS + sector) return false;
    const first = page * PAGE_SLOTS + sector * SECTOR_SLOTS;
    for (let at = 0; at < SECTOR_SLOTS && first + at < slots; at++) {
      const line = part.readDoubleLE(HEADER_BYTES + at * ENTRY_BYTES) - 1;
      if (line >= 0 && !take(line, first + at)) return false;
    }
  }
  return true;
}
