import { IOSQE_FIXED_FILE } from './flags.js';
import { type RingRequest, targetData } from './ring-request.js';
import type { RingMemory } from './ring-setup.js';

/** The submission queue's entries and tail, which this thread writes and the kernel reads. */
export class SubmissionQueue {
  readonly #length: number;
  readonly #headIndex: number;
  readonly #tailIndex: number;
  #words: Int32Array;
  #entries: Uint32Array;
  #tail: number;
  /** The tail up to which the entries are the kernel's. */
  #given: number;
  /** How far the tail may go before the kernel has to take more. */
  #end: number;

  constructor(memory: RingMemory) {
    this.#length = memory.sqEntries;
    this.#headIndex = memory.sqHead;
    this.#tailIndex = memory.sqTail;
    this.#words = memory.words;
    this.#entries = memory.sqes;
    this.#tail = Atomics.load(memory.words, memory.sqTail);
    this.#given = this.#tail;
    this.#end = this.#tail + this.#length;
  }

  /** How many entries are written, and not yet the kernel's. */
  get queued(): number {
    return (this.#tail - this.#given) | 0;
  }

  /** Whether `count` more can be written for sure. */
  fits(count: number): boolean {
    return ((this.#end - this.#tail) | 0) >= count;
  }

  /** {@link fits}, after a look at what the kernel has taken: its polling thread tells of that in no other way. */
  fitsNow(count: number): boolean {
    this.#end = (this.#head() + this.#length) | 0;
    return this.fits(count);
  }

  /** The kernel has taken the next `count` entries. */
  took(count: number): void {
    this.#given = (this.#given + count) | 0;
    this.#end = (this.#given + this.#length) | 0;
  }

  /** All entries are the kernel's, whose polling thread takes them in its own time. */
  leave(): void {
    this.#given = this.#tail;
  }

  /** Whether the kernel has taken all entries that were published. */
  get taken(): boolean {
    return this.#head() === this.#tail;
  }

  /**
   * Writes one entry: `struct io_uring_sqe`, as 16 words.
   *
   * @param place names the file instead of the request's descriptor, unless it is -1
   */
  put(request: RingRequest, slot: number, place: number): void {
    const entries = this.#entries;
    const base = (this.#tail & (this.#length - 1)) << 4;
    const offset = request.offset;
    const address = request.target === null ? request.address : targetData(request, request.target);
    const fixed = request.fixed;
    // Whoever sets other flags after the preparation may have lost this one: the number would be a descriptor's then.
    const byPlace = fixed !== null || place >= 0;
    const flags = byPlace ? request.flags | IOSQE_FIXED_FILE : request.flags & ~IOSQE_FIXED_FILE;
    entries[base] = request.opcode | (flags << 8) | (request.ioPriority << 16);
    // A place in the table that has been given up may be another file's by now.
    entries[base + 1] = fixed !== null ? fixed.fd : byPlace ? place : request.fd;
    entries[base + 2] = offset;
    entries[base + 3] = highWord(offset);
    entries[base + 4] = address;
    entries[base + 5] = highWord(address);
    entries[base + 6] = request.lengthBytes;
    entries[base + 7] = request.operationFlags;
    entries[base + 8] = slot;
    entries[base + 9] = request.generation;
    entries[base + 10] = request.bufferIndex;
    entries[base + 11] = request.fileIndex;
    entries[base + 12] = request.address3;
    entries[base + 13] = highWord(request.address3);
    // The last two words are 0 from the beginning.
    this.#tail = (this.#tail + 1) | 0;
  }

  /** Shows the kernel what has been written. */
  publish(): void {
    // Pairs with the kernel's acquire load of the tail: the entries before it are written.
    Atomics.store(this.#words, this.#tailIndex, this.#tail);
  }

  /** Lets go of the memory, which is unmapped next. */
  detach(): void {
    this.#words = new Int32Array(this.#words.length);
    this.#entries = new Uint32Array(this.#entries.length);
  }

  #head(): number {
    // Pairs with the kernel's release store of the head, after it has taken the entries.
    return Atomics.load(this.#words, this.#headIndex);
  }
}

/** The upper half of a number of 64 bits. Mostly there is none, and a division costs more than to see that. */
function highWord(value: number): number {
  return value >= 0 && value <= 0xffff_ffff ? 0 : Math.floor(value / 0x1_0000_0000);
}
