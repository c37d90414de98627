import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_FLUSH,
  BLOCK_OPERATION_NAMES,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockIo,
  ExtentList,
  IO_DONE,
} from '@biodone/blockdev';
import { EINVAL, ENOTSUP, IoBuffer, IoVector } from '@biodone/uring';
import type { ServiceMemory } from '../service-memory.js';
import { type Bounce, BounceMemory, gather, scatter, viewOf, viewsOf } from './bounce-memory.js';
import {
  BUFFER,
  BUFFER_ADDRESS,
  BUFFER_LENGTH,
  BUFFER_OFFSET,
  CLAIM,
  COMPARE,
  COMPARE_OFFSET,
  ERROR,
  EXTENTS,
  EXTENTS_CAPACITY,
  EXTENTS_COUNT,
  FLAGS,
  LENGTH,
  OFFSET,
  OPERATION,
  RARE,
  RECORD_NUMBERS,
  TRANSFERRED,
  VECTOR,
  VECTOR_ADDRESS,
  VECTOR_COUNT,
} from './memory-layout.js';
import type { SharedObjects } from './shared-objects.js';

/**
 * What an operation ends with because its fields are no numbers, which the memory of the threads would make of a text or of nothing: as the device would
 * say it. 0 for none.
 */
export function refusalOf(op: BlockIo): number {
  const { operation, offset, lengthBytes, bufferOffset, flags, compareOffset } = op;
  if (typeof operation !== 'number' || BLOCK_OPERATION_NAMES[operation] === undefined || typeof flags !== 'number')
    return ENOTSUP;
  if (operation === BLOCK_FLUSH) return 0;
  if (typeof offset !== 'number' || typeof lengthBytes !== 'number') return EINVAL;
  if (typeof bufferOffset !== 'number' && op.buffer !== null) return EINVAL;
  return operation === BLOCK_COMPARE_AND_WRITE && typeof compareOffset !== 'number' ? EINVAL : 0;
}

/** Numbers of an extent: offset, length and kind. */
const EXTENT_NUMBERS = 3;

/** An IoBuffer in a record: its number, and behind it where it is and how large. */
type BufferField = typeof BUFFER | typeof COMPARE | typeof EXTENTS;
const ADDRESS_AFTER = BUFFER_ADDRESS - BUFFER;
const LENGTH_AFTER = BUFFER_LENGTH - BUFFER;

/**
 * Writes operations down for the service threads, and reads what became of them.
 *
 * Threads get the address of memory, and not the memory: a thread that sleeps would keep what it has been sent, and one that works would until its
 * own garbage is collected, which hardly ever comes. It is this side that keeps the memory of an operation until that is done.
 */
export class RecordWriter {
  readonly #records: Float64Array;
  readonly #objects: SharedObjects;
  readonly #memory = new BounceMemory();
  /** By slot, of the few operations whose memory cannot be shared as it is. */
  readonly #bounces: (Bounce | null)[];
  /** By slot: what the threads have the addresses of, whatever becomes of the fields of the operation meanwhile. */
  readonly #buffers: (IoBuffer | null)[];
  readonly #vectors: (IoVector | null)[];
  readonly #compares: (IoBuffer | null)[];

  constructor(memory: ServiceMemory, objects: SharedObjects) {
    this.#records = memory.records;
    this.#objects = objects;
    this.#bounces = new Array<Bounce | null>(memory.size).fill(null);
    this.#buffers = new Array<IoBuffer | null>(memory.size).fill(null);
    this.#vectors = new Array<IoVector | null>(memory.size).fill(null);
    this.#compares = new Array<IoBuffer | null>(memory.size).fill(null);
  }

  /** @param op one that {@link refusalOf} has nothing against */
  write(op: BlockIo, slot: number): void {
    const records = this.#records;
    const at = slot * RECORD_NUMBERS;
    const { buffer } = op;
    records[at + OPERATION] = op.operation;
    // A flush has no range, and what stands there need not be a number.
    const hasRange = op.operation !== BLOCK_FLUSH;
    records[at + OFFSET] = hasRange ? op.offset : 0;
    records[at + LENGTH] = hasRange ? op.lengthBytes : 0;
    records[at + BUFFER_OFFSET] = buffer === null ? 0 : op.bufferOffset;
    this.#buffers[slot] = buffer;
    const isThreads = buffer === null ? this.#writeNone(at) : this.#writeBuffer(slot, BUFFER, buffer);
    const plain = op.operation <= BLOCK_WRITE && op.flags === 0 && op.vector === null && op.claim === null;
    records[at + RARE] = plain ? 0 : 1;
    if (!plain) this.#writeRare(op, slot);
    if (!isThreads) this.#bounceData(op, slot);
  }

