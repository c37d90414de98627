import { crc32 } from 'node:zlib';
import { BITMAP_BYTES } from './raid-label.js';

/** What a disk writes all or nothing of: each holds the bits of its regions, and a checksum of its own. */
const SECTOR_BYTES = 512;
const HEADER_BYTES = 16;
const BITS_PER_SECTOR = (SECTOR_BYTES - HEADER_BYTES) * 8;

/** How many regions a bitmap has bits for. */
export const REGIONS_MAX: number = (BITMAP_BYTES / SECTOR_BYTES) * BITS_PER_SECTOR;

/** Writes a bitmap into a block of BITMAP_BYTES. @param uuid of the array, so that no other one's is taken for it */
export function encodeBitmap(uuid: string, regions: number, isDirty: (region: number) => boolean, block: Uint8Array): void {
  const bytes = Buffer.from(block.buffer, block.byteOffset, BITMAP_BYTES).fill(0);
  for (let region = 0; region < regions; region++) {
    if (!isDirty(region)) continue;
    const at = placeOf(region);
    bytes[at] = (bytes[at] as number) | (1 << (region & 7));
  }
  for (let at = 0; at < BITMAP_BYTES; at += SECTOR_BYTES) {
    bytes.write(uuid, at + 4, 12, 'hex');
    bytes.writeUInt32LE(crc32(bytes.subarray(at + 4, at + SECTOR_BYTES)), at);
  }
}

/** Calls back with each region that a bitmap calls dirty. A sector that is damaged, or another array's, says nothing: all of its regions may be. */
export function eachDirty(uuid: string, regions: number, block: Uint8Array, visit: (region: number) => void): void {
  const bytes = Buffer.from(block.buffer, block.byteOffset, BITMAP_BYTES);
  for (let first = 0; first < regions; first += BITS_PER_SECTOR) {
    const isReadable = isIntact(bytes, (first / BITS_PER_SECTOR) * SECTOR_BYTES, uuid);
    for (let region = first; region < Math.min(regions, first + BITS_PER_SECTOR); region++) {
      if (!isReadable || ((bytes[placeOf(region)] as number) & (1 << (region & 7))) !== 0) visit(region);
    }
  }
}

function isIntact(bytes: Buffer, at: number, uuid: string): boolean {
  if (bytes.toString('hex', at + 4, at + 16) !== uuid.slice(0, 24)) return false;
  return bytes.readUInt32LE(at) === crc32(bytes.subarray(at + 4, at + SECTOR_BYTES));
}

/** In which byte the bit of a region is. BITS_PER_SECTOR is a multiple of 8. */
function placeOf(region: number): number {
  const sector = Math.floor(region / BITS_PER_SECTOR);
  return sector * SECTOR_BYTES + HEADER_BYTES + ((region - sector * BITS_PER_SECTOR) >> 3);
}
