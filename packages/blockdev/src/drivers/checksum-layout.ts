import { createHash, randomBytes } from 'node:crypto';
import { EINVAL, SystemError } from '@biodone/uring';

/** How long a copy of the header is. One is at the beginning, the other one at the end. */
export const CHECKSUM_HEADER_BYTES = 4096;

/** What a block of the table takes: two halves of a digest, the generation, and half a digest of the one before. */
export const ENTRY_BYTES = 16;

/** A journal's own header: what precedes the entries. */
export const JOURNAL_FIXED_BYTES = 64;

/** The most blocks that one journal holds. */
const JOURNAL_BLOCKS_MAX = 1024;
const JOURNAL_BLOCKS_MIN = 8;

/** Block numbers stay positive as integers of 32 bits. */
const BLOCKS_MAX = 2 ** 31 - 1;

/** Where everything is on the device below, in bytes. */
export interface ChecksumLayout {
  readonly blockBytes: number;
  /** What of the table is written at once: no more than the device below writes whole or not at all. */
  readonly pageBytes: number;
  readonly entriesPerPage: number;
  readonly blockCount: number;
  readonly pageCount: number;
  readonly journalBlocks: number;
  readonly journalHeaderBytes: number;
  readonly journalOffsets: readonly [number, number];
  readonly tableOffset: number;
  readonly dataOffset: number;
  readonly headerOffsets: readonly [number, number];
  /** Where the second header ends. */
  readonly usedBytes: number;
}

/** What the header says. */
export interface ChecksumHeader {
  readonly uuid: Uint8Array;
  readonly blockBytes: number;
  readonly pageBytes: number;
  readonly blockCount: number;
  readonly journalBlocks: number;
  readonly secondHeaderOffset: number;
  /** The copy with the higher one was written later. */
  readonly generation: number;
  /** What the journals hold up to this number is in its place. */
  readonly appliedSequence: number;
}

const MAGIC = Buffer.from('biodone sums 1\n\0', 'latin1');
/** The algorithm that there is: Fletcher's sums of words of 32 bits in four lanes, mixed. */
const FLETCHER_LANES = 1;

// The header: little-endian numbers.
const UUID = 16;
const ALGORITHM = 32;
const BLOCK_BYTES = 36;
const PAGE_BYTES = 40;
const JOURNAL_BLOCKS = 44;
const BLOCK_COUNT = 48;
const GENERATION = 56;
const APPLIED_SEQUENCE = 64;
const SECOND_HEADER = 72;
const DIGEST = CHECKSUM_HEADER_BYTES - 32;

type Geometry = Pick<ChecksumHeader, 'blockBytes' | 'pageBytes' | 'blockCount' | 'journalBlocks' | 'secondHeaderOffset'>;

/** Where the second header is, on a device of this size. */
export function secondHeaderOffset(sizeBytes: number): number {
  return Math.floor(sizeBytes / CHECKSUM_HEADER_BYTES) * CHECKSUM_HEADER_BYTES - CHECKSUM_HEADER_BYTES;
}

/** Shares a device out: as many blocks of data as there is room for beside their table and the journals. */
export function planLayout(sizeBytes: number, blockBytes: number, pageBytes: number): ChecksumLayout {
  const wanted = Math.floor(sizeBytes / 32 / blockBytes);
  const journalBlocks = Math.min(JOURNAL_BLOCKS_MAX, Math.max(JOURNAL_BLOCKS_MIN, wanted));
  const headerAt = secondHeaderOffset(sizeBytes);
  const plan = (blockCount: number): ChecksumLayout =>
    layoutOf({ blockBytes, pageBytes, blockCount, journalBlocks, secondHeaderOffset: headerAt });
  let blockCount = Math.max(0, Math.min(BLOCKS_MAX, Math.floor(headerAt / blockBytes)));
  while (blockCount > 0) {
    const layout = plan(blockCount);
    const excess = layout.dataOffset + blockCount * blockBytes - headerAt;
    if (excess <= 0) return layout;
    blockCount = Math.max(0, blockCount - Math.ceil(excess / (blockBytes + ENTRY_BYTES)));
  }
  const message = `a device of ${sizeBytes} bytes has no room for checksums, their journals and data in blocks of ${blockBytes} bytes`;
  throw new SystemError(EINVAL, 'openChecksum', undefined, message);
}

