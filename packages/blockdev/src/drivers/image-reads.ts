import { EIO, IoBuffer } from '@biodone/uring';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import { type AbortVerdict, BLOCK_EXTENTS, BlockIo } from '../block-io.js';
import { EXTENT_DATA, EXTENT_HOLE, EXTENT_ZERO } from '../extent-list.js';
import { FreeList } from '../free-list.js';
import type { StackChildren } from '../stack-children.js';
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

/** What reads need of their image. */
export interface ImageReadsParts {
  /** The image, and the one below it, if there is one. */
  readonly children: StackChildren;
  readonly map: ImageMap;
  readonly slices: ImageSlices;
  /** What the file has to have the beginning of, for the rest to count as zeros: a cluster. */
  readonly unitBytes: number;
}

const GOES_ON = -1;
const WAITS = -2;

/** A read, or a question for extents, under way. */
interface ImageWork {
  readonly io: BlockIo;
  readonly reads: ImageReads;
  parent: BlockIo | null;
  position: number;
  /** What is being read, as a {@link Place}, and how much of the request that is. */
  reading: Place;
  run: number;
  skipBytes: number;
  /** Of what is read whole blocks for: where in the memory it begins. */
  lead: number;
  wholeBytes: number;
  scratch: IoBuffer | null;
  readonly first: FirstEntry;
}

/** Reads of an image, and questions for extents: as its map says, from the image, the one below it, or nowhere. It reads tables as they are needed. */
export class ImageReads {
  readonly #parts: ImageReadsParts;
  readonly #image: BlockDevice;
  readonly #below: BlockDevice | null;
  readonly #imageBytes: number;
  /** Where the cluster ends in which the file ends. */
  readonly #imageEnd: number;
  readonly #blockBytes: number;
  readonly #free = new FreeList<ImageWork>();
  readonly #made: ImageWork[] = [];
  /** What was compressed at this offset of the file, as it is. */
  #expandedFrom = -1;
  #expanded: IoBuffer | null = null;

  constructor(parts: ImageReadsParts) {
    const { children } = parts;
    this.#parts = parts;
    this.#image = children.device(0);
    this.#below = children.count > 1 ? children.device(1) : null;
    this.#imageBytes = this.#image.limits.sizeBytes ?? 0;
    this.#imageEnd = Math.ceil(this.#imageBytes / parts.unitBytes) * parts.unitBytes;
    this.#blockBytes = this.#image.limits.blockSizeBytes;
  }

  start(io: BlockIo): void {
    this.#advance(this.#begin(io));
  }

  /** Does it in the calling thread, and returns the error. */
  run(io: BlockIo): number {
    const work = this.#begin(io);
    let outcome = GOES_ON;
    while (outcome === GOES_ON) outcome = this.#step(work, true);
    this.#recycle(work);
    return outcome;
  }

  /** For the iodone of its requests alone. */
  childDone(work: ImageWork): void {
    const outcome = this.#absorb(work);
    if (outcome === GOES_ON) this.#advance(work);
    else this.#end(work, outcome);
  }

  abort(io: BlockIo): AbortVerdict {
    const work = this.#made.find((one) => one.parent === io);
    if (work === undefined) return 'in-progress';
    beginSubmit();
    try {
      const verdict = (work.reading === BELOW ? this.#below : this.#image)?.abort(work.io);
      return verdict === 'cancelled' ? 'cancelled' : 'in-progress';
    } finally {
      endSubmit();
    }
  }

  #begin(parent: BlockIo): ImageWork {
    const work = this.#free.take() ?? this.#make();
    work.parent = parent;
    work.position = 0;
    parent.transferredBytes = 0;
    if (parent.operation === BLOCK_EXTENTS) parent.extents?.clear();
    return work;
  }

