import { IoBuffer } from '@biodone/uring';
import type { BlockIo } from './block-io.js';

/** The memory of a request, in one part or in several, as one range of `lengthBytes`. */

/** Where a position of the range is, and how far the part reaches that it is in. One object for all: read it before the next call. */
export const place: { buffer: IoBuffer | null; offset: number; lengthBytes: number } = {
  buffer: null,
  offset: 0,
  lengthBytes: 0,
};

/** Finds a position of a request's memory, and leaves the answer in {@link place}. */
export function find(io: BlockIo, position: number): void {
  if (io.vector === null) {
    place.buffer = io.buffer;
    place.offset = io.bufferOffset + position;
    place.lengthBytes = io.lengthBytes - position;
    return;
  }
  let left = position;
  for (const { memory, memoryOffset, lengthBytes } of io.vector.segments) {
    if (left < lengthBytes) {
      place.buffer = memory;
      place.offset = memoryOffset + left;
      place.lengthBytes = lengthBytes - left;
      return;
    }
    left -= lengthBytes;
  }
  place.buffer = null;
  place.lengthBytes = 0;
}

/** Copies out of the request's memory. */
export function gather(io: BlockIo, position: number, target: IoBuffer, targetOffset: number, lengthBytes: number): void {
  for (let done = 0; done < lengthBytes; ) {
    find(io, position + done);
    const count = Math.min(place.lengthBytes, lengthBytes - done);
    IoBuffer.copy(target, targetOffset + done, place.buffer as IoBuffer, place.offset, count);
    done += count;
  }
}

/** Copies into the request's memory. */
export function scatter(io: BlockIo, position: number, source: IoBuffer, sourceOffset: number, lengthBytes: number): void {
  for (let done = 0; done < lengthBytes; ) {
    find(io, position + done);
    const count = Math.min(place.lengthBytes, lengthBytes - done);
    IoBuffer.copy(place.buffer as IoBuffer, place.offset, source, sourceOffset + done, count);
    done += count;
  }
}

/** The first position at which two pieces of memory differ, or -1. */
export function firstDifference(
  left: IoBuffer,
  leftOffset: number,
  right: IoBuffer,
  rightOffset: number,
  lengthBytes: number,
): number {
  const one = left.bytes.subarray(leftOffset, leftOffset + lengthBytes);
  const other = right.bytes.subarray(rightOffset, rightOffset + lengthBytes);
  if (Buffer.compare(one, other) === 0) return -1;
  return one.findIndex((byte, index) => byte !== other[index]);
}
