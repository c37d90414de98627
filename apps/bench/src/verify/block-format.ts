import { fillWithPattern } from '../jobs/byte-pattern.js';
import { Random } from '../run/random.js';
import type { Digest } from './digest.js';

/**
 * A verified block begins with a header of 64 bytes, all numbers little-endian: 0 magic number, 4 version, 8 length of the block, 12 generation,
 * 16 offset (64 bits), 24 seed (64 bits), 32 checksum of what is behind the header (28 bytes), 60 CRC-32C of the header up to there. Behind it
 * is a pattern, or what a generator makes of seed, offset and generation, so the whole block can be made again.
 */
const HEADER_BYTES = 64;
/** The shortest block that is worth its header. */
export const VERIFY_BLOCK_BYTES_MIN = 128;
const MAGIC = 0x66766462;
const VERSION = 1;
const DIGEST_AT = 32;
const CRC_AT = 60;

/** What a header says, and what is wrong with it. */
export interface Header {
  readonly lengthBytes: number;
  readonly generation: number;
  readonly offset: number;
  readonly seed: number;
}

/** Makes blocks and takes them apart. */
export class BlockFormat {
  readonly #seed: number;
  readonly #pattern: readonly number[];
  readonly #digest: Digest | null;
  readonly #crc: Digest;
  /** `verify=pattern`: blocks are the pattern and nothing else. */
  readonly isBare: boolean;

  constructor(seed: number, pattern: readonly number[], isBare: boolean, digest: Digest | null, crc: Digest) {
    this.#seed = seed;
    this.#pattern = pattern;
    this.#digest = digest;
    this.#crc = crc;
    this.isBare = isBare;
  }

  /** Fills memory with the block of an offset and a generation. */
  make(block: Uint8Array, offset: number, generation: number, seed: number = this.#seed): void {
    if (this.isBare) {
      fillWithPattern(block, this.#pattern, offset);
      return;
    }
    const payload = block.subarray(HEADER_BYTES);
    if (this.#pattern.length > 0) fillWithPattern(payload, this.#pattern, offset);
    else fillRandom(payload, seed, offset, generation);
    const view = new DataView(block.buffer, block.byteOffset, HEADER_BYTES);
    block.fill(0, 0, HEADER_BYTES);
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, VERSION, true);
    view.setUint32(8, block.length, true);
    view.setUint32(12, generation, true);
    setWide(view, 16, offset);
    setWide(view, 24, seed);
    if (this.#digest !== null) block.set(this.#digest(payload), DIGEST_AT);
    block.set(this.#crc(block.subarray(0, CRC_AT)), CRC_AT);
  }

  /** Reads a header, or says what is wrong with it. */
  read(block: Uint8Array): Header | string {
    const view = new DataView(block.buffer, block.byteOffset, HEADER_BYTES);
    if (view.getUint32(0, true) !== MAGIC) return 'there is no header';
    if (!isSame(this.#crc(block.subarray(0, CRC_AT)), block.subarray(CRC_AT, HEADER_BYTES))) return 'the header is damaged';
    if (view.getUint32(4, true) !== VERSION) return `the header has version ${view.getUint32(4, true)}, not ${VERSION}`;
    return {
      lengthBytes: view.getUint32(8, true),
      generation: view.getUint32(12, true),
      offset: wideAt(view, 16),
      seed: wideAt(view, 24),
    };
  }

  /** Whether what is behind the header has the header's checksum. */
  isWhole(block: Uint8Array): boolean {
    if (this.#digest === null) return true;
    const computed = this.#digest(block.subarray(HEADER_BYTES));
    return isSame(computed, block.subarray(DIGEST_AT, DIGEST_AT + computed.length));
  }
}

function fillRandom(bytes: Uint8Array, seed: number, offset: number, generation: number): void {
  const random = new Random(seed * 31 + offset + generation * 2 ** 33);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  for (let index = 0; index < words.length; index++) words[index] = random.bits();
  bytes.fill(random.bits() & 255, words.length * 4);
}

function setWide(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

function wideAt(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function isSame(first: Uint8Array, second: Uint8Array): boolean {
  return first.length === second.length && first.every((byte, index) => byte === second[index]);
}
