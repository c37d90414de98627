import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, scrypt as scryptCallback } from 'node:crypto';
import { promisify } from 'node:util';
import { EINVAL, SystemError } from '@biodone/uring';
import { XTS_KEY_BYTES } from './crypt-cipher.js';
import { authenticatedPart, type CryptHeader, NONCE_BYTES, SALT_BYTES, type ScryptCost } from './crypt-header.js';

/** What opens an encrypted device: a passphrase, or a key. One of the two. */
export interface CryptSecret {
  /** A string is normalized (NFC), so that it does not matter which keyboard it comes from, and taken as UTF-8. */
  passphrase?: string | Uint8Array;
  /** 32 to 1024 bytes that nobody can guess. On a device without a header, exactly the 64 bytes of AES-256-XTS. */
  key?: Uint8Array;
}

/** What is to be in a new header. */
export interface HeaderPlan {
  readonly generation: number;
  readonly sectorBytes: number;
  readonly dataOffsetBytes: number;
  readonly cost: ScryptCost;
}

/** More memory than this no header makes scrypt take, whoever has written it. */
const SCRYPT_MEMORY_MAX_BYTES = 2 ** 31;
/** As with memory, so with time: p rounds of N * r. */
const SCRYPT_WORK_MAX = 2 ** 28;
const WRAPPING = 'aes-256-gcm';
const WRAPPING_KEY_BYTES = 32;

const scrypt = promisify<string | Uint8Array, Uint8Array, number, object, Buffer>(scryptCallback);

/** Makes the header that opens `volumeKey` by `secret`. */
export async function wrapKey(volumeKey: Uint8Array, secret: CryptSecret, plan: HeaderPlan): Promise<CryptHeader> {
  checkSecret(secret);
  const { cost, ...rest } = plan;
  const bare = {
    ...rest,
    scrypt: secret.passphrase === undefined ? null : cost,
    salt: randomBytes(SALT_BYTES),
    nonce: randomBytes(NONCE_BYTES),
  };
  const wrapping = await wrappingKey(secret, bare.scrypt, bare.salt);
  const cipher = createCipheriv(WRAPPING, wrapping, bare.nonce).setAAD(authenticatedPart(bare));
  const wrappedKey = cipher.update(volumeKey);
  cipher.final();
  wrapping.fill(0);
  return { ...bare, wrappedKey, tag: cipher.getAuthTag() };
}

/** The volume key of a header, or null if the secret is not the one that it was wrapped with. */
export async function unwrapKey(header: CryptHeader, secret: CryptSecret): Promise<Buffer | null> {
  if ((header.scrypt === null) !== (secret.passphrase === undefined)) return null;
  const wrapping = await wrappingKey(secret, header.scrypt, header.salt);
  const decipher = createDecipheriv(WRAPPING, wrapping, header.nonce).setAAD(authenticatedPart(header));
  const volumeKey = decipher.setAuthTag(Buffer.from(header.tag)).update(header.wrappedKey);
  wrapping.fill(0);
  try {
    decipher.final();
    return volumeKey;
  } catch {
    // The tag says so: this is the key check.
    volumeKey.fill(0);
    return null;
  }
}

/** A key that nobody knows. AES-256-XTS wants its halves different, and random ones are. */
export function newVolumeKey(): Buffer {
  return randomBytes(XTS_KEY_BYTES);
}

/** @throws TypeError ERR_INVALID_ARG_VALUE unless it is one passphrase that is not empty, or one key of 32 to 1024 bytes */
export function checkSecret({ passphrase, key }: CryptSecret): void {
  if ((passphrase === undefined) === (key === undefined)) throw invalid('pass either a passphrase or a key');
  if (passphrase !== undefined && !(passphrase.length > 0)) throw invalid('the passphrase is empty');
  if (key !== undefined && !(key.byteLength >= 32 && key.byteLength <= 1024)) {
    throw invalid(`a key has 32 to 1024 bytes. Received ${key.byteLength}`);
  }
}

/** @throws SystemError EINVAL for parameters that scrypt does not take, and for such as would take all of the machine */
export function checkCost({ N, r, p }: ScryptCost, call: string): void {
  const isPowerOfTwo = Number.isInteger(Math.log2(N)) && N >= 2;
  const sane = isPowerOfTwo && Number.isInteger(r) && r >= 1 && Number.isInteger(p) && p >= 1;
  if (sane && 128 * N * r <= SCRYPT_MEMORY_MAX_BYTES && N * r * p <= SCRYPT_WORK_MAX) return;
  const advice = `scrypt with N ${N}, r ${r}, p ${p}: N is a power of two, 128 * N * r at most 2^31 bytes, N * r * p at most 2^28`;
  throw new SystemError(EINVAL, call, undefined, advice);
}

export function invalid(message: string): TypeError {
  return Object.assign(new TypeError(`crypt: ${message}`), { code: 'ERR_INVALID_ARG_VALUE' });
}

async function wrappingKey(secret: CryptSecret, cost: ScryptCost | null, salt: Uint8Array): Promise<Buffer> {
  if (cost === null) {
    // A key has all the strength that it needs: nothing is gained by making it slow.
    return Buffer.from(hkdfSync('sha256', secret.key as Uint8Array, salt, 'biodone crypt', WRAPPING_KEY_BYTES));
  }
  checkCost(cost, 'openCrypt');
  const { passphrase } = secret;
  const bytes = Buffer.from(typeof passphrase === 'string' ? passphrase.normalize('NFC') : (passphrase as Uint8Array));
  const { N, r, p } = cost;
  // OpenSSL counts a little more than the 128 * N * r bytes of the definition.
  const maxmem = 128 * (N + p + 2) * r + 2 ** 20;
  try {
    return await scrypt(bytes, salt, WRAPPING_KEY_BYTES, { N, r, p, maxmem });
  } finally {
    bytes.fill(0);
  }
}
