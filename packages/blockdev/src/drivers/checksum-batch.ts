import { IoBuffer } from '@biodone/uring';
import { type BlockDigest, bindHigh, bindLow, digestedBytes } from './checksum-digest.js';
import { type ChecksumLayout, ENTRY_BYTES, JOURNAL_FIXED_BYTES } from './checksum-layout.js';

const MAGIC = Buffer.from('biodone journal\0', 'latin1');

// Words of a journal's header. Entries follow: the block, and its digest in two halves.
const UUID = 4;
const SEQUENCE_LOW = 8;
const SEQUENCE_HIGH = 9;
const COUNT = 10;
const DIGEST_LOW = 12;
const DIGEST_HIGH = 13;
const DIGEST_WORDS = 2;
const ENTRY_WORDS = ENTRY_BYTES / 4;
const LOW = 1;
const HIGH = 2;

/** An entry of a block that is not to be taken: it was not written when the power failed. */
const NONE = -1;

/**
 * Blocks that were written, and are not in their places yet, in the form in which a journal holds them: a header with their numbers and digests,
 * and the blocks behind it. A block that is written again takes the place that it has.
 */
export class ChecksumBatch {
  readonly memory: IoBuffer;
  /** How many places are taken. */
  count = 0;
  /** Its number among all batches: one more than that of the one before. */
  sequence = 0;
  readonly #layout: ChecksumLayout;
  readonly #words: Int32Array;
  /** From block to place, by open addressing: one more than the block, or 0. */
  readonly #keys: Int32Array;
  readonly #places: Int32Array;
  readonly #mask: number;

  constructor(layout: ChecksumLayout) {
    this.#layout = layout;
    const { journalHeaderBytes, journalBlocks, blockBytes } = layout;
    this.memory = IoBuffer.allocate(journalHeaderBytes + journalBlocks * blockBytes);
    this.#words = new Int32Array(this.memory.bytes.buffer, this.memory.bytes.byteOffset, journalHeaderBytes / 4);
    let size = 16;
    while (size < 4 * journalBlocks) size *= 2;
    this.#keys = new Int32Array(size);
    this.#places = new Int32Array(size);
    this.#mask = size - 1;
  }

