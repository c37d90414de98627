import { IoBuffer } from '@biodone/uring';

/** Copies of the larger sizes are not kept for the next request. */
const KEPT_BYTES_MAX = 2 ** 20;
const KEPT_COUNT_MAX = 64;

/** Free copies, by their size, a power of two. */
const kept = new Map<number, IoBuffer[]>();
/** The whole of each SharedArrayBuffer that has been used, so that its address is asked for once. */
const shared = new WeakMap<SharedArrayBuffer, IoBuffer>();

/** The IoBuffer of memory that the kernel may work on, or null for memory that has to be copied. */
export function shareable(view: Uint8Array): IoBuffer | null {
  const { buffer } = view;
  if (!(buffer instanceof SharedArrayBuffer)) return null;
  let whole = shared.get(buffer);
  if (whole === undefined) {
    whole = IoBuffer.over(new Uint8Array(buffer));
    shared.set(buffer, whole);
  }
  return whole;
}

/** Memory for a copy. Its contents are those of an earlier request. */
export function takeBounce(lengthBytes: number): IoBuffer {
  const sizeBytes = sizeOf(lengthBytes);
  return kept.get(sizeBytes)?.pop() ?? IoBuffer.allocate(sizeBytes);
}

export function giveBounce(buffer: IoBuffer): void {
  if (buffer.lengthBytes > KEPT_BYTES_MAX) return;
  const list = kept.get(buffer.lengthBytes) ?? [];
  if (list.length === 0) kept.set(buffer.lengthBytes, list);
  if (list.length < KEPT_COUNT_MAX) list.push(buffer);
}

function sizeOf(lengthBytes: number): number {
  return Math.max(4096, 2 ** Math.ceil(Math.log2(Math.max(1, lengthBytes))));
}
