import { IoBuffer } from '@biodone/uring';
import { assembleDigest, DIGEST_DATA_AT, DIGEST_STEP_BYTES } from './checksum-wasm.js';

/** The parts of WebAssembly that are used here: the package's types are those of Node alone, which has no names for them. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer };
}

interface DigestExports {
  digest(lengthBytes: number): number;
}

let compiled: object | null = null;

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
 * It runs in WebAssembly, on a copy of the data, as that sees no other memory.
 */
export class BlockDigest {
  /** Of the last {@link of}: the halves, not bound to any place. */
  low = 0;
  high = 0;
  readonly #copy: IoBuffer;
  readonly #words: Int32Array;
  readonly #digest: (lengthBytes: number) => number;

  /**
   * @param longestBytes the longest that it is to take
   * @throws Error where there is no WebAssembly, or none with vectors
   */
  constructor(longestBytes: number) {
    const api = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
    compiled ??= new api.Module(assembleDigest());
    const memory = new api.Memory({ initial: Math.ceil((DIGEST_DATA_AT + longestBytes) / 65536) });
    this.#digest = (new api.Instance(compiled, { js: { memory } }).exports as DigestExports).digest;
    this.#copy = IoBuffer.over(new Uint8Array(memory.buffer), { trusted: true });
    this.#words = new Int32Array(memory.buffer);
  }

  /** The digest of data: its length is a multiple of 256. */
  of(data: IoBuffer, offset: number, lengthBytes: number): void {
    IoBuffer.copy(this.#copy, DIGEST_DATA_AT, data, offset, lengthBytes);
    this.low = this.#digest(lengthBytes);
    this.high = this.#words[0] as number;
  }

  /** As {@link of}, with some words, of 4 bytes, taken as 0: those in which the digest itself stands. */
  without(data: IoBuffer, offset: number, lengthBytes: number, firstWord: number, wordCount: number): void {
    IoBuffer.copy(this.#copy, DIGEST_DATA_AT, data, offset, lengthBytes);
    const begin = DIGEST_DATA_AT / 4 + firstWord;
    for (let word = begin; word < begin + wordCount; word++) this.#words[word] = 0;
    this.low = this.#digest(lengthBytes);
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
