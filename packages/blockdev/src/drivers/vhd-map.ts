import { BELOW, CORRUPT, type FirstEntry, type ImageMap, IN_IMAGE, NEEDS_SLICE, type Place, ZEROS } from './image-map.js';
import { type ImageSlices, SLICE_BYTES } from './image-slices.js';
import { VHD_SECTOR_BYTES, type VhdImage } from './vhd-format.js';

/** An entry of a block that is not there. */
const NOT_THERE = 0xffffffff;

/** Where the blocks of an image are: a table says where each begins, with a bit for each of its sectors, and then those. */
export class VhdMap implements ImageMap {
  place: Place = CORRUPT;
  offset = 0;
  lengthBytes = 0;
  readonly compressedBytes = 0;
  readonly wholeBytes = 0;
  readonly skipBytes = 0;
  readonly #image: VhdImage;
  readonly #slices: ImageSlices;
  /** What a sector is that the image does not have. */
  readonly #absent: Place;
  readonly #bitmapBytes: number;

  constructor(image: VhdImage, slices: ImageSlices) {
    this.#image = image;
    this.#slices = slices;
    this.#absent = image.kind === 'differencing' ? BELOW : ZEROS;
    const bits = Math.ceil(image.blockBytes / VHD_SECTOR_BYTES / 8);
    this.#bitmapBytes = Math.ceil(bits / VHD_SECTOR_BYTES) * VHD_SECTOR_BYTES;
  }

  locate(offset: number, lengthBytes: number, first: FirstEntry): void {
    const { kind, sizeBytes, blockBytes, tableOffset } = this.#image;
    if (kind === 'fixed') {
      this.#answer(IN_IMAGE, offset, sizeBytes - offset);
      return;
    }
    const block = Math.floor(offset / blockBytes);
    const within = offset - block * blockBytes;
    if (first.index !== block) {
      const at = this.#slices.find(tableOffset + 4 * block);
      if (at < 0) {
        this.#answer(NEEDS_SLICE, tableOffset + 4 * block, 0);
        return;
      }
      first.index = block;
      first.value = this.#slices.uint32(at);
    }
    const sector = first.value;
    if (sector === NOT_THERE) this.#answer(this.#absent, 0, blockBytes - within);
    else this.#locateSectors(sector * VHD_SECTOR_BYTES, within, Math.min(lengthBytes, blockBytes - within));
  }

  #locateSectors(blockOffset: number, within: number, lengthBytes: number): void {
    const first = Math.floor(within / VHD_SECTOR_BYTES);
    const bitOffset = blockOffset + (first >>> 3);
    const at = this.#slices.find(bitOffset);
    if (at < 0) {
      this.#answer(NEEDS_SLICE, bitOffset, 0);
      return;
    }
    const isThere = this.#bit(at, first);
    // As far as they are alike, and this slice knows it.
    const known = 8 * ((first >>> 3) + SLICE_BYTES - (bitOffset - Math.floor(bitOffset / SLICE_BYTES) * SLICE_BYTES));
    const last = Math.min(known, Math.ceil((within + lengthBytes) / VHD_SECTOR_BYTES));
    let end = first + 1;
    while (end < last && this.#bit(at + (end >>> 3) - (first >>> 3), end) === isThere) end += 1;
    const place = isThere === 1 ? IN_IMAGE : this.#absent;
    const offset = place === IN_IMAGE ? blockOffset + this.#bitmapBytes + within : 0;
    this.#answer(place, offset, end * VHD_SECTOR_BYTES - within);
  }

  #bit(at: number, sector: number): number {
    return (this.#slices.uint8(at) >>> (7 - (sector & 7))) & 1;
  }

  #answer(place: Place, offset: number, lengthBytes: number): void {
    this.place = place;
    this.offset = offset;
    this.lengthBytes = lengthBytes;
  }
}
