import * as zlib from 'node:zlib';
import {
  BELOW,
  COMPRESSED,
  CORRUPT,
  type FirstEntry,
  type ImageMap,
  IN_IMAGE,
  NEEDS_SLICE,
  type Place,
  ZEROS,
} from './image-map.js';
import { type ImageSlices, SLICE_BYTES } from './image-slices.js';
import type { Qcow2Header } from './qcow2-format.js';
import { zstdFrameBytes } from './zstd-frame.js';

/** What Node has from 22.15 on. */
export const zstdDecompress: ((data: Uint8Array, options: { maxOutputLength: number }) => Buffer) | undefined = (
  zlib as { readonly zstdDecompressSync?: (data: Uint8Array, options: { maxOutputLength: number }) => Buffer }
).zstdDecompressSync;

const ENTRY_BYTES = 8;

// Of an entry's upper 32 bits: that it is compressed; and where a cluster or table is.
const IS_COMPRESSED = 0x40000000;
const OFFSET_UPPER = 0x00ffffff;
// Of the lower 32 bits.
const OFFSET_LOWER = 0xfffffe00;
const READS_AS_ZEROS = 1;

/** Where the clusters of an image are: the first table names second ones, and these the clusters. */
export class Qcow2Map implements ImageMap {
  place: Place = CORRUPT;
  offset = 0;
  lengthBytes = 0;
  compressedBytes = 0;
  wholeBytes = 0;
  skipBytes = 0;
  readonly #slices: ImageSlices;
  readonly #header: Qcow2Header;
  readonly #clusterBytes: number;
  readonly #perTable: number;
  /** How many of a compressed entry's bits are an offset, of the upper 32. */
  readonly #offsetBits: number;

  constructor(header: Qcow2Header, slices: ImageSlices) {
    this.#header = header;
    this.#slices = slices;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#perTable = this.#clusterBytes / ENTRY_BYTES;
    this.#offsetBits = 62 - (header.clusterBits - 8) - 32;
    this.wholeBytes = this.#clusterBytes;
  }

  locate(offset: number, lengthBytes: number, first: FirstEntry): void {
    const cluster = Math.floor(offset / this.#clusterBytes);
    const table = Math.floor(cluster / this.#perTable);
    const within = offset - cluster * this.#clusterBytes;
    this.lengthBytes = this.#clusterBytes - within;
    if (first.index !== table) {
      const at = this.#slices.find(this.#header.l1Offset + table * ENTRY_BYTES);
      if (at < 0) {
        this.#answer(NEEDS_SLICE, this.#header.l1Offset + table * ENTRY_BYTES);
        return;
      }
      first.index = table;
      first.value = this.#offsetAt(at);
    }
    const tableOffset = first.value;
    const index = cluster - table * this.#perTable;
    if (tableOffset === 0) {
      this.#answer(BELOW, 0);
      // All that this table would have told of.
      this.lengthBytes += (this.#perTable - index - 1) * this.#clusterBytes;
    } else if (tableOffset % this.#clusterBytes !== 0) {
      this.#answer(CORRUPT, 0);
    } else {
      this.#locateCluster(tableOffset + index * ENTRY_BYTES, within, lengthBytes, this.#perTable - index);
    }
  }

  expand(compressed: Uint8Array, target: Uint8Array): boolean {
    try {
      const expanded =
        this.#header.compression === 'zlib'
          ? zlib.inflateRawSync(compressed, { maxOutputLength: target.length, finishFlush: zlib.constants.Z_SYNC_FLUSH })
          : // A few bytes can say that they are gigabytes.
            zstdDecompress?.(compressed.subarray(0, zstdFrameBytes(compressed)), { maxOutputLength: target.length });
      if (expanded === undefined || expanded.length !== target.length) return false;
      target.set(expanded);
      return true;
    } catch {
      return false;
    }
  }

  #locateCluster(entryOffset: number, within: number, lengthBytes: number, entriesLeft: number): void {
    const at = this.#slices.find(entryOffset);
    if (at < 0) {
      this.#answer(NEEDS_SLICE, entryOffset);
      return;
    }
    if ((this.#slices.uint32(at) & IS_COMPRESSED) !== 0) {
      this.#locateCompressed(at, within);
      return;
    }
    const place = this.#placeAt(at);
    const begin = this.#offsetAt(at);
    this.#answer(place, place === IN_IMAGE ? begin + within : 0);
    if (place === IN_IMAGE && begin % this.#clusterBytes !== 0) this.place = CORRUPT;
    // The next ones, as far as they are alike and this slice knows them.
    const known = Math.min(entriesLeft, (SLICE_BYTES - (entryOffset % SLICE_BYTES)) / ENTRY_BYTES);
    for (let next = 1; next < known && this.lengthBytes < lengthBytes; next++) {
      const other = at + next * ENTRY_BYTES;
      if ((this.#slices.uint32(other) & IS_COMPRESSED) !== 0 || this.#placeAt(other) !== place) break;
      if (place === IN_IMAGE && this.#offsetAt(other) !== begin + next * this.#clusterBytes) break;
      this.lengthBytes += this.#clusterBytes;
    }
  }

  #placeAt(at: number): Place {
    if (this.#header.version >= 3 && (this.#slices.uint32(at + 4) & READS_AS_ZEROS) !== 0) return ZEROS;
    return this.#offsetAt(at) === 0 ? BELOW : IN_IMAGE;
  }

  #locateCompressed(at: number, within: number): void {
    const upper = this.#slices.uint32(at);
    const bits = this.#offsetBits;
    // A mask of 2^bits - 1, and bits can be 29 at most.
    const begin = (upper & ((1 << bits) - 1)) * 2 ** 32 + this.#slices.uint32(at + 4);
    const sectors = ((upper & 0x3fffffff) >>> bits) + 1;
    this.#answer(COMPRESSED, begin);
    this.compressedBytes = sectors * 512 - (begin % 512);
    this.skipBytes = within;
  }

  #offsetAt(at: number): number {
    const lower = (this.#slices.uint32(at + 4) & OFFSET_LOWER) >>> 0;
    return (this.#slices.uint32(at) & OFFSET_UPPER) * 2 ** 32 + lower;
  }

  #answer(place: Place, offset: number): void {
    this.place = place;
    this.offset = offset;
  }
}
