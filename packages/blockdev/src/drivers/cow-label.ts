import { createHash, randomBytes } from 'node:crypto';
import { IoBuffer } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_READ, BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { runIo } from './child-device.js';

/** How much the label takes at the beginning of an overlay. */
export const COW_LABEL_BYTES = 4096;

/** What stands at the beginning of an overlay: which device it belongs to, and how it is laid out. */
export interface CowLabel {
  /** 32 hexadecimal digits. */
  readonly uuid: string;
  readonly blockBytes: number;
  readonly baseBytes: number;
  readonly dataOffset: number;
  /** Whether its blocks are being copied into the base, which therefore is not what it was. */
  readonly committing: boolean;
  /** Of some of what is on the base: see {@link fingerprint}. */
  readonly fingerprint: string;
}

const MAGIC = Buffer.from('biodone overlay\0', 'latin1');
const VERSION = 1;
const CHECKSUM_AT = 16;
const BODY_AT = 48;
const UUID_AT = 56;
const FINGERPRINT_AT = 96;

/** How much of the base is looked at: so many places, each so long. */
const PLACES = 64;
const PLACE_BYTES = 4096;

export function newCowLabel(fields: Omit<CowLabel, 'uuid' | 'committing'>): CowLabel {
  return { ...fields, uuid: randomBytes(16).toString('hex'), committing: false };
}

/** Writes a label into a block of {@link COW_LABEL_BYTES}: into its first 512 bytes, which a disk writes all or nothing of. */
export function encodeCowLabel(label: CowLabel, block: Uint8Array): void {
  const bytes = Buffer.from(block.buffer, block.byteOffset, COW_LABEL_BYTES).fill(0);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, BODY_AT);
  bytes.writeUInt32LE(label.committing ? 1 : 0, BODY_AT + 4);
  bytes.write(label.uuid, UUID_AT, 16, 'hex');
  bytes.writeDoubleLE(label.blockBytes, UUID_AT + 16);
  bytes.writeDoubleLE(label.baseBytes, UUID_AT + 24);
  bytes.writeDoubleLE(label.dataOffset, UUID_AT + 32);
  bytes.write(label.fingerprint, FINGERPRINT_AT, 32, 'hex');
  checksumOf(bytes).copy(bytes, CHECKSUM_AT);
}

/** Reads a label; null if there is none, or it is damaged or of a version that this one does not know. */
export function decodeCowLabel(block: Uint8Array): CowLabel | null {
  const bytes = Buffer.from(block.buffer, block.byteOffset, COW_LABEL_BYTES);
  if (bytes.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) return null;
  if (!checksumOf(bytes).equals(bytes.subarray(CHECKSUM_AT, BODY_AT)) || bytes.readUInt32LE(BODY_AT) !== VERSION) return null;
  return {
    uuid: bytes.toString('hex', UUID_AT, UUID_AT + 16),
    committing: bytes.readUInt32LE(BODY_AT + 4) !== 0,
    blockBytes: bytes.readDoubleLE(UUID_AT + 16),
    baseBytes: bytes.readDoubleLE(UUID_AT + 24),
    dataOffset: bytes.readDoubleLE(UUID_AT + 32),
    fingerprint: bytes.toString('hex', FINGERPRINT_AT, FINGERPRINT_AT + 32),
  };
}

/**
 * A SHA-256 of what lies at 64 places of a device, its beginning and its end among them. It finds most of what somebody else has written, such as
 * all that a mounted file system writes to its superblock, and not everything: that would take reading all of it.
 */
export async function fingerprint(device: BlockDevice, claim: BlockClaim | null, sizeBytes: number): Promise<string> {
  const hash = createHash('sha256');
  const { blockSizeBytes } = device.limits;
  const lengthBytes = Math.min(Math.ceil(PLACE_BYTES / blockSizeBytes) * blockSizeBytes, sizeBytes);
  const io = new BlockIo();
  const buffer = IoBuffer.allocate(Math.max(1, lengthBytes));
  let last = -1;
  for (let place = 0; place < PLACES; place++) {
    const wanted = ((sizeBytes - lengthBytes) * place) / (PLACES - 1);
    const offset = Math.floor(wanted / blockSizeBytes) * blockSizeBytes;
    if (offset === last) continue;
    last = offset;
    Object.assign(io, { operation: BLOCK_READ, claim, buffer, offset, lengthBytes });
    await runIo(device, io, 'openCow');
    hash.update(buffer.bytes.subarray(0, io.transferredBytes));
  }
  return hash.digest('hex');
}

function checksumOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes.subarray(BODY_AT)).digest();
}
