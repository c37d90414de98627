import { ENOMEM, ENOSYS, IoBuffer, SystemError, WebAssemblyProgram } from '@biodone/uring';
import { assembleDigest, DIGEST_STEP_BYTES, type DigestExports } from './checksum-wasm.js';

const program = new WebAssemblyProgram<DigestExports, DigestExports>(assembleDigest, ({ digest, matches }) => ({
  digest,
  matches,
}));

/** Where the copy of data begins that is not where the program sees it: a place whose address IoBuffer keeps. Before it is room for half of a digest. */
const COPY_AT = 4096;

/** What a digest is bound with: odd numbers with their bits well mixed, those of XXH32. */
const ADDRESS_LOW = 0x9e3779b1;
const ADDRESS_HIGH = 0x85ebca77;
const GENERATION_LOW = 0xc2b2ae3d;
const GENERATION_HIGH = 0x27d4eb2f;

/**
 * The checksum: 64 bits, as two halves. It is Fletcher's, of the second order: the sum of all words, and the sum of these sums, so that each word
 * counts by its place; of words of 32 bits in four lanes, in sums that are never reduced. A change of one word, or of any two of a lane, cannot go
 * unnoticed; any other change does so once in 2^64 times. The sums are then mixed into 64 bits.
 *
 * It runs in WebAssembly: on data that lies in such memory (`IoBuffer.inWebAssembly`) where it is, on all other data on a copy.
 */
export class BlockDigest {
  /** Of the last {@link of}: the halves, not bound to any place. */
  low = 0;
  high = 0;
  readonly #copy: IoBuffer;
  readonly #words: Int32Array;
  readonly #own: DigestExports;

  /**
   * @param longestBytes the longest that it is to take
   * @throws SystemError ENOSYS where there is no WebAssembly, or none with vectors; ENOMEM if the system refuses the address space for it
   */
  constructor(longestBytes: number) {
    const name = 'openChecksum';
    if (!program.isAvailable) {
      throw new SystemError(ENOSYS, name, undefined, 'checksums need WebAssembly with vectors, which this Node does not have');
    }
    this.#copy = IoBuffer.inWebAssembly(COPY_AT + longestBytes);
    const own = program.on(this.#copy);
    if (own === null) {
      const message = 'the system refuses the address space that WebAssembly reserves, some 10 GiB (see ulimit -v)';
      throw new SystemError(ENOMEM, name, undefined, message);
    }
    this.#own = own;
    this.#words = new Int32Array(this.#copy.bytes.buffer);
  }

  /** Whether data has the digest with these halves. */
  matches(data: IoBuffer, offset: number, lengthBytes: number, low: number, high: number): boolean {
    const inPlace = program.on(data);
    if (inPlace !== null) return inPlace.matches(offset, lengthBytes, low, high) !== 0;
    IoBuffer.copy(this.#copy, COPY_AT, data, offset, lengthBytes);
    return this.#own.matches(COPY_AT, lengthBytes, low, high) !== 0;
  }

  /** The digest of data: its length is a multiple of 256. */
  of(data: IoBuffer, offset: number, lengthBytes: number): void {
    IoBuffer.copy(this.#copy, COPY_AT, data, offset, lengthBytes);
    this.#digestCopy(lengthBytes);
  }

  /** As {@link of}, with some words, of 4 bytes, taken as 0: those in which the digest itself stands. */
  without(data: IoBuffer, offset: number, lengthBytes: number, firstWord: number, wordCount: number): void {
    IoBuffer.copy(this.#copy, COPY_AT, data, offset, lengthBytes);
    const begin = COPY_AT / 4 + firstWord;
    for (let word = begin; word < begin + wordCount; word++) this.#words[word] = 0;
    this.#digestCopy(lengthBytes);
  }

  #digestCopy(lengthBytes: number): void {
    this.low = this.#own.digest(COPY_AT, lengthBytes, 0);
    this.high = this.#words[0] as number;
  }
}

/** The low half of a digest of what belongs to this address, in this generation. Binding it twice gives what it was. */
export function bindLow(low: number, address: number, generation: number): number {
  return low ^ Math.imul(address + 1, ADDRESS_LOW) ^ Math.imul(generation, GENERATION_LOW);
}

export function bindHigh(high: number, address: number, generation: number): number {
  return high ^ Math.imul(address + 1, ADDRESS_HIGH) ^ Math.imul(generation, GENERATION_HIGH);
}

/** Up to where a digest is taken of something that has this length. */
export function digestedBytes(lengthBytes: number): number {
  return Math.ceil(lengthBytes / DIGEST_STEP_BYTES) * DIGEST_STEP_BYTES;
}
