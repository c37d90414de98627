import type { BlockIo } from '@biodone/blockdev';

/** Calls with each part of a request's memory, as bytes, and where in the request's range it begins. */
export function eachPart(io: BlockIo, visit: (bytes: Uint8Array, position: number) => void): void {
  if (io.vector === null) {
    if (io.buffer !== null) visit(io.buffer.bytes.subarray(io.bufferOffset, io.bufferOffset + io.lengthBytes), 0);
    return;
  }
  let position = 0;
  for (const { memory, memoryOffset, lengthBytes } of io.vector.segments) {
    visit(memory.bytes.subarray(memoryOffset, memoryOffset + lengthBytes), position);
    position += lengthBytes;
  }
}

/** A copy of what a request's memory holds. */
export function bytesOf(io: BlockIo): Uint8Array {
  const copy = new Uint8Array(io.lengthBytes);
  eachPart(io, (bytes, position) => copy.set(bytes, position));
  return copy;
}

/** Puts bytes into a request's memory, from its beginning. */
export function putBytes(io: BlockIo, source: Uint8Array): void {
  eachPart(io, (bytes, position) => {
    if (position < source.length) bytes.set(source.subarray(position, position + bytes.length));
  });
}
