import { createHash } from 'node:crypto';

/** How long a header is, and where its copies are: one at the beginning, one where little that goes wrong there reaches. */
export const HEADER_BYTES = 4096;
export const HEADER_OFFSETS: readonly number[] = [0, 65536];

/** Where the data begins at the earliest: behind the second copy, and aligned like it. */
export const DATA_OFFSET_MIN_BYTES = 131072;

/** What scrypt(3) costs: N a power of two, memory 128 * N * r bytes, time in proportion to N * r * p. */
export interface ScryptCost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** What lies at the beginning of an encrypted device. None of it is secret; all of it is authenticated by the tag of the wrapped key. */
export interface CryptHeader {
  /** The copy with the higher one was written later. */
  readonly generation: number;
  readonly sectorBytes: number;
  readonly dataOffsetBytes: number;
  /** How the wrapping key is made of a passphrase; null if it is made of a key. */
  readonly scrypt: ScryptCost | null;
  readonly salt: Uint8Array;
  /** Nonce, ciphertext and tag of the volume key under AES-256-GCM. */
  readonly nonce: Uint8Array;
  readonly wrappedKey: Uint8Array;
  readonly tag: Uint8Array;
}

const MAGIC = Buffer.from('biodone crypt 1\n', 'latin1');

// The layout: little-endian numbers.
const GENERATION = 16;
const SECTOR_BYTES = 24;
const DATA_OFFSET = 32;
const SCRYPT_N = 40;
const SCRYPT_R = 48;
const SCRYPT_P = 52;
const SALT = 64;
const NONCE = 96;
/** What the wrapped key's tag authenticates ends here. */
const WRAPPED_KEY = 128;
const TAG = 192;
const DIGEST = HEADER_BYTES - 32;

export const SALT_BYTES: number = NONCE - SALT;
export const NONCE_BYTES = 12;

/** The header as it is written. */
export function encodeHeader(header: CryptHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  authenticatedPart(header).copy(bytes);
  bytes.set(header.wrappedKey, WRAPPED_KEY);
  bytes.set(header.tag, TAG);
  bytes.set(digestOf(bytes), DIGEST);
  return bytes;
}

/** The header that was written, or null if this is none, or a damaged one. The digest tells damage from a wrong passphrase; it protects from nobody. */
export function decodeHeader(bytes: Buffer): CryptHeader | null {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  if (!digestOf(bytes).equals(bytes.subarray(DIGEST, HEADER_BYTES))) return null;
  const copy = (offset: number, length: number): Buffer => Buffer.from(bytes.subarray(offset, offset + length));
  const N = Number(bytes.readBigUInt64LE(SCRYPT_N));
  return {
    generation: Number(bytes.readBigUInt64LE(GENERATION)),
    sectorBytes: bytes.readUInt32LE(SECTOR_BYTES),
    dataOffsetBytes: Number(bytes.readBigUInt64LE(DATA_OFFSET)),
    scrypt: N === 0 ? null : { N, r: bytes.readUInt32LE(SCRYPT_R), p: bytes.readUInt32LE(SCRYPT_P) },
    salt: copy(SALT, SALT_BYTES),
    nonce: copy(NONCE, NONCE_BYTES),
    wrappedKey: copy(WRAPPED_KEY, TAG - WRAPPED_KEY),
    tag: copy(TAG, 16),
  };
}

/** What stands before the wrapped key: nobody can change a parameter without the tag telling. */
export function authenticatedPart(header: Omit<CryptHeader, 'wrappedKey' | 'tag'>): Buffer {
  const bytes = Buffer.alloc(WRAPPED_KEY);
  MAGIC.copy(bytes);
  bytes.writeBigUInt64LE(BigInt(header.generation), GENERATION);
  bytes.writeUInt32LE(header.sectorBytes, SECTOR_BYTES);
  bytes.writeBigUInt64LE(BigInt(header.dataOffsetBytes), DATA_OFFSET);
  bytes.writeBigUInt64LE(BigInt(header.scrypt?.N ?? 0), SCRYPT_N);
  bytes.writeUInt32LE(header.scrypt?.r ?? 0, SCRYPT_R);
  bytes.writeUInt32LE(header.scrypt?.p ?? 0, SCRYPT_P);
  bytes.set(header.salt, SALT);
  bytes.set(header.nonce, NONCE);
  return bytes;
}

function digestOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes.subarray(0, DIGEST)).digest();
}
