import { crc32 } from './crc32.js';
import { checkOverlaps, type Partition, refuse } from './partition-table.js';

const MAGIC = Buffer.from('EFI PART', 'latin1');

// The header, as the UEFI specification has it: little-endian numbers.
const HEADER_SIZE = 12;
const HEADER_CRC = 16;
const OWN_SECTOR = 24;
const OTHER_SECTOR = 32;
const FIRST_USABLE = 40;
const LAST_USABLE = 48;
const DISK_GUID = 56;
const ENTRIES_SECTOR = 72;
const ENTRY_COUNT = 80;
const ENTRY_SIZE = 84;
const ENTRIES_CRC = 88;
const HEADER_MIN_BYTES = 92;

// An entry.
const TYPE_GUID = 0;
const UNIQUE_GUID = 16;
const FIRST = 32;
const LAST = 40;
const NAME = 56;
const NAME_BYTES = 72;
const ENTRY_MIN_BYTES = 128;

/** What entries can take at most: 128 of 128 bytes are what everybody writes. */
const ENTRIES_MAX_BYTES = 2 ** 20;

/** One of the two copies. */
export interface GptHeader {
  readonly ownSector: number;
  readonly otherSector: number;
  readonly firstUsable: number;
  readonly lastUsable: number;
  readonly diskGuid: string;
  readonly entriesSector: number;
  readonly entryCount: number;
  readonly entryBytes: number;
  readonly entriesCrc: number;
  /** As it stands on the disk, with what follows its fields. */
  readonly bytes: Buffer;
}

/** A copy of the header with its entries. */
export interface GptCopy {
  readonly header: GptHeader;
  readonly entries: Buffer;
}

/** The header in this sector, or why it is none. */
export function parseGptHeader(sector: Buffer, at: number, sectors: number): GptHeader | string {
  if (!sector.subarray(0, MAGIC.length).equals(MAGIC)) return 'it has no signature';
  const headerBytes = sector.readUInt32LE(HEADER_SIZE);
  if (headerBytes < HEADER_MIN_BYTES || headerBytes > sector.length) return `its length is ${headerBytes}`;
  const bytes = Buffer.from(sector.subarray(0, headerBytes));
  const crc = bytes.readUInt32LE(HEADER_CRC);
  bytes.writeUInt32LE(0, HEADER_CRC);
  if (crc32(bytes) !== crc) return 'its checksum is wrong';
  bytes.writeUInt32LE(crc, HEADER_CRC);
  const number = (offset: number): number => Number(bytes.readBigUInt64LE(offset));
  const header: GptHeader = {
    ownSector: number(OWN_SECTOR),
    otherSector: number(OTHER_SECTOR),
    firstUsable: number(FIRST_USABLE),
    lastUsable: number(LAST_USABLE),
    diskGuid: guid(bytes, DISK_GUID),
    entriesSector: number(ENTRIES_SECTOR),
    entryCount: bytes.readUInt32LE(ENTRY_COUNT),
    entryBytes: bytes.readUInt32LE(ENTRY_SIZE),
    entriesCrc: bytes.readUInt32LE(ENTRIES_CRC),
    bytes,
  };
  return faultOf(header, at, sectors, sector.length) ?? header;
}

function faultOf(header: GptHeader, at: number, sectors: number, sectorBytes: number): string | null {
  const { ownSector, firstUsable, lastUsable, entriesSector, entryCount, entryBytes } = header;
  if (ownSector !== at) return `it says that it is in sector ${ownSector}`;
  if (entryBytes < ENTRY_MIN_BYTES || (entryBytes & (entryBytes - 1)) !== 0) return `its entries have ${entryBytes} bytes`;
  const entriesBytes = entryCount * entryBytes;
  if (entryCount < 1 || entriesBytes > ENTRIES_MAX_BYTES) return `it has ${entryCount} entries of ${entryBytes} bytes`;
  const entriesEnd = entriesSector + Math.ceil(entriesBytes / sectorBytes);
  if (entriesSector < 2 || entriesEnd > sectors) return `its entries lie in sectors ${entriesSector} to ${entriesEnd - 1}`;
  if (firstUsable < 2 || firstUsable > lastUsable || lastUsable >= sectors) {
    return `its usable sectors are ${firstUsable} to ${lastUsable}, and the disk has ${sectors}`;
  }
  if (entriesSector <= lastUsable && entriesEnd > firstUsable) return 'its entries lie in the sectors that partitions can use';
  return null;
}

/**
 * The partitions that a copy names.
 *
 * @throws SystemError EINVAL that names what overlaps or lies outside
 */
export function gptPartitions({ header, entries }: GptCopy, sectorBytes: number): Partition[] {
  const partitions: Partition[] = [];
  for (let index = 0; index < header.entryCount; index++) {
    const entry = entries.subarray(index * header.entryBytes, (index + 1) * header.entryBytes);
    if (entry.subarray(TYPE_GUID, TYPE_GUID + 16).every((byte) => byte === 0)) continue;
    const [first, last] = [Number(entry.readBigUInt64LE(FIRST)), Number(entry.readBigUInt64LE(LAST))];
    if (first < header.firstUsable || last > header.lastUsable || first > last) {
      const usable = `${header.firstUsable} to ${header.lastUsable}`;
      throw refuse(`partition ${index + 1} (sectors ${first} to ${last}) lies outside of what can be used, ${usable}`);
    }
    partitions.push({
      index: index + 1,
      offsetBytes: first * sectorBytes,
      lengthBytes: (last - first + 1) * sectorBytes,
      type: guid(entry, TYPE_GUID),
      uuid: guid(entry, UNIQUE_GUID),
      name: nameOf(entry.subarray(NAME, NAME + NAME_BYTES)),
    });
  }
  const ranges = partitions.map(({ index, offsetBytes, lengthBytes }) => ({
    what: `partition ${index}`,
    first: offsetBytes / sectorBytes,
    last: (offsetBytes + lengthBytes) / sectorBytes - 1,
  }));
  checkOverlaps(ranges);
  return partitions;
}

/** The header of the other copy, as it is to be written there: at `at`, with its entries at `entriesSector`. */
export function otherHeader({ bytes, ownSector }: GptHeader, at: number, entriesSector: number): Buffer {
  const other = Buffer.from(bytes);
  other.writeBigUInt64LE(BigInt(at), OWN_SECTOR);
  other.writeBigUInt64LE(BigInt(ownSector), OTHER_SECTOR);
  other.writeBigUInt64LE(BigInt(entriesSector), ENTRIES_SECTOR);
  other.writeUInt32LE(0, HEADER_CRC);
  other.writeUInt32LE(crc32(other), HEADER_CRC);
  return other;
}

/** The first three parts are little-endian numbers, the others stand as they are. */
function guid(bytes: Buffer, offset: number): string {
  const hexadecimal = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  const last = bytes.toString('hex', offset + 8, offset + 16);
  const [first, second, third] = [bytes.readUInt32LE(offset), bytes.readUInt16LE(offset + 4), bytes.readUInt16LE(offset + 6)];
  return `${hexadecimal(first, 8)}-${hexadecimal(second, 4)}-${hexadecimal(third, 4)}-${last.slice(0, 4)}-${last.slice(4)}`;
}

function nameOf(bytes: Buffer): string {
  const name = bytes.toString('utf16le');
  const end = name.indexOf('\0');
  return end < 0 ? name : name.slice(0, end);
}
