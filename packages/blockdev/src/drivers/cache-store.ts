import { ENOMEM, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockIo } from '../block-io.js';
import { CacheIndex, NO_SLOT } from './cache-index.js';

/** The memory of a cache, in slots of a line each, and the geometry of the lines. */
export class CacheStore {
  readonly index: CacheIndex;
  readonly lineBytes: number;
  /** How large the cached device is. Its last line may be shorter than the others. */
  readonly sizeBytes: number;
  readonly memory: IoBuffer;
  /** Exact, as a line is a power of two long, and takes a third of the time of a division. */
  readonly #linesPerByte: number;

  /** @throws SystemError ENOMEM if the system does not let the process have so much */
  constructor(slots: number, lineBytes: number, sizeBytes: number) {
    this.index = new CacheIndex(slots);
    this.lineBytes = lineBytes;
    this.sizeBytes = sizeBytes;
    this.memory = allocate(slots * lineBytes);
    this.#linesPerByte = 1 / lineBytes;
  }

  lineAt(offset: number): number {
    return Math.floor(offset * this.#linesPerByte);
  }

  /** The first line behind a range. */
  lineBehind(offset: number, lengthBytes: number): number {
    return Math.ceil((offset + lengthBytes) * this.#linesPerByte);
  }

  lengthOf(line: number): number {
    return Math.min(this.lineBytes, this.sizeBytes - line * this.lineBytes);
  }

  /** Copies from the cache into memory. */
  copyOut(slot: number, within: number, target: IoBuffer, targetOffset: number, lengthBytes: number): void {
    IoBuffer.copy(target, targetOffset, this.memory, slot * this.lineBytes + within, lengthBytes);
  }

  /** Copies from memory into the cache. */
  copyIn(slot: number, within: number, source: IoBuffer, sourceOffset: number, lengthBytes: number): void {
    IoBuffer.copy(this.memory, slot * this.lineBytes + within, source, sourceOffset, lengthBytes);
  }

  fillZero(slot: number, within: number, lengthBytes: number): void {
    const begin = slot * this.lineBytes + within;
    this.memory.bytes.fill(0, begin, begin + lengthBytes);
  }

  /**
   * Reads a request from the cache if all of it is there. This is what most requests to a cache are.
   *
   * @returns whether that was so; otherwise nothing is copied
   */
  readHit(io: BlockIo): boolean {
    const { offset, lengthBytes } = io;
    const { index, lineBytes } = this;
    const first = this.lineAt(offset);
    const within = offset - first * lineBytes;
    if (within + lengthBytes > lineBytes) return this.#readLines(io, first);
    const slot = index.find(first);
    if (slot === NO_SLOT) return false;
    IoBuffer.copy(io.buffer as IoBuffer, io.bufferOffset, this.memory, slot * lineBytes + within, lengthBytes);
    index.touch(slot);
    return true;
  }

  #readLines(io: BlockIo, first: number): boolean {
    const { index } = this;
    const behind = this.lineBehind(io.offset, io.lengthBytes);
    for (let line = first; line < behind; line++) if (index.find(line) === NO_SLOT) return false;
    for (let line = first; line < behind; line++) {
      const slot = index.find(line);
      this.partOf(io, line);
      this.copyOut(slot, part.within, io.buffer as IoBuffer, io.bufferOffset + part.position, part.lengthBytes);
      index.touch(slot);
    }
    return true;
  }

  /** Which part of a request lies in a line: the answer is in {@link part}. */
  partOf(io: BlockIo, line: number): void {
    const begin = line * this.lineBytes;
    const from = Math.max(begin, io.offset);
    const to = Math.min(begin + this.lineBytes, io.offset + io.lengthBytes);
    part.within = from - begin;
    part.position = from - io.offset;
    part.lengthBytes = to - from;
  }
}

/** The answer of {@link CacheStore.partOf}. One object for all: read it before the next call. */
export const part: { within: number; position: number; lengthBytes: number } = { within: 0, position: 0, lengthBytes: 0 };

function allocate(lengthBytes: number): IoBuffer {
  try {
    return IoBuffer.allocate(lengthBytes);
  } catch (cause) {
    const advice = `the system refuses to reserve ${lengthBytes} bytes at once: make cacheBytes smaller`;
    throw new SystemError(ENOMEM, 'openCache', undefined, advice, cause);
  }
}
