import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { RaidLevel } from './raid-geometry.js';

/** How much a label takes at the end of each component. */
export const LABEL_BYTES = 4096;
/** How much the write-intent bitmap takes, before the label. */
export const BITMAP_BYTES = 4096;
export const COMPONENTS_MAX = 32;

/** What a label says of a component. */
export const COMPONENT_FAILED = 0;
export const COMPONENT_GOOD = 1;
export const COMPONENT_REBUILDING = 2;

/** In place of a component's number: a spare. */
export const ROLE_SPARE = 0xffff_ffff;

/** A component as the label of any of them has it. */
interface LabelledComponent {
  /** COMPONENT_GOOD and its like. */
  readonly state: number;
  /** Of one that is being rebuilt: how many rows it has, stable. */
  readonly rebuiltRows: number;
}

/**
 * What stands at the end of each component, as in BSD's raid(4): which array it belongs to, and who was good when it was written. It is written
 * to all components in use, stable, at each change of membership, before any write that one of them lacks is told to be done. So what the
 * newest label calls good has everything, and a component whose own label is older has missed something.
 */
export interface RaidLabel {
  /** Of the array: 32 hexadecimal digits. */
  readonly uuid: string;
  /** Counts the times that the labels were written. */
  readonly generation: number;
  readonly level: RaidLevel;
  readonly stripeBytes: number;
  readonly rows: number;
  /** How many rows one bit of the bitmap stands for. */
  readonly regionRows: number;
  /** Which component this is, or ROLE_SPARE. */
  readonly role: number;
  readonly components: readonly LabelledComponent[];
}

const MAGIC = Buffer.from('biodone raid\0\0\0\0', 'latin1');
const VERSION = 1;
/** Where the fields are. The checksum is over all that follows it. */
const CHECKSUM_AT = 16;
const BODY_AT = 48;
const COMPONENTS_AT = BODY_AT + 64;
const COMPONENT_BYTES = 9;
/** What a disk writes all or nothing of: what a label says fits in, so none is half of one and half of the next. */
const SECTOR_BYTES = 512;

/** Writes a label into a block of {@link LABEL_BYTES}. */
export function encodeLabel(label: RaidLabel, block: Uint8Array): void {
  const { components } = label;
  assert(COMPONENTS_AT + components.length * COMPONENT_BYTES <= SECTOR_BYTES, 'a label does not fit in one sector');
  const bytes = Buffer.from(block.buffer, block.byteOffset, LABEL_BYTES).fill(0);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, BODY_AT);
  bytes.writeUInt32LE(label.level, BODY_AT + 4);
  bytes.write(label.uuid, BODY_AT + 8, 16, 'hex');
  bytes.writeDoubleLE(label.generation, BODY_AT + 24);
  bytes.writeDoubleLE(label.rows, BODY_AT + 32);
  bytes.writeDoubleLE(label.regionRows, BODY_AT + 40);
  bytes.writeUInt32LE(label.stripeBytes, BODY_AT + 48);
  bytes.writeUInt32LE(label.role, BODY_AT + 52);
  bytes.writeUInt32LE(components.length, BODY_AT + 56);
  for (const [index, { state, rebuiltRows }] of components.entries()) {
    bytes.writeUInt8(state, COMPONENTS_AT + index * COMPONENT_BYTES);
    bytes.writeDoubleLE(rebuiltRows, COMPONENTS_AT + index * COMPONENT_BYTES + 1);
  }
  checksumOf(bytes).copy(bytes, CHECKSUM_AT);
}

/** Reads a label; null if there is none, or it is damaged or of a version that this one does not know. */
export function decodeLabel(block: Uint8Array): RaidLabel | null {
  const bytes = Buffer.from(block.buffer, block.byteOffset, LABEL_BYTES);
  if (bytes.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) return null;
  if (!checksumOf(bytes).equals(bytes.subarray(CHECKSUM_AT, BODY_AT))) return null;
  const count = bytes.readUInt32LE(BODY_AT + 56);
  const level = bytes.readUInt32LE(BODY_AT + 4);
  if (bytes.readUInt32LE(BODY_AT) !== VERSION || count > COMPONENTS_MAX || !isLevel(level)) return null;
  return {
    uuid: bytes.toString('hex', BODY_AT + 8, BODY_AT + 24),
    generation: bytes.readDoubleLE(BODY_AT + 24),
    level,
    rows: bytes.readDoubleLE(BODY_AT + 32),
    regionRows: bytes.readDoubleLE(BODY_AT + 40),
    stripeBytes: bytes.readUInt32LE(BODY_AT + 48),
    role: bytes.readUInt32LE(BODY_AT + 52),
    components: Array.from({ length: count }, (_, index) => ({
      state: bytes.readUInt8(COMPONENTS_AT + index * COMPONENT_BYTES),
      rebuiltRows: bytes.readDoubleLE(COMPONENTS_AT + index * COMPONENT_BYTES + 1),
    })),
  };
}

/** Where the label of a device of this size is; negative if there is no room. */
export function labelOffset(sizeBytes: number): number {
  return (Math.floor(sizeBytes / LABEL_BYTES) - 1) * LABEL_BYTES;
}

/** Where the bitmap of a device of this size is, and its data ends at the latest. */
export function bitmapOffset(sizeBytes: number): number {
  return labelOffset(sizeBytes) - BITMAP_BYTES;
}

function isLevel(level: number): level is RaidLevel {
  return level === 0 || level === 1 || level === 5;
}

function checksumOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes.subarray(BODY_AT)).digest();
}