  /** Puts the answer into the operation. The slot is free afterwards. */
  read(op: BlockIo, slot: number): void {
    const at = slot * RECORD_NUMBERS;
    op.error = this.#records[at + ERROR] as number;
    op.transferredBytes = this.#records[at + TRANSFERRED] as number;
    this.#buffers[slot] = null;
    if (this.#vectors[slot] !== null) this.#vectors[slot] = null;
    if (this.#compares[slot] !== null) this.#compares[slot] = null;
    if (this.#bounces[slot] !== null) this.#readBounce(op, slot, this.#bounces[slot] as Bounce);
    op.state = IO_DONE;
  }

  /** Writes an answer without a thread. */
  fail(slot: number, error: number): void {
    const at = slot * RECORD_NUMBERS;
    this.#records[at + ERROR] = error;
    this.#records[at + TRANSFERRED] = 0;
    this.#records[at + EXTENTS_COUNT] = 0;
  }

  #writeRare(op: BlockIo, slot: number): void {
    const records = this.#records;
    const at = slot * RECORD_NUMBERS;
    records[at + FLAGS] = op.flags;
    records[at + CLAIM] = op.claim === null ? -1 : op.claim.id;
    records[at + VECTOR] = 0;
    records[at + COMPARE] = 0;
    records[at + COMPARE_OFFSET] = op.compareOffset;
    records[at + EXTENTS] = 0;
    records[at + EXTENTS_COUNT] = 0;
    if (op.vector !== null && !this.#writeVector(slot, op.vector)) this.#bounceData(op, slot);
    if (op.operation === BLOCK_COMPARE_AND_WRITE && op.compare !== null) this.#writeCompare(op, slot, op.compare);
    if (op.extents instanceof ExtentList) this.#giveExtents(op.extents, slot);
  }

  #writeNone(at: number): true {
    this.#records[at + BUFFER] = 0;
    return true;
  }

  /** Writes down a buffer. False if it lies in memory that its owner could take away: then nothing has been. */
  #writeBuffer(slot: number, field: BufferField, buffer: IoBuffer): boolean {
    const at = slot * RECORD_NUMBERS + field;
    this.#records[at] = 0;
    // Whoever writes JavaScript can hand over anything: the channel calls it invalid.
    if (!(buffer instanceof IoBuffer)) return true;
    if (!buffer.isShared) return false;
    if (buffer.address === 0) this.#objects.tell(buffer);
    this.#records[at] = buffer.id;
    this.#records[at + ADDRESS_AFTER] = buffer.address;
    this.#records[at + LENGTH_AFTER] = buffer.lengthBytes;
    return true;
  }

  /** As {@link #writeBuffer}, of a vector. */
  #writeVector(slot: number, vector: IoVector): boolean {
    if (!(vector instanceof IoVector)) return true;
    if (!vector.segments.every(({ memory }) => memory.isShared)) return false;
    const at = slot * RECORD_NUMBERS;
    this.#vectors[slot] = vector;
    this.#records[at + VECTOR] = this.#objects.vectorNumber(vector);
    this.#records[at + VECTOR_ADDRESS] = vector.address;
    this.#records[at + VECTOR_COUNT] = vector.count;
    return true;
  }

  #writeCompare(op: BlockIo, slot: number, compare: IoBuffer): void {
    this.#compares[slot] = compare;
    if (this.#writeBuffer(slot, COMPARE, compare)) return;
    const views = viewOf(compare, op.compareOffset, op.lengthBytes);
    if (views.length === 0) return;
    const memory = this.#memory.take(op.lengthBytes);
    gather(memory, views);
    this.#bounceOf(slot).compare = memory;
    this.#writeBuffer(slot, COMPARE, memory);
    this.#records[slot * RECORD_NUMBERS + COMPARE_OFFSET] = 0;
  }

  #giveExtents({ capacity }: ExtentList, slot: number): void {
    const memory = this.#memory.take(capacity * EXTENT_NUMBERS * 8);
    this.#bounceOf(slot).extents = memory;
    this.#writeBuffer(slot, EXTENTS, memory);
    this.#records[slot * RECORD_NUMBERS + EXTENTS_CAPACITY] = capacity;
  }

  /** Gives the threads a copy, in memory that they can have; nothing where the operation has not the memory that it says, which is invalid. */
  #bounceData(op: BlockIo, slot: number): void {
    const at = slot * RECORD_NUMBERS;
    const views = viewsOf(op);
    this.#records[at + BUFFER] = 0;
    if (this.#records[at + RARE] === 1) this.#records[at + VECTOR] = 0;
    if (views.length === 0) return;
    const memory = this.#memory.take(op.lengthBytes);
    if (op.operation !== BLOCK_READ) gather(memory, views);
    this.#bounceOf(slot).data = memory;
    this.#writeBuffer(slot, BUFFER, memory);
    this.#records[at + BUFFER_OFFSET] = 0;
  }

  #bounceOf(slot: number): Bounce {
    const bounce = this.#bounces[slot] ?? { data: null, compare: null, extents: null };
    this.#bounces[slot] = bounce;
    return bounce;
  }

  #readBounce(op: BlockIo, slot: number, bounce: Bounce): void {
    this.#bounces[slot] = null;
    if (bounce.data !== null && op.operation === BLOCK_READ) {
      const views = viewsOf(op);
      // The owner of the memory has transferred it away meanwhile.
      if (views.length === 0) op.error = EINVAL;
      else scatter(bounce.data, views, op.transferredBytes);
    }
    if (bounce.extents !== null && op.extents !== null) {
      const count = this.#records[slot * RECORD_NUMBERS + EXTENTS_COUNT] as number;
      readExtents(op.extents, extentNumbers(bounce.extents), count);
    }
    this.#memory.giveBack(bounce);
  }
}

/** The memory of extents as numbers. */
export function extentNumbers({ bytes }: IoBuffer): Float64Array {
  return new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
}

function readExtents(extents: ExtentList, numbers: Float64Array, count: number): void {
  extents.clear();
  for (let index = 0; index < count; index++) {
    const at = index * EXTENT_NUMBERS;
    extents.add(numbers[at] as number, numbers[at + 1] as number, numbers[at + 2] as number);
  }
}
