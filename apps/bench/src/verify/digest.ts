import { createHash } from 'node:crypto';
import type { VerifyMethod } from '../jobs/job-options.js';

/** Castagnoli's polynomial, reversed. */
const CRC32C_POLYNOMIAL = 0x82f63b78;

/** Computes a checksum of bytes, at most 16 bytes long. */
export type Digest = (bytes: Uint8Array) => Uint8Array;

/** The checksum that a method puts into headers, or null for one without. */
export async function digestOf(method: VerifyMethod): Promise<Digest | null> {
  switch (method) {
    case 'crc32c':
      return crc32c();
    case 'xxhash': {
      const { createXXHash64 } = await hashes();
      const hasher = await createXXHash64();
      return (bytes) => hasher.init().update(bytes).digest('binary');
    }
    case 'md5':
      return (bytes) => createHash('md5').update(bytes).digest();
    default:
      return null;
  }
}

/** CRC-32C, which guards the header itself whatever the method is. */
export async function crc32c(): Promise<Digest> {
  const { createCRC32 } = await hashes();
  const hasher = await createCRC32(CRC32C_POLYNOMIAL);
  return (bytes) => hasher.init().update(bytes).digest('binary');
}

/** Loaded only where something is verified: it is larger than the rest of the program. */
function hashes(): Promise<typeof import('hash-wasm')> {
  return import('hash-wasm');
}
