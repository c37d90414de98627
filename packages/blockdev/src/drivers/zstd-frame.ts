const MAGIC = 0xfd2fb528;
const DICTIONARY_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/** How long the frame is that data begins with (RFC 8878): what follows it is no part of it. @throws RangeError if it has no end */
export function zstdFrameBytes(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (view.getUint32(0, true) !== MAGIC) throw new RangeError('no zstd frame');
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSize = CONTENT_SIZE_BYTES[descriptor >>> 6] as number;
  let at = 5 + (isSingleSegment ? 0 : 1) + (DICTIONARY_BYTES[descriptor & 3] as number);
  at += contentSize === 0 && isSingleSegment ? 1 : contentSize;
  for (let isLast = false; !isLast; ) {
    const header = view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getUint8(at + 2) << 16);
    isLast = (header & 1) !== 0;
    // Of a block that repeats one byte, that byte is there.
    at += 3 + (((header >>> 1) & 3) === 1 ? 1 : header >>> 3);
  }
  return at + ((descriptor & 4) === 0 ? 0 : 4);
}
