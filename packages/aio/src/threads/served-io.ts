import { BlockIo, type BlockOperation, ExtentList } from '@biodone/blockdev';
import type { IoBuffer } from '@biodone/uring';
import {
  BUFFER,
  BUFFER_ADDRESS,
  BUFFER_LENGTH,
  BUFFER_OFFSET,
  CLAIM,
  COMPARE,
  COMPARE_ADDRESS,
  COMPARE_LENGTH,
  COMPARE_OFFSET,
  ERROR,
  EXTENTS,
  EXTENTS_ADDRESS,
  EXTENTS_CAPACITY,
  EXTENTS_COUNT,
  EXTENTS_LENGTH,
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
import { extentNumbers } from './record-writer.js';
import type { ThreadObjects } from './thread-objects.js';

/** A service thread's request for the operation in a slot. */
export class ServedIo extends BlockIo {
  slot = -1;
  /** Whether it has any of the fields that few have. */
  #rare = false;
  /** Where the extents go. */
  #extentMemory: IoBuffer | null = null;
  /** Stands for the claim that the operation carries. */
  readonly #token = { id: 0 };

  /** Becomes the request that a record describes. */
  read(records: Float64Array, slot: number, objects: ThreadObjects): void {
    const at = slot * RECORD_NUMBERS;
    this.slot = slot;
    this.operation = records[at + OPERATION] as BlockOperation;
    this.offset = records[at + OFFSET] as number;
    this.lengthBytes = records[at + LENGTH] as number;
    this.buffer = bufferAt(records, at, BUFFER, BUFFER_ADDRESS, BUFFER_LENGTH, objects);
    this.bufferOffset = records[at + BUFFER_OFFSET] as number;
    this.#rare = records[at + RARE] !== 0;
    if (this.#rare) this.#readRare(records, at, objects);
  }

  /** Writes what became of it, and lets go of what it holds. */
  write(records: Float64Array): void {
    const at = this.slot * RECORD_NUMBERS;
    records[at + ERROR] = this.error;
    records[at + TRANSFERRED] = this.transferredBytes;
    this.buffer = null;
    if (this.#rare) this.#writeRare(records, at);
  }

  #readRare(records: Float64Array, at: number, objects: ThreadObjects): void {
    this.flags = records[at + FLAGS] as number;
    this.vector = objects.vector(
      records[at + VECTOR] as number,
      records[at + VECTOR_ADDRESS] as number,
      records[at + VECTOR_COUNT] as number,
    );
    this.#token.id = records[at + CLAIM] as number;
    this.claim = this.#token.id === -1 ? null : this.#token;
    this.compare = bufferAt(records, at, COMPARE, COMPARE_ADDRESS, COMPARE_LENGTH, objects);
    this.compareOffset = records[at + COMPARE_OFFSET] as number;
    this.#extentMemory = bufferAt(records, at, EXTENTS, EXTENTS_ADDRESS, EXTENTS_LENGTH, objects);
    this.extents = this.#extentMemory === null ? null : new ExtentList(records[at + EXTENTS_CAPACITY]);
  }

  #writeRare(records: Float64Array, at: number): void {
    if (this.extents !== null && this.#extentMemory !== null) {
      records[at + EXTENTS_COUNT] = this.extents.count;
      writeExtents(this.extents, extentNumbers(this.#extentMemory));
    }
    this.flags = 0;
    this.vector = null;
    this.claim = null;
    this.compare = null;
    this.extents = null;
    this.#extentMemory = null;
  }
}

function bufferAt(
  records: Float64Array,
  at: number,
  number: number,
  address: number,
  length: number,
  objects: ThreadObjects,
): IoBuffer | null {
  return objects.buffer(records[at + number] as number, records[at + address] as number, records[at + length] as number);
}

function writeExtents(extents: ExtentList, numbers: Float64Array): void {
  for (let index = 0; index < extents.count; index++) {
    numbers[index * 3] = extents.offset(index);
    numbers[index * 3 + 1] = extents.lengthBytes(index);
    numbers[index * 3 + 2] = extents.kind(index);
  }
}
