import { BLOCK_READ } from '@biodone/blockdev';
import { EFAULT, IoBuffer, libc } from '@biodone/uring';
import type { AioRequest } from './aio-request.js';
import { giveBounce, takeBounce } from './file/bounce.js';
import { memoryOf } from './file/memory-of.js';
import type { MemoryParts } from './file/memory-parts.js';

/** What requests of no bytes have for memory. */
let nothing: IoBuffer | null = null;

/** Learns a request's memory, if it is not that of the last time. */
export function learn(request: AioRequest, view: Uint8Array): void {
  const whole = memoryOf(view, false);
  request.view = view;
  request.whole = whole;
  // An ArrayBuffer keeps its address as long as it is not detached, which shows in its length.
  request.address = whole === null ? libc().address(view) : whole.address + view.byteOffset;
}

/** Gives the operation its memory, or a copy of it. False if there is no memory for that. */
export function setMemory(request: AioRequest, view: Uint8Array | null, lengthBytes: number): boolean {
  request.vector = null;
  if (view === null || lengthBytes === 0) {
    nothing ??= IoBuffer.allocate(1, 1);
    request.buffer = nothing;
    request.bufferOffset = 0;
    return true;
  }
  if (request.view !== view || hasGrown(request.whole, view)) learn(request, view);
  if (request.whole !== null) {
    request.buffer = request.whole;
    request.bufferOffset = view.byteOffset;
    return true;
  }
  const bounce = borrow(request, lengthBytes);
  if (bounce === null) return false;
  if (request.operation !== BLOCK_READ) bounce.bytes.set(view.length === lengthBytes ? view : view.subarray(0, lengthBytes));
  return true;
}

/** Whether there is more of shared memory than what is known. */
function hasGrown(whole: IoBuffer | null, { buffer }: Uint8Array): boolean {
  return whole !== null && whole.lengthBytes !== buffer.byteLength;
}

/** Gives the operation the memory of several parts: as a vector where it can be shared, else a copy of all. False if there is no memory for that. */
export function setParts(request: AioRequest, parts: MemoryParts, lengthBytes: number): boolean {
  if (lengthBytes === 0) return setMemory(request, null, 0);
  request.parts = parts;
  // What may have to go on in the middle is copied: a vector could not. Nor could what is cut be left to one.
  const vector = request.isWhole || lengthBytes < parts.lengthBytes ? null : parts.asVector(false);
  request.vector = vector;
  if (vector !== null) {
    request.buffer = null;
    return true;
  }
  const bounce = borrow(request, lengthBytes);
  if (bounce === null) return false;
  if (request.operation !== BLOCK_READ) parts.copyInto(bounce.bytes, lengthBytes);
  return true;
}

/** Copies what was read to where it belongs, and lets go of the copy. Returns 0, or EFAULT if the memory has been taken away meanwhile. */
export function giveMemory(request: AioRequest, bounce: IoBuffer, transferredBytes: number): number {
  const copies = request.operation === BLOCK_READ && transferredBytes > 0;
  const there = !copies || copyBack(request, bounce.bytes, transferredBytes);
  request.bounce = null;
  request.buffer = null;
  giveBounce(bounce);
  return there ? 0 : EFAULT;
}

function copyBack({ parts, view }: AioRequest, bytes: Uint8Array, lengthBytes: number): boolean {
  if (parts !== null) return parts.copyFrom(bytes, lengthBytes);
  if (view === null || view.byteLength < lengthBytes) return false;
  view.set(bytes.subarray(0, lengthBytes));
  return true;
}

/** Memory for a copy, null if there is none. Its contents are those of an earlier request. */
function borrow(request: AioRequest, lengthBytes: number): IoBuffer | null {
  try {
    const bounce = takeBounce(lengthBytes);
    request.bounce = bounce;
    request.buffer = bounce;
    request.bufferOffset = 0;
    return bounce;
  } catch {
    return null;
  }
}
