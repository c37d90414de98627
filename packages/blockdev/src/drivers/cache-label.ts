import { createHash, randomBytes } from 'node:crypto';

/** How much the label takes at the beginning of a device. */
export const LABEL_BYTES = 4096;

/** What stands at the beginning of a device that belongs to a cache: what it is, whose, and how it is laid out. */
export interface CacheLabel {
  readonly kind: CacheLabelKind;
  /** 32 hexadecimal digits. */
  readonly uuid: string;
  readonly lineBytes: number;
  /** How large the cached device is, and how it is called. */
  readonly deviceBytes: number;
  readonly deviceName: string;
  /** How many lines there is room for, and where they begin. */
  readonly slots: number;
  readonly dataOffset: number;
}

/** A log, or what holds a cache's lines. */
type CacheLabelKind = 'log' | 'cache device';

const MAGICS: Readonly<Record<CacheLabelKind, Buffer>> = {
  log: Buffer.from('biodone cachelog', 'latin1'),
  'cache device': Buffer.from('biodone cachedev', 'latin1'),
};
const MAGIC_BYTES = 16;
const VERSION = 1;
const CHECKSUM_AT = 16;
const BODY_AT = 48;
const UUID_AT = 56;
const NAME_AT = 112;
/** All of it fits into what a disk writes all or nothing of. A longer name is known by its end, and its SHA-256. */
const NAME_MAX_BYTES = 360;

export function newCacheLabel(fields: Omit<CacheLabel, 'uuid'>): CacheLabel {
  return { ...fields, deviceName: shortened(fields.deviceName), uuid: randomBytes(16).toString('hex') };
}

/** A device's name as labels have it. */
export function shortened(name: string): string {
  if (Buffer.byteLength(name) <= NAME_MAX_BYTES) return name;
  const digest = createHash('sha256').update(name).digest('hex');
  return `${digest}:…${name.slice(-64).replace(/[^ -~]/g, '?')}`;
}

/** Writes a label into a block of {@link LABEL_BYTES}. */
export function encodeCacheLabel(label: CacheLabel, block: Uint8Array): void {
  const bytes = Buffer.from(block.buffer, block.byteOffset, LABEL_BYTES).fill(0);
  MAGICS[label.kind].copy(bytes);
  bytes.writeUInt32LE(VERSION, BODY_AT);
  bytes.write(label.uuid, UUID_AT, 16, 'hex');
  bytes.writeDoubleLE(label.lineBytes, UUID_AT + 16);
  bytes.writeDoubleLE(label.deviceBytes, UUID_AT + 24);
  bytes.writeDoubleLE(label.slots, UUID_AT + 32);
  bytes.writeDoubleLE(label.dataOffset, UUID_AT + 40);
  bytes.writeUInt32LE(Buffer.byteLength(label.deviceName), NAME_AT);
  bytes.write(label.deviceName, NAME_AT + 4);
  checksumOf(bytes).copy(bytes, CHECKSUM_AT);
}

/** Reads a label; null if there is none, or it is damaged or of a version that this one does not know. */
export function decodeCacheLabel(block: Uint8Array): CacheLabel | null {
  const bytes = Buffer.from(block.buffer, block.byteOffset, LABEL_BYTES);
  const kind = (['log', 'cache device'] as const).find((each) => MAGICS[each].equals(bytes.subarray(0, MAGIC_BYTES)));
  if (kind === undefined) return null;
  if (!checksumOf(bytes).equals(bytes.subarray(CHECKSUM_AT, BODY_AT)) || bytes.readUInt32LE(BODY_AT) !== VERSION) return null;
  return {
    kind,
    uuid: bytes.toString('hex', UUID_AT, UUID_AT + 16),
    lineBytes: bytes.readDoubleLE(UUID_AT + 16),
    deviceBytes: bytes.readDoubleLE(UUID_AT + 24),
    slots: bytes.readDoubleLE(UUID_AT + 32),
    dataOffset: bytes.readDoubleLE(UUID_AT + 40),
    deviceName: bytes.toString('utf8', NAME_AT + 4, NAME_AT + 4 + bytes.readUInt32LE(NAME_AT)),
  };
}

function checksumOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes.subarray(BODY_AT)).digest();
}