/** The layout of a device with this header. */
export function layoutOf(header: Geometry): ChecksumLayout {
  const { blockBytes, pageBytes, blockCount, journalBlocks } = header;
  const entriesPerPage = pageBytes / ENTRY_BYTES - 1;
  const pageCount = Math.ceil(blockCount / entriesPerPage);
  const journalHeaderBytes = roundUp(JOURNAL_FIXED_BYTES + journalBlocks * ENTRY_BYTES, CHECKSUM_HEADER_BYTES);
  const journalBytes = roundUp(journalHeaderBytes + journalBlocks * blockBytes, CHECKSUM_HEADER_BYTES);
  const firstJournal = CHECKSUM_HEADER_BYTES;
  const tableOffset = firstJournal + 2 * journalBytes;
  const dataOffset = roundUp(tableOffset + pageCount * pageBytes, Math.max(blockBytes, CHECKSUM_HEADER_BYTES));
  return {
    blockBytes,
    pageBytes,
    entriesPerPage,
    blockCount,
    pageCount,
    journalBlocks,
    journalHeaderBytes,
    journalOffsets: [firstJournal, firstJournal + journalBytes],
    tableOffset,
    dataOffset,
    headerOffsets: [0, header.secondHeaderOffset],
    usedBytes: header.secondHeaderOffset + CHECKSUM_HEADER_BYTES,
  };
}

export function newHeader(layout: ChecksumLayout): ChecksumHeader {
  const { blockBytes, pageBytes, blockCount, journalBlocks } = layout;
  return {
    uuid: randomBytes(16),
    blockBytes,
    pageBytes,
    blockCount,
    journalBlocks,
    secondHeaderOffset: layout.headerOffsets[1],
    generation: 1,
    appliedSequence: 0,
  };
}

export function encodeChecksumHeader(header: ChecksumHeader): Buffer {
  const bytes = Buffer.alloc(CHECKSUM_HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.set(header.uuid, UUID);
  bytes.writeUInt32LE(FLETCHER_LANES, ALGORITHM);
  bytes.writeUInt32LE(header.blockBytes, BLOCK_BYTES);
  bytes.writeUInt32LE(header.pageBytes, PAGE_BYTES);
  bytes.writeUInt32LE(header.journalBlocks, JOURNAL_BLOCKS);
  bytes.writeBigUInt64LE(BigInt(header.blockCount), BLOCK_COUNT);
  bytes.writeBigUInt64LE(BigInt(header.generation), GENERATION);
  bytes.writeBigUInt64LE(BigInt(header.appliedSequence), APPLIED_SEQUENCE);
  bytes.writeBigUInt64LE(BigInt(header.secondHeaderOffset), SECOND_HEADER);
  bytes.set(digestOf(bytes), DIGEST);
  return bytes;
}

/** The header that was written; null if this is none, or is damaged. */
export function decodeChecksumHeader(bytes: Buffer): ChecksumHeader | null {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  if (!digestOf(bytes).equals(bytes.subarray(DIGEST, CHECKSUM_HEADER_BYTES))) return null;
  if (bytes.readUInt32LE(ALGORITHM) !== FLETCHER_LANES) return null;
  return {
    uuid: Uint8Array.from(bytes.subarray(UUID, UUID + 16)),
    blockBytes: bytes.readUInt32LE(BLOCK_BYTES),
    pageBytes: bytes.readUInt32LE(PAGE_BYTES),
    journalBlocks: bytes.readUInt32LE(JOURNAL_BLOCKS),
    blockCount: Number(bytes.readBigUInt64LE(BLOCK_COUNT)),
    secondHeaderOffset: Number(bytes.readBigUInt64LE(SECOND_HEADER)),
    generation: Number(bytes.readBigUInt64LE(GENERATION)),
    appliedSequence: Number(bytes.readBigUInt64LE(APPLIED_SEQUENCE)),
  };
}

function digestOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes.subarray(0, DIGEST)).digest();
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** What makes the digests of one device other than those of another one. */
export function saltOf({ uuid }: ChecksumHeader): number {
  return Buffer.from(uuid).readUInt32LE(0) >>> 3;
}
