import { ENOMEM, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockIo } from '../block-io.js';
import { CacheIndex, NO_SLOT } from './cache-index.js';
import { CacheLines, part } from './cache-lines.js';

/** The memory of a cache, in slots of a line each. */
export class CacheStore extends CacheLines {
  readonly memory: IoBuffer;

  /** @throws SystemError ENOMEM if the system does not let the process have so much */
  constructor(slots: number, lineBytes: number, sizeBytes: number) {
    super(new CacheIndex(slots), lineBytes, sizeBytes);
    this.memory = allocate(slots * lineBytes);
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
}

function allocate(lengthBytes: number): IoBuffer {
  try {
    return IoBuffer.allocate(lengthBytes);
  } catch (cause) {
    const advice = `the system refuses to reserve ${lengthBytes} bytes at once: make cacheBytes smaller`;
    throw new SystemError(ENOMEM, 'openCache', undefined, advice, cause);
  }
}
