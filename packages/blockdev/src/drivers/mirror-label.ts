import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

/** How much a label takes at the end of each half. */
export const LABEL_BYTES = 4096;

/** What a label says of a half. */
export const LABEL_FAILED = 0;
export const LABEL_GOOD = 1;
export const LABEL_REBUILDING = 2;

/**
 * What stands at the end of each half, as the component labels of BSD's raid(4): which mirror it belongs to, and who was good when it was
 * written. It is written to all halves in use, stable, at each change of membership, before any write that one of them lacks is told to be
 * done. So the half with the newest label has everything, and one whose label is older is stale.
 */
export interface MirrorLabel {
  /** Of the mirror: 32 hexadecimal digits. */
  readonly uuid: string;
  /** Counts the labels of this mirror. */
  readonly generation: number;
  /** Which half this is. */
  readonly index: number;
  /** How large the mirror is. */
  readonly dataBytes: number;
  /** Whether the mirror is open, or was when the system went down: halves can differ in what was being written then. */
  readonly dirty: boolean;
  /** LABEL_GOOD and its like, by half. */
  readonly states: readonly number[];
}

/** The most halves that a mirror has: they are counted in the bits of a number. */
export const HALVES_MAX = 16;

const MAGIC = Buffer.from('biodone mirror\0\0', 'latin1');
const VERSION = 1;
/** Where the fields are. The checksum is over all that follows it. */
const CHECKSUM_AT = 16;
const BODY_AT = 48;
const UUID_AT = 56;
const STATES_AT = UUID_AT + 40;
/** What a disk writes all or nothing of. What a label says fits in: the rest is zeros, and no label is half of one and half of the next. */
const SECTOR_BYTES = 512;

/** Writes a label into a block of {@link LABEL_BYTES}. */
export function encodeLabel(label: MirrorLabel, block: Uint8Array): void {
  assert(STATES_AT + label.states.length <= SECTOR_BYTES, 'a label does not fit in one sector');
  const bytes = Buffer.from(block.buffer, block.byteOffset, LABEL_BYTES).fill(0);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, BODY_AT);
  bytes.writeUInt32LE(label.dirty ? 1 : 0, BODY_AT + 4);
  bytes.write(label.uuid, UUID_AT, 16, 'hex');
  bytes.writeDoubleLE(label.generation, UUID_AT + 16);
  bytes.writeDoubleLE(label.dataBytes, UUID_AT + 24);
  bytes.writeUInt32LE(label.index, UUID_AT + 32);
  bytes.writeUInt32LE(label.states.length, UUID_AT + 36);
  for (const [index, state] of label.states.entries()) bytes.writeUInt8(state, STATES_AT + index);
  checksumOf(bytes).copy(bytes, CHECKSUM_AT);
}

/** Reads a label; null if there is none, or it is damaged or of a version that this one does not know. */
export function decodeLabel(block: Uint8Array): MirrorLabel | null {
  const bytes = Buffer.from(block.buffer, block.byteOffset, LABEL_BYTES);
  if (bytes.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) return null;
  if (!checksumOf(bytes).equals(bytes.subarray(CHECKSUM_AT, BODY_AT))) return null;
  const count = bytes.readUInt32LE(UUID_AT + 36);
  if (bytes.readUInt32LE(BODY_AT) !== VERSION || count > HALVES_MAX) return null;
  return {
    uuid: bytes.toString('hex', UUID_AT, UUID_AT + 16),
    generation: bytes.readDoubleLE(UUID_AT + 16),
    dataBytes: bytes.readDoubleLE(UUID_AT + 24),
    index: bytes.readUInt32LE(UUID_AT + 32),
    dirty: bytes.readUInt32LE(BODY_AT + 4) !== 0,
    states: [...bytes.subarray(STATES_AT, STATES_AT + count)],
  };
}

/** Where the label of a device of this size is; negative if there is no room. */
export function labelOffset(sizeBytes: number): number {
  return (Math.floor(sizeBytes / LABEL_BYTES) - 1) * LABEL_BYTES;
}

function checksumOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes.subarray(BODY_AT)).digest();
}
