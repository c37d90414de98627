import { createHash } from 'node:crypto';
import type { VerifyMethod } from '../jobs/job-options.js';

/** Castagnoli's polynomial, reversed. */
const CRC32C_POLYNOMIAL = 0x82f63b78;

/** The IEEE's, reversed: fio's `crc32`. */
const CRC32_POLYNOMIAL = 0xedb88320;
/** A header has room for so many bytes of a checksum; of longer ones it has the beginning. */
const DIGEST_BYTES_MAX = 28;

/** Computes a checksum of bytes, at most 28 bytes long. */
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
    case 'crc32': {
      const { createCRC32 } = await hashes();
      const hasher = await createCRC32(CRC32_POLYNOMIAL);
      return (bytes) => hasher.init().update(bytes).digest('binary');
    }
    case 'crc64': {
      const { createCRC64 } = await hashes();
      const hasher = await createCRC64();
      return (bytes) => hasher.init().update(bytes).digest('binary');
    }
    case 'none':
    case 'null':
    case 'pattern':
      return null;
    default:
      return (bytes) => createHash(method).update(bytes).digest().subarray(0, DIGEST_BYTES_MAX);
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
