import { IoBuffer, IoVector } from '@biodone/uring';
import { memoryOf } from './memory-of.js';

/**
 * Memory in several parts, as it was at the call. Each is a view of a fixed length, whatever becomes of its ArrayBuffer; once that is transferred
 * away, or has shrunk below the view, the view has no length left.
 */
export class MemoryParts {
  readonly views: readonly Uint8Array[];
  /** In bytes, at the call. */
  readonly lengthBytes: number;

  constructor(given: readonly (ArrayBufferView | IoBuffer)[]) {
    const views: Uint8Array[] = [];
    let lengthBytes = 0;
    for (const memory of given) {
      const { buffer, byteOffset, byteLength } = memory instanceof IoBuffer ? memory.bytes : memory;
      // Also what is gone already has no bytes.
      if (byteLength === 0) continue;
      views.push(new Uint8Array(buffer, byteOffset, byteLength));
      lengthBytes += byteLength;
    }
    this.views = views;
    this.lengthBytes = lengthBytes;
  }

  /** Whether all of it is there still. */
  get isThere(): boolean {
    return this.views.reduce((sum, { length }) => sum + length, 0) === this.lengthBytes;
  }

  /** Copies from the parts, from the first on. */
  copyInto(target: Uint8Array, lengthBytes: number): void {
    let at = 0;
    for (const view of this.views) {
      const count = Math.min(view.length, lengthBytes - at);
      target.set(count === view.length ? view : view.subarray(0, count), at);
      at += count;
    }
  }

  /** Copies into the parts, from the first on. False, with nothing done, if some of them is gone. */
  copyFrom(source: Uint8Array, lengthBytes: number): boolean {
    if (!this.isThere) return false;
    let at = 0;
    for (const view of this.views) {
      const count = Math.min(view.length, lengthBytes - at);
      view.set(source.subarray(at, at + count));
      at += count;
    }
    return true;
  }

  /** The parts as they are, for the kernel; null where one of them has to be copied, or there are none. */
  asVector(isTrusted: boolean): IoVector | null {
    const wholes = this.views.map((view) => memoryOf(view, isTrusted));
    if (wholes.length === 0 || !wholes.every((whole) => whole !== null)) return null;
    const segments = this.views.map(({ byteOffset, length }, index) => ({
      memory: wholes[index] as IoBuffer,
      memoryOffset: byteOffset,
      lengthBytes: length,
    }));
    return new IoVector(segments);
  }
}
