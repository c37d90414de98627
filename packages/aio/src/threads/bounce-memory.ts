import type { BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

/** Memory that service threads can have, in place of an operation's own. */
export interface Bounce {
  /** Stands for `buffer` or `vector`. */
  data: IoBuffer | null;
  /** Stands for `compare`. */
  compare: IoBuffer | null;
  /** Takes the extents, three numbers each. */
  extents: IoBuffer | null;
}

/** How much memory that is not in use is kept. */
const KEPT_MAX_BYTES = 8 * 2 ** 20;
const SMALLEST_BYTES = 4096;

/**
 * Copies for what cannot be shared with other threads: trusted memory on an ArrayBuffer. (A copy of 4 KiB costs about 0.2 µs; memory of
 * `IoBuffer.allocate` needs none.) The memory is kept by sizes, each a power of two, and used again.
 */
export class BounceMemory {
  readonly #free = new Map<number, IoBuffer[]>();
  #keptBytes = 0;

  /** Memory of at least so many bytes. */
  take(lengthBytes: number): IoBuffer {
    const size = Math.max(SMALLEST_BYTES, 2 ** Math.ceil(Math.log2(lengthBytes)));
    const kept = this.#free.get(size)?.pop();
    if (kept === undefined) return IoBuffer.allocate(size);
    this.#keptBytes -= size;
    return kept;
  }

  giveBack({ data, compare, extents }: Bounce): void {
    for (const memory of [data, compare, extents]) if (memory !== null) this.#keep(memory);
  }

  #keep(memory: IoBuffer): void {
    const { lengthBytes } = memory;
    if (this.#keptBytes + lengthBytes > KEPT_MAX_BYTES) return;
    this.#keptBytes += lengthBytes;
    const list = this.#free.get(lengthBytes);
    if (list === undefined) this.#free.set(lengthBytes, [memory]);
    else list.push(memory);
  }
}

/** The views of an operation's memory, in order. Empty if it has none, or not as much as it says. */
export function viewsOf({ buffer, bufferOffset, vector, lengthBytes }: BlockIo): Uint8Array[] {
  if (vector === null) return viewOf(buffer, bufferOffset, lengthBytes);
  if (buffer !== null || vector.lengthBytes !== lengthBytes) return [];
  const views = vector.segments.map(({ memory, memoryOffset, lengthBytes }) => viewOf(memory, memoryOffset, lengthBytes));
  return views.some((view) => view.length === 0) ? [] : views.flat();
}

/** One part of memory. Empty if it is not there, or not any more. */
export function viewOf(buffer: IoBuffer | null, offset: number, lengthBytes: number): Uint8Array[] {
  const isRange = Number.isSafeInteger(offset) && Number.isSafeInteger(lengthBytes) && offset >= 0 && lengthBytes >= 0;
  if (buffer === null || !isRange || offset > buffer.bytes.length - lengthBytes) return [];
  return [buffer.bytes.subarray(offset, offset + lengthBytes)];
}

/** Copies all views into memory, one behind the other. */
export function gather({ bytes }: IoBuffer, views: readonly Uint8Array[]): void {
  let offset = 0;
  for (const view of views) {
    bytes.set(view, offset);
    offset += view.length;
  }
}

/** Copies the first bytes of memory into views. */
export function scatter({ bytes }: IoBuffer, views: readonly Uint8Array[], lengthBytes: number): void {
  let offset = 0;
  for (const view of views) {
    const part = Math.min(view.length, lengthBytes - offset);
    view.set(bytes.subarray(offset, offset + part));
    offset += part;
  }
}
