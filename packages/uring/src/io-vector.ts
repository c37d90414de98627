import { IoBuffer } from './memory.js';
import { checkPart, outOfRange } from './opcodes/prepare.js';

/** A part of a buffer, for an {@link IoVector}. */
export interface IoSegment {
  readonly memory: IoBuffer;
  /** @default 0 */
  readonly memoryOffset?: number;
  /** @default the rest of the memory */
  readonly lengthBytes?: number;
}

/** The kernel's UIO_MAXIOV. */
const SEGMENTS_MAX = 1024;

/**
 * Parts of memory that one request reads into or writes from, in order: `struct iovec`, as readv(2) has it. Make it once and use it as
 * often as you like, also in several requests at a time; each holds it, and the memory with it.
 */
export class IoVector {
  readonly segments: readonly Required<IoSegment>[];
  /** The sum of the parts, in bytes. */
  readonly lengthBytes: number;
  /** Where the array of `struct iovec` is. */
  readonly address: number;
  readonly #words: IoBuffer;

  /** @throws RangeError ERR_OUT_OF_RANGE for a part that is not within its memory, for no parts, and for more than 1024 */
  constructor(segments: readonly IoSegment[]) {
    if (segments.length === 0 || segments.length > SEGMENTS_MAX) {
      throw outOfRange('segments.length', `>= 1 && <= ${SEGMENTS_MAX}`, segments.length);
    }
    this.segments = segments.map(({ memory, memoryOffset = 0, lengthBytes = memory.lengthBytes - memoryOffset }) => {
      checkPart(memory, memoryOffset, lengthBytes);
      return { memory, memoryOffset, lengthBytes };
    });
    this.lengthBytes = this.segments.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    this.#words = IoBuffer.allocate(segments.length * 16, 8);
    this.address = this.#words.address;
    const { buffer, byteOffset } = this.#words.bytes;
    const words = new BigUint64Array(buffer, byteOffset, segments.length * 2);
    for (const [index, { memory, memoryOffset, lengthBytes }] of this.segments.entries()) {
      words[index * 2] = BigInt(memory.address + memoryOffset);
      words[index * 2 + 1] = BigInt(lengthBytes);
    }
  }

  /** How many parts there are. */
  get count(): number {
    return this.segments.length;
  }
}
