import { BLOCK_READ } from '@biodone/blockdev';
import { EFAULT, IoBuffer, IoVector, libc } from '@biodone/uring';
import type { AioRequest } from './aio-request.js';

/** Copies of the larger sizes are not kept for the next request. */
const KEPT_BYTES_MAX = 2 ** 20;
const KEPT_COUNT_MAX = 64;

/** Free copies, by their size, a power of two. */
const kept = new Map<number, IoBuffer[]>();
/** The whole of each SharedArrayBuffer that has been used, so that its address is asked for once. */
const shared = new WeakMap<SharedArrayBuffer, IoBuffer>();
/** What requests of no bytes have for memory. */
let nothing: IoBuffer | null = null;

/** Learns a request's memory, if it is not that of the last time. */
export function learn(request: AioRequest, view: Uint8Array): void {
  const whole = shareable(view);
  request.view = view;
  request.whole = whole;
  // An ArrayBuffer keeps its address as long as it is not detached, which shows in its length.
  request.address = whole === null ? libc().address(view) : whole.address + view.byteOffset;
}

/** Gives the operation its memory, or a copy of it. */
export function setMemory(request: AioRequest, view: Uint8Array | null, lengthBytes: number): void {
  request.vector = null;
  if (view === null || lengthBytes === 0) {
    nothing ??= IoBuffer.allocate(1, 1);
    request.buffer = nothing;
    request.bufferOffset = 0;
    return;
  }
  if (request.view !== view) learn(request, view);
  if (request.whole !== null) {
    request.buffer = request.whole;
    request.bufferOffset = view.byteOffset;
    return;
  }
  const bounce = takeBounce(request, lengthBytes);
  if (request.operation !== BLOCK_READ) bounce.bytes.set(view.length === lengthBytes ? view : view.subarray(0, lengthBytes));
}

/** Gives the operation the memory of several parts: as a vector where it can be shared, else a copy of all. */
export function setParts(request: AioRequest, parts: readonly Uint8Array[], lengthBytes: number): void {
  const wholes = parts.map(shareable);
  request.parts = parts;
  // What may have to go on in the middle is copied: a vector could not.
  if (!request.isWhole && wholes.every((whole) => whole !== null) && lengthBytes > 0) {
    request.buffer = null;
    request.vector = new IoVector(
      parts.map(({ byteOffset, byteLength }, index) => ({
        memory: wholes[index] as IoBuffer,
        memoryOffset: byteOffset,
        lengthBytes: byteLength,
      })),
    );
    return;
  }
  if (lengthBytes === 0) {
    setMemory(request, null, 0);
    return;
  }
  request.vector = null;
  const bounce = takeBounce(request, lengthBytes);
  if (request.operation === BLOCK_READ) return;
  let at = 0;
  for (const part of parts) {
    bounce.bytes.set(part, at);
    at += part.byteLength;
  }
}

/** Copies what was read to where it belongs, and lets go of the copy. Returns 0, or EFAULT if the memory has been taken away meanwhile. */
export function giveMemory(request: AioRequest, bounce: IoBuffer, transferredBytes: number): number {
  const { parts } = request;
  const copies = request.operation === BLOCK_READ && transferredBytes > 0;
  const there = !copies || copyBack(parts ?? [request.view as Uint8Array], bounce.bytes, transferredBytes);
  request.bounce = null;
  request.buffer = null;
  giveBounce(bounce);
  return there ? 0 : EFAULT;
}

function copyBack(parts: readonly Uint8Array[], bytes: Uint8Array, lengthBytes: number): boolean {
  let at = 0;
  for (const part of parts) {
    const count = parts.length === 1 ? lengthBytes : Math.min(part.byteLength, lengthBytes - at);
    if (part.byteLength < count) return false;
    part.set(bytes.subarray(at, at + count));
    at += count;
  }
  // A part that was taken away has no bytes.
  return at === lengthBytes;
}

/** The IoBuffer of memory that the kernel may work on, or null for memory that has to be copied. */
function shareable({ buffer }: Uint8Array): IoBuffer | null {
  if (!(buffer instanceof SharedArrayBuffer)) return null;
  let whole = shared.get(buffer);
  if (whole === undefined) {
    whole = IoBuffer.over(new Uint8Array(buffer));
    shared.set(buffer, whole);
  }
  return whole;
}

/** Memory for a copy. Its contents are those of an earlier request. */
function takeBounce(request: AioRequest, lengthBytes: number): IoBuffer {
  const sizeBytes = Math.max(4096, 2 ** Math.ceil(Math.log2(lengthBytes)));
  const bounce = kept.get(sizeBytes)?.pop() ?? IoBuffer.allocate(sizeBytes);
  request.bounce = bounce;
  request.buffer = bounce;
  request.bufferOffset = 0;
  return bounce;
}

function giveBounce(buffer: IoBuffer): void {
  if (buffer.lengthBytes > KEPT_BYTES_MAX) return;
  const list = kept.get(buffer.lengthBytes) ?? [];
  if (list.length === 0) kept.set(buffer.lengthBytes, list);
  if (list.length < KEPT_COUNT_MAX) list.push(buffer);
}
