import { threadId } from 'node:worker_threads';
import { libc } from './syscalls.js';

/**
 * Memory for I/O: aligned, and safe from being moved or freed while the kernel works on it.
 *
 * It lies on a SharedArrayBuffer, which JavaScript cannot detach, transfer or shrink, and which other threads can share. The memory lives
 * as long as somebody holds the IoBuffer: a block device's request does until its completion, and whoever passes the bare address to the
 * kernel has to.
 *
 * @example
 * ```js
 * import { IoBuffer } from '@biodone/uring';
 *
 * const buffer = IoBuffer.allocate(4096);
 * buffer.bytes.set([1, 2, 3]);
 * console.log(buffer.address % 4096); // 0: fit for O_DIRECT
 *
 * // What a worker gets by postMessage() or workerData, and makes of it:
 * const same = IoBuffer.attach(structuredClone(buffer.handle()));
 * console.log(same.bytes[2], same.id === buffer.id); // 3 true
 * ```
 */
export class IoBuffer {
  /** The memory, for JavaScript. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** The address of the first byte, for the kernel; 0 where this platform has no foreign function interface. */
  readonly address: number;
  /** The length, in bytes. */
  readonly lengthBytes: number;
  /** Names this memory in every thread of the process. */
  readonly id: number;

  private constructor(bytes: Uint8Array<SharedArrayBuffer>, id: number) {
    this.bytes = bytes;
    this.lengthBytes = bytes.byteLength;
    this.address = addressOf(bytes);
    this.id = id;
  }

  /**
   * Allocates zeroed memory.
   *
   * @param lengthBytes how much, at least 1
   * @param alignmentBytes a power of two; 4096, the default, is enough for O_DIRECT on any device
   * @throws RangeError ERR_OUT_OF_RANGE
   */
  static allocate(lengthBytes: number, alignmentBytes = 4096): IoBuffer {
    if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 1)
      throw outOfRange('lengthBytes', 'an integer of at least 1', lengthBytes);
    const isPowerOfTwo = Number.isInteger(Math.log2(alignmentBytes)) && alignmentBytes >= 1;
    if (!isPowerOfTwo) throw outOfRange('alignmentBytes', 'a power of two', alignmentBytes);
    // V8 aligns array buffers to 16 bytes at most, so some of the memory is given up to start at an aligned address.
    const memory = new SharedArrayBuffer(lengthBytes + alignmentBytes);
    const address = addressOf(new Uint8Array(memory));
    const skipped = (alignmentBytes - (address % alignmentBytes)) % alignmentBytes;
    return new IoBuffer(new Uint8Array(memory, skipped, lengthBytes), nextId());
  }

  /**
   * Uses a view on a SharedArrayBuffer as it is, wherever it begins.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for a view on an ArrayBuffer, which its owner could detach while the kernel writes into it
   */
  static over(view: Uint8Array): IoBuffer {
    if (!(view.buffer instanceof SharedArrayBuffer)) {
      const message = 'memory for I/O must lie on a SharedArrayBuffer: allocate it with IoBuffer.allocate(), or copy';
      throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    return new IoBuffer(view as Uint8Array<SharedArrayBuffer>, nextId());
  }

  /**
   * Copies `lengthBytes` from `source` to `target`, which may overlap. Makes no view, where the platform lets it.
   *
   * The caller has checked that both ranges lie within their buffers.
   */
  static copy(target: IoBuffer, targetOffset: number, source: IoBuffer, sourceOffset: number, lengthBytes: number): void {
    if (target.address !== 0) {
      libc().memmove(target.address + targetOffset, source.address + sourceOffset, lengthBytes);
    } else {
      target.bytes.set(source.bytes.subarray(sourceOffset, sourceOffset + lengthBytes), targetOffset);
    }
  }

  /** What another thread needs to use the same memory: pass it through `postMessage` or `workerData` to {@link attach}. */
  handle(): IoBufferHandle {
    return {
      id: this.id,
      memory: this.bytes.buffer,
      byteOffset: this.bytes.byteOffset,
      lengthBytes: this.lengthBytes,
    };
  }

  /** The same memory in another thread, under the same id. */
  static attach(handle: IoBufferHandle): IoBuffer {
    return new IoBuffer(new Uint8Array(handle.memory, handle.byteOffset, handle.lengthBytes), handle.id);
  }
}

/** An {@link IoBuffer} on its way to another thread. */
export interface IoBufferHandle {
  readonly id: number;
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly lengthBytes: number;
}

let lastId = 0;

/** Threads count for themselves, and Node never gives a thread's number to another one. */
function nextId(): number {
  lastId += 1;
  return threadId * 2 ** 32 + lastId;
}

function addressOf(view: Uint8Array): number {
  try {
    return libc().address(view);
  } catch {
    return 0;
  }
}

function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${String(value)}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}
