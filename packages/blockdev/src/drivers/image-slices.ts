import { IoBuffer } from '@biodone/uring';

/** What of an image's tables is read at a time. */
export const SLICE_BYTES = 4096;

/** A byte counts the places. */
const SLICES = 256;

/**
 * Parts of an image's tables in memory: at most a mebibyte, however large the tables say that they are. Each slice of the file has one place that it
 * can be in.
 */
export class ImageSlices {
  readonly #bytes: DataView;
  readonly #memory = IoBuffer.allocate(SLICES * SLICE_BYTES);
  /** By place: which slice of the file is there; -1 for none. */
  readonly #held = new Float64Array(SLICES).fill(-1);

  constructor() {
    const { buffer, byteOffset, length } = this.#memory.bytes;
    this.#bytes = new DataView(buffer, byteOffset, length);
  }

  /** Where an offset of the file is in memory; -1 if it is not. */
  find(offset: number): number {
    const slice = Math.floor(offset / SLICE_BYTES);
    const place = placeOf(slice);
    return this.#held[place] === slice ? place * SLICE_BYTES + (offset - slice * SLICE_BYTES) : -1;
  }

  /** Takes the slice of the file that begins at this offset. What the file does not have of it is zeros in the source, too. */
  put(offset: number, source: IoBuffer, sourceOffset: number): void {
    const slice = offset / SLICE_BYTES;
    const place = placeOf(slice);
    IoBuffer.copy(this.#memory, place * SLICE_BYTES, source, sourceOffset, SLICE_BYTES);
    this.#held[place] = slice;
  }

  /** Big-endian, as all of these formats have it. */
  uint32(at: number): number {
    return this.#bytes.getUint32(at);
  }

  uint8(at: number): number {
    return this.#bytes.getUint8(at);
  }
}

/** Tables lie at multiples of large powers of two, and are not all to have one place. */
function placeOf(slice: number): number {
  return Math.imul(slice, 0x9e3779b1) >>> 24;
}
