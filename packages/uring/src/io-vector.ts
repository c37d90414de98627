import { checkPart, IoBuffer } from './memory.js';
import { outOfRange } from './opcodes/prepare.js';

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
  /** The parts whose memory JavaScript can detach: mostly none, so that there is nothing to check with each request. */
  readonly #detachable: readonly Required<IoSegment>[];
  /** The memory that all parts were found to lie in: addresses do not change. */
  #within: IoBuffer | null = null;

  /** @throws RangeError ERR_OUT_OF_RANGE for a part that is not within its memory, for no parts, and for more than 1024 */
  constructor(segments: readonly IoSegment[]) {
    if (segments.length === 0 || segments.length > SEGMENTS_MAX) {
      throw outOfRange('segments.length', `>= 1 && <= ${SEGMENTS_MAX}`, segments.length);
    }
    this.segments = segments.map(({ memory, memoryOffset = 0, lengthBytes = memory.lengthBytes - memoryOffset }) => {
      checkPart(memory, memoryOffset, lengthBytes);
      return { memory, memoryOffset, lengthBytes };
    });
    this.#detachable = this.segments.filter(({ memory }) => !(memory.bytes.buffer instanceof SharedArrayBuffer));
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

  /**
   * Checks that the parts are still there. What is trusted can have been transferred away since the vector was made, and its addresses be
   * somebody else's.
   *
   * @throws RangeError ERR_OUT_OF_RANGE
   * @internal
   */
  check(): void {
    for (const { memory, memoryOffset, lengthBytes } of this.#detachable) checkPart(memory, memoryOffset, lengthBytes);
  }

  /**
   * {@link check}, and that all parts lie in a buffer, be it as parts of the same IoBuffer or of others on the same memory.
   *
   * @throws RangeError ERR_OUT_OF_RANGE
   * @internal
   */
  checkWithin(buffer: IoBuffer): void {
    this.check();
    // If it has been transferred away, new memory may be at its addresses, and the kernel would still use the old.
    checkPart(buffer, 0, buffer?.lengthBytes);
    if (this.#within === buffer) return;
    for (const [index, { memory, memoryOffset, lengthBytes }] of this.segments.entries()) {
      const start = memory.address + memoryOffset - buffer.address;
      const inside = memory === buffer || (memory.address !== 0 && start >= 0 && start + lengthBytes <= buffer.lengthBytes);
      if (!inside) throw outOfRange(`segments[${index}]`, 'a part of the registered buffer', { memoryOffset, lengthBytes });
    }
    this.#within = buffer;
  }
}