  /** The part of a block's digest that its entry holds, of what belongs to this generation. */
  get generation(): number {
    return generationOf(this.sequence);
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  get room(): number {
    return this.#layout.journalBlocks - this.count;
  }

  /** How long it is in the journal. */
  get lengthBytes(): number {
    return this.#layout.journalHeaderBytes + this.count * this.#layout.blockBytes;
  }

  /** Which place a block has; -1 for none. */
  find(block: number): number {
    const key = block + 1;
    for (let at = Math.imul(block, 0x9e3779b1) & this.#mask; ; at = (at + 1) & this.#mask) {
      const found = this.#keys[at] as number;
      if (found === key) return this.#places[at] as number;
      if (found === 0) return -1;
    }
  }

  /** How many of these blocks have no place yet. */
  lacks(first: number, count: number): number {
    let lacking = 0;
    for (let block = first; block < first + count; block++) if (this.find(block) < 0) lacking += 1;
    return lacking;
  }

  /** Takes a block in. There is room for it, or it has a place. */
  put(block: number, source: IoBuffer, sourceOffset: number): void {
    let place = this.find(block);
    if (place < 0) {
      place = this.count;
      this.count += 1;
      this.#words[wordOf(place)] = block;
      this.#index(block, place);
    }
    IoBuffer.copy(this.memory, this.offsetOf(place), source, sourceOffset, this.#layout.blockBytes);
  }

  /** Where a place is in {@link memory}. */
  offsetOf(place: number): number {
    return this.#layout.journalHeaderBytes + place * this.#layout.blockBytes;
  }

  /** The block in a place; -1 for none. */
  block(place: number): number {
    return this.#words[wordOf(place)] as number;
  }

  low(place: number): number {
    return this.#words[wordOf(place) + LOW] as number;
  }

  high(place: number): number {
    return this.#words[wordOf(place) + HIGH] as number;
  }

  clear(): void {
    this.count = 0;
    this.#keys.fill(0);
  }

  /** Takes all digests, and makes the header of it. */
  seal(sequence: number, uuid: Uint8Array, digest: BlockDigest, salt: number): void {
    const words = this.#words;
    this.sequence = sequence;
    const generation = generationOf(sequence);
    for (let place = 0; place < this.count; place++) {
      const word = wordOf(place);
      const address = (words[word] as number) + salt;
      digest.of(this.memory, this.offsetOf(place), this.#layout.blockBytes);
      words[word + LOW] = bindLow(digest.low, address, generation);
      words[word + HIGH] = bindHigh(digest.high, address, generation);
      words[word + HIGH + 1] = 0;
    }
    this.memory.bytes.set(MAGIC, 0);
    this.memory.bytes.set(uuid, UUID * 4);
    words[SEQUENCE_LOW] = sequence | 0;
    words[SEQUENCE_HIGH] = Math.floor(sequence / 2 ** 32);
    words[COUNT] = this.count;
    words[COUNT + 1] = 0;
    words.fill(0, DIGEST_HIGH + 1, JOURNAL_FIXED_BYTES / 4);
    this.#digestHeader(digest);
    words[DIGEST_LOW] = digest.low;
    words[DIGEST_HIGH] = digest.high;
  }

  /**
   * Looks at a header that was read into {@link memory}. Returns whether it is a journal's of this device; then {@link sequence} and {@link count}
   * are set, and the blocks are to be read.
   */
  readHeader(uuid: Uint8Array, digest: BlockDigest): boolean {
    const words = this.#words;
    const { bytes } = this.memory;
    const count = words[COUNT] as number;
    if (Buffer.compare(bytes.subarray(0, MAGIC.length), MAGIC) !== 0) return false;
    if (Buffer.compare(bytes.subarray(UUID * 4, UUID * 4 + 16), uuid) !== 0) return false;
    if (count < 1 || count > this.#layout.journalBlocks) return false;
    this.count = count;
    this.#digestHeader(digest);
    if (words[DIGEST_LOW] !== digest.low || words[DIGEST_HIGH] !== digest.high) {
      this.count = 0;
      return false;
    }
    this.sequence = ((words[SEQUENCE_LOW] as number) >>> 0) + (words[SEQUENCE_HIGH] as number) * 2 ** 32;
    return true;
  }

  /** Takes the blocks that were read into {@link memory}: those that were not written when the power failed are left out. */
  readBlocks(digest: BlockDigest, salt: number): void {
    const { generation } = this;
    for (let place = 0; place < this.count; place++) {
      const block = this.block(place);
      digest.of(this.memory, this.offsetOf(place), this.#layout.blockBytes);
      const isThere =
        block >= 0 &&
        block < this.#layout.blockCount &&
        this.low(place) === bindLow(digest.low, block + salt, generation) &&
        this.high(place) === bindHigh(digest.high, block + salt, generation);
      if (isThere) this.#index(block, place);
      else this.#words[wordOf(place)] = NONE;
    }
  }

  #index(block: number, place: number): void {
    let at = Math.imul(block, 0x9e3779b1) & this.#mask;
    while (this.#keys[at] !== 0) at = (at + 1) & this.#mask;
    this.#keys[at] = block + 1;
    this.#places[at] = place;
  }

  #digestHeader(digest: BlockDigest): void {
    const lengthBytes = digestedBytes(JOURNAL_FIXED_BYTES + this.count * ENTRY_BYTES);
    digest.without(this.memory, 0, lengthBytes, DIGEST_LOW, DIGEST_WORDS);
  }
}

/** 32 bits of a number that counts the batches: none of those that have a meaning of their own. */
function generationOf(sequence: number): number {
  const generation = (sequence % (2 ** 32 - 2)) + 1;
  return generation | 0;
}

function wordOf(place: number): number {
  return JOURNAL_FIXED_BYTES / 4 + place * ENTRY_WORDS;
}
