import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import type { IoBuffer } from '@biodone/uring';
import { ReleasedMemory } from './released-memory.js';

/** AES-256-XTS has two keys of 256 bits. */
export const XTS_KEY_BYTES = 64;

/** The smallest and the largest sector. NIST SP 800-38E allows 2^20 AES blocks, 16 MiB; nobody wants to change so much for one byte. */
export const SECTOR_MIN_BYTES = 512;
export const SECTOR_MAX_BYTES = 65536;

const ALGORITHM = 'aes-256-xts';

/**
 * AES-256-XTS (IEEE 1619) over whole sectors. The tweak of a sector is its number as 128 bits, little-endian: what dm-crypt calls plain64, in
 * units of the sector.
 *
 * node:crypto has an object a sector, and gives what it makes in memory of its own: this is the one part of the stack that allocates for each
 * I/O, and copies. That memory is given back at once, so that neither caches nor the garbage collector's threads suffer from it.
 */
export class SectorCipher {
  #key: KeyObject | null;
  readonly #sectorBytes: number;
  readonly #tweak = new Uint8Array(16);
  readonly #tweakWords = new DataView(this.#tweak.buffer);
  readonly #results = new ReleasedMemory();

  /** @param key of 64 bytes. A copy is made, as Node 24 would take 10 µs to make one for each sector */
  constructor(key: Uint8Array, sectorBytes: number) {
    this.#key = createSecretKey(key);
    this.#sectorBytes = sectorBytes;
  }

  /** Encrypts whole sectors from one place to another. @throws what node:crypto throws */
  encrypt(
    target: IoBuffer,
    targetOffset: number,
    source: IoBuffer,
    sourceOffset: number,
    lengthBytes: number,
    sector: number,
  ): void {
    const step = this.#sectorBytes;
    const key = this.#key as KeyObject;
    for (let done = 0, number = sector; done < lengthBytes; done += step, number += 1) {
      this.#setTweak(number);
      const clear = source.bytes.subarray(sourceOffset + done, sourceOffset + done + step);
      const result = createCipheriv(ALGORITHM, key, this.#tweak).update(clear);
      target.bytes.set(result, targetOffset + done);
      this.#results.add(result);
    }
  }

  /** Decrypts whole sectors where they are. @throws what node:crypto throws */
  decrypt(memory: IoBuffer, offset: number, lengthBytes: number, sector: number): void {
    const step = this.#sectorBytes;
    const key = this.#key as KeyObject;
    for (let done = 0, number = sector; done < lengthBytes; done += step, number += 1) {
      this.#setTweak(number);
      const place = memory.bytes.subarray(offset + done, offset + done + step);
      const result = createDecipheriv(ALGORITHM, key, this.#tweak).update(place);
      place.set(result);
      this.#results.add(result);
    }
  }

  /** Lets go of the key, which node:crypto overwrites when it is collected. Nothing can be encrypted or decrypted any more. */
  forget(): void {
    this.#key = null;
  }

  /** A sector's number is less than 2^53, so the upper half of the tweak stays zero. */
  #setTweak(sector: number): void {
    this.#tweakWords.setUint32(0, sector % 2 ** 32, true);
    this.#tweakWords.setUint32(4, Math.floor(sector / 2 ** 32), true);
  }
}