  #advance(work: ImageWork): void {
    let outcome = GOES_ON;
    while (outcome === GOES_ON) outcome = this.#step(work, false);
    if (outcome !== WAITS) this.#end(work, outcome);
  }

  /** Does the next part. Returns an errno or 0 when the request is done. */
  #step(work: ImageWork, isSync: boolean): number {
    const parent = work.parent as BlockIo;
    const { map } = this.#parts;
    const left = parent.lengthBytes - work.position;
    if (left === 0) return 0;
    map.locate(parent.offset + work.position, left, work.first);
    const { place, offset } = map;
    if (place === CORRUPT) return EIO;
    if (place === NEEDS_SLICE) return this.#readSlice(work, offset, isSync);
    const run = Math.min(left, map.lengthBytes);
    if (parent.operation === BLOCK_EXTENTS) return this.#addExtent(work, place, run);
    switch (place) {
      case ZEROS:
        return this.#fillZeros(work, run);
      case COMPRESSED:
        return this.#readCompressed(work, run, isSync);
      case BELOW:
        return this.#readBelow(work, run, isSync);
      default:
        if (offset >= this.#imageBytes) return EIO;
        return this.#readInto(work, this.#image, IN_IMAGE, offset, Math.min(run, this.#imageEnd - offset), isSync);
    }
  }

  #addExtent(work: ImageWork, place: Place, run: number): number {
    const parent = work.parent as BlockIo;
    const kind = place === ZEROS ? EXTENT_ZERO : place === BELOW && this.#below === null ? EXTENT_HOLE : EXTENT_DATA;
    if (parent.extents?.add(parent.offset + work.position, run, kind) !== true) return 0;
    work.position += run;
    parent.transferredBytes = work.position;
    return GOES_ON;
  }

  #fillZeros(work: ImageWork, run: number): number {
    const parent = work.parent as BlockIo;
    const begin = parent.bufferOffset + work.position;
    (parent.buffer as IoBuffer).bytes.fill(0, begin, begin + run);
    return this.#moved(work, run);
  }

  #moved(work: ImageWork, run: number): number {
    work.position += run;
    (work.parent as BlockIo).transferredBytes = work.position;
    return GOES_ON;
  }

  #readBelow(work: ImageWork, run: number, isSync: boolean): number {
    const below = this.#below;
    const at = (work.parent as BlockIo).offset + work.position;
    const there = Math.min(run, (below?.limits.sizeBytes ?? 0) - at);
    // An image can be larger than the one below it.
    if (below === null || there <= 0) return this.#fillZeros(work, run);
    return this.#readInto(work, below, BELOW, at, there, isSync);
  }

  /** Reads right into the request's memory. */
  #readInto(work: ImageWork, device: BlockDevice, place: Place, offset: number, run: number, isSync: boolean): number {
    const parent = work.parent as BlockIo;
    const { io } = work;
    io.buffer = parent.buffer;
    io.bufferOffset = parent.bufferOffset + work.position;
    io.offset = offset;
    io.lengthBytes = run;
    work.reading = place;
    work.run = run;
    work.lead = 0;
    return this.#startChild(work, device, isSync);
  }

  #readSlice(work: ImageWork, offset: number, isSync: boolean): number {
    if (offset >= this.#imageBytes) return EIO;
    work.run = 0;
    return this.#readScratch(work, NEEDS_SLICE, offset - (offset % SLICE_BYTES), SLICE_BYTES, isSync);
  }

  #readCompressed(work: ImageWork, run: number, isSync: boolean): number {
    const { map } = this.#parts;
    const { offset, compressedBytes, wholeBytes, skipBytes } = map;
    work.run = run;
    work.skipBytes = skipBytes;
    work.wholeBytes = wholeBytes;
    if (offset === this.#expandedFrom) return this.#copyExpanded(work);
    if (offset >= this.#imageBytes) return EIO;
    return this.#readScratch(work, COMPRESSED, offset, compressedBytes, isSync);
  }

  /** Reads a part of the image into memory of its own: from whole blocks, as far as the image goes. */
  #readScratch(work: ImageWork, place: Place, offset: number, lengthBytes: number, isSync: boolean): number {
    const { io } = work;
    const begin = offset - (offset % this.#blockBytes);
    const end = Math.ceil((offset + lengthBytes) / this.#blockBytes) * this.#blockBytes;
    const needed = end - begin;
    if (work.scratch === null || work.scratch.lengthBytes < needed)
      work.scratch = IoBuffer.allocate(Math.max(needed, SLICE_BYTES));
    const reached = Math.min(end, Math.ceil(this.#imageBytes / this.#blockBytes) * this.#blockBytes);
    work.scratch.bytes.fill(0, reached - begin, needed);
    io.buffer = work.scratch;
    io.bufferOffset = 0;
    io.offset = begin;
    io.lengthBytes = reached - begin;
    work.reading = place;
    work.lead = offset - begin;
    return this.#startChild(work, this.#image, isSync);
  }

  #startChild(work: ImageWork, device: BlockDevice, isSync: boolean): number {
    const { io } = work;
    io.claim = this.#parts.children.claim(device === this.#image ? 0 : 1);
    // An image need not end with a whole cluster.
    const { sizeBytes, blockSizeBytes } = device.limits;
    const end = Math.ceil((sizeBytes ?? Number.MAX_SAFE_INTEGER) / blockSizeBytes) * blockSizeBytes;
    io.lengthBytes = Math.min(io.lengthBytes, end - io.offset);
    if (isSync) {
      device.strategySync(io);
      return this.#absorb(work);
    }
    return device.startNested(io, imageChildDone) ? this.#absorb(work) : WAITS;
  }

  /** Takes what was read. What the file does not have any more is zeros. */
  #absorb(work: ImageWork): number {
    const { io, reading, run } = work;
    const { error, transferredBytes } = io;
    if (error !== 0) return error;
    if (reading === NEEDS_SLICE) {
      const scratch = work.scratch as IoBuffer;
      if (transferredBytes < SLICE_BYTES) scratch.bytes.fill(0, transferredBytes, SLICE_BYTES);
      this.#parts.slices.put(io.offset + work.lead, scratch, work.lead);
      return GOES_ON;
    }
    if (reading === COMPRESSED) return this.#expand(work) ? this.#copyExpanded(work) : EIO;
    const parent = work.parent as BlockIo;
    if (transferredBytes < run) {
      const begin = parent.bufferOffset + work.position;
      (parent.buffer as IoBuffer).bytes.fill(0, begin + transferredBytes, begin + run);
    }
    return this.#moved(work, run);
  }

  #expand(work: ImageWork): boolean {
    const { io, lead, wholeBytes } = work;
    if (this.#expanded?.lengthBytes !== wholeBytes) this.#expanded = IoBuffer.allocate(wholeBytes);
    this.#expandedFrom = -1;
    const compressed = (work.scratch as IoBuffer).bytes.subarray(lead, io.lengthBytes);
    if (this.#parts.map.expand?.(compressed, this.#expanded.bytes) !== true) return false;
    this.#expandedFrom = io.offset + lead;
    return true;
  }

  #copyExpanded(work: ImageWork): number {
    const parent = work.parent as BlockIo;
    const { run, skipBytes, position } = work;
    IoBuffer.copy(parent.buffer as IoBuffer, parent.bufferOffset + position, this.#expanded as IoBuffer, skipBytes, run);
    return this.#moved(work, run);
  }

  #end(work: ImageWork, error: number): void {
    const parent = work.parent as BlockIo;
    this.#recycle(work);
    biodone(parent, error);
  }

  #recycle(work: ImageWork): void {
    work.parent = null;
    work.io.buffer = null;
    this.#free.put(work);
  }

  #make(): ImageWork {
    const io = new BlockIo();
    const made: ImageWork = {
      io,
      reads: this,
      parent: null,
      position: 0,
      reading: IN_IMAGE,
      run: 0,
      skipBytes: 0,
      lead: 0,
      wholeBytes: 0,
      scratch: null,
      first: { index: -1, value: 0 },
    };
    io.private = made;
    this.#made.push(made);
    return made;
  }
}

function imageChildDone(io: BlockIo): void {
  const work = io.private as ImageWork;
  work.reads.childDone(work);
}
