import { IoBuffer, libc } from '@biodone/uring';
import { EXTENT_DATA, EXTENT_HOLE, type ExtentList } from '../extent-list.js';

/** What is given back at a time: a multiple of every page size there is. */
export const CHUNK_BYTES = 65536;

const MADV_DONTNEED = 4;

/** Chunks in {@link MemChunks}' table. */
const HOLE = 0;
const WRITTEN = 1;

/**
 * Which chunks of a memory disk were written, one byte each in memory that all of its threads share; and the way back for those that nobody
 * needs any more.
 */
export class MemChunks {
  readonly #memory: IoBuffer;
  readonly #written: Uint8Array;
  readonly #sizeBytes: number;

  /**
   * @param memory zeroed, and a multiple of {@link CHUNK_BYTES} in length and address
   * @param sizeBytes how much of it is in use
   */
  constructor(memory: IoBuffer, written: SharedArrayBuffer, sizeBytes: number) {
    this.#memory = memory;
    this.#sizeBytes = sizeBytes;
    this.#written = new Uint8Array(written);
  }

  /** How much of the memory has been written and not been given back. */
  get allocatedBytes(): number {
    return this.#written.reduce((sum, chunk) => sum + chunk, 0) * CHUNK_BYTES;
  }

  /** Marks what has been written: after it was, or a thread that gives the chunk back in between would hide what was written after that. */
  wrote(offset: number, lengthBytes: number): void {
    if (lengthBytes === 0) return;
    const last = Math.floor((offset + lengthBytes - 1) / CHUNK_BYTES);
    for (let chunk = Math.floor(offset / CHUNK_BYTES); chunk <= last; chunk++) {
      // Pairs with the store in giveBack(). Mostly it is marked, and its cache line stays shared between the threads.
      if (Atomics.load(this.#written, chunk) === HOLE) Atomics.store(this.#written, chunk, WRITTEN);
    }
  }

  /** Writes zeros, and keeps the memory. */
  fillZeros(offset: number, lengthBytes: number): void {
    this.#memory.bytes.fill(0, offset, offset + lengthBytes);
    this.wrote(offset, lengthBytes);
  }

  /** Makes a range zeros; the whole chunks in it go back to the system. The end of the device counts as the end of its chunk. */
  giveBack(offset: number, lengthBytes: number): void {
    const end = offset + lengthBytes === this.#sizeBytes ? this.#memory.lengthBytes : offset + lengthBytes;
    const first = Math.ceil(offset / CHUNK_BYTES);
    const last = Math.floor(end / CHUNK_BYTES);
    if (first >= last || !memoryCanBeGivenBack()) {
      this.#zeroWritten(offset, end);
      return;
    }
    this.#zeroWritten(offset, first * CHUNK_BYTES);
    this.#zeroWritten(last * CHUNK_BYTES, end);
    for (let chunk = first; chunk < last; chunk++) {
      if (Atomics.load(this.#written, chunk) === HOLE) continue;
      const begin = chunk;
      // Before the memory goes. What another thread writes meanwhile either goes with it, or is marked after this. Pairs with wrote().
      for (; chunk < last && Atomics.load(this.#written, chunk) === WRITTEN; chunk++) Atomics.store(this.#written, chunk, HOLE);
      this.#release(begin * CHUNK_BYTES, (chunk - begin) * CHUNK_BYTES);
    }
  }

  /** Fills in which parts of a range hold data. Returns up to where, as a length: to the end, or as far as the list has room. */
  list(extents: ExtentList, offset: number, lengthBytes: number): number {
    extents.clear();
    const end = offset + lengthBytes;
    let position = offset;
    while (position < end) {
      const chunk = Math.floor(position / CHUNK_BYTES);
      const next = Math.min(end, (chunk + 1) * CHUNK_BYTES);
      const kind = Atomics.load(this.#written, chunk) === HOLE ? EXTENT_HOLE : EXTENT_DATA;
      if (!extents.add(position, next - position, kind)) break;
      position = next;
    }
    return position - offset;
  }

  /** Zeros in chunks that stay. Holes are zeros as they are. */
  #zeroWritten(offset: number, end: number): void {
    for (let position = offset; position < end; ) {
      const chunk = Math.floor(position / CHUNK_BYTES);
      const next = Math.min(end, (chunk + 1) * CHUNK_BYTES);
      if (Atomics.load(this.#written, chunk) === WRITTEN) this.#memory.bytes.fill(0, position, next);
      position = next;
    }
  }

  #release(offset: number, lengthBytes: number): void {
    if (libc().madvise(this.#memory.address + offset, lengthBytes, MADV_DONTNEED) === 0) return;
    // Locked memory (mlockall(2)) is refused: it stays, as data, and is zeros too.
    this.fillZeros(offset, lengthBytes);
  }
}

let givesBack: boolean | null = null;

/**
 * Whether MADV_DONTNEED makes memory zeros at once. Linux says so for private anonymous memory, which is what a SharedArrayBuffer lies on in
 * Node; other systems, and programs that bring their own allocator, may do otherwise, so it is tried.
 */
function memoryCanBeGivenBack(): boolean {
  givesBack ??= process.platform === 'linux' && tryGivingBack();
  return givesBack;
}

function tryGivingBack(): boolean {
  const trial = IoBuffer.allocate(CHUNK_BYTES, CHUNK_BYTES);
  if (trial.address === 0) return false;
  trial.bytes.fill(1);
  return libc().madvise(trial.address, CHUNK_BYTES, MADV_DONTNEED) === 0 && trial.bytes.every((byte) => byte === 0);
}
