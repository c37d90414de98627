import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockOperation,
  ExtentList,
} from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { ECANCELED, type IoBuffer, type IoVector } from '@biodone/uring';
import type { AioOp, AioPriority } from './aio-op.js';
import { checkNames } from './check-names.js';
import { invalidType } from './errors.js';
import type { OperationTarget } from './operation-target.js';
import { OrderingKey } from './ordering-key.js';
import { refusalOf, start } from './promise-operation.js';
import { checkedBuffer, checkedVector, type VectorMemory } from './promise-request.js';
import { waitForRoom } from './promise-room.js';

export type { OperationTarget } from './operation-target.js';
export { type BatchOperation, type BatchOptions, type BatchOutcome, batch, type ChainFailure, chain } from './promise-batch.js';
export type { VectorMemory } from './promise-request.js';

/** How an operation is to be done. */
export interface OperationOptions {
  /**
   * Cancels the operation: one that waits ends, one that the kernel has started completes as it will, and the promise says how. The `cause` of the
   * AbortError is the signal's reason.
   */
  signal?: AbortSignal | null;
  /** @default PRIORITY_TIMELIMITED */
  priority?: AioPriority;
  /** BLOCK_FUA and its like. @default 0 */
  flags?: number;
  /** After how many milliseconds from this call it is cancelled, or gives up waiting for room. @default Infinity */
  deadlineMs?: number;
  /** @default null */
  orderingKey?: OrderingKey | null;
  /** Whether it waits for all before it, and holds all after it. @default false */
  drain?: boolean;
  /** Whether it waits for room in a pool that is full, instead of failing with EAGAIN; `signal` and `deadlineMs` end that too. @default false */
  wait?: boolean;
}

/** Which part of a buffer an operation uses, and how it is to be done. */
export interface TransferOptions extends OperationOptions {
  /**
   * In bytes.
   * @default 0
   */
  bufferOffset?: number;
  /**
   * In bytes.
   * @default the rest of the buffer
   */
  lengthBytes?: number;
}

/**
 * Reads from `offset` into the buffer.
 *
 * @returns how many bytes were read, fewer than asked at the end of a file
 * @throws (rejects) SystemError EAGAIN if the pool is full, EBADF if it or its device is closed, ETIMEDOUT if its deadline has ended it; AbortError
 * ABORT_ERR if its signal has; TypeError ERR_INVALID_ARG_TYPE for what is no buffer, ERR_INVALID_ARG_VALUE for an option that there is not; otherwise the I/O's
 * error, when it is done. These errors have the `path` of the device's file, or what else it is, and those by a wrong argument say which it is: see `explain`.
 */
export function read(pool: OperationTarget, buffer: IoBuffer, offset: number, options: TransferOptions = {}): Promise<number> {
  return transfer(pool, BLOCK_READ, buffer, offset, options, bytesMoved);
}

/** Writes the buffer to `offset`. Returns and rejects as {@link read}; completion is not durability (rule 8): see `flags`. */
export function write(pool: OperationTarget, buffer: IoBuffer, offset: number, options: TransferOptions = {}): Promise<number> {
  return transfer(pool, BLOCK_WRITE, buffer, offset, options, bytesMoved);
}

/** Which parts of two buffers a compare-and-write uses, and how it is to be done. */
export interface CompareOptions extends TransferOptions {
  /**
   * Where in what it compares with, in bytes.
   * @default 0
   */
  compareOffset?: number;
}

/**
 * Reads from `offset` into parts of memory, one after the other: readv(2). An IoVector can be used again and again, as an array of buffers is made one at
 * each call. Returns and rejects as {@link read}, and with RangeError ERR_OUT_OF_RANGE for no parts, or more than 1024.
 */
export function readv(
  pool: OperationTarget,
  vector: VectorMemory,
  offset: number,
  options: OperationOptions = {},
): Promise<number> {
  return transferParts(pool, BLOCK_READ, vector, offset, options);
}

/** Writes parts of memory to `offset`, one after the other: writev(2). Returns and rejects as {@link readv} and {@link write}. */
export function writev(
  pool: OperationTarget,
  vector: VectorMemory,
  offset: number,
  options: OperationOptions = {},
): Promise<number> {
  return transferParts(pool, BLOCK_WRITE, vector, offset, options);
}

/**
 * Writes the buffer to `offset` if what is there is the same as `compare`: both or nothing, as far as other requests to the device can see, through
 * whatever channel. It is as long as the rest of the buffer, unless told otherwise.
 *
 * @returns how many bytes were written
 * @throws (rejects) SystemError EILSEQ if something else is there: the message says where the first difference is, and nothing was written. Otherwise
 * as {@link write}; if the driver fails in the middle where the layer does it, the beginning is written
 */
export function compareAndWrite(
  pool: OperationTarget,
  compare: IoBuffer,
  buffer: IoBuffer,
  offset: number,
  options: CompareOptions = {},
): Promise<number> {
  try {
    checkNames('compareAndWrite', options, COMPARE_OPTIONS);
    checkedBuffer('compare', compare);
    checkedBuffer('buffer', buffer);
  } catch (error) {
    return Promise.reject(error as Error);
  }
  const { compareOffset = 0, bufferOffset = 0, lengthBytes = buffer.lengthBytes - bufferOffset } = options;
  const request = { operation: BLOCK_COMPARE_AND_WRITE, buffer, bufferOffset, vector: null, compare, compareOffset };
  return start(pool, { ...request, offset, lengthBytes, extents: null }, options, bytesMoved);
}

/** Where {@link append} has written. */
export interface Appended {
  /** Of the first byte. */
  readonly offset: number;
  /** How many bytes were written. */
  readonly bytes: number;
}

/**
 * Writes the buffer behind what has been written with the same key before, in the order of the calls, whatever is under way meanwhile.
 *
 * @param key one with an `appendOffset`, which says where the first write goes
 * @throws (rejects) TypeError ERR_INVALID_ARG_VALUE for a key that does not append; otherwise as {@link read}. Where a failed write was to be, the next one is
 * written
 */
export function append(
  pool: OperationTarget,
  key: OrderingKey,
  buffer: IoBuffer,
  options: Omit<TransferOptions, 'orderingKey'> = {},
): Promise<Appended> {
  const fault = appendFault(key);
  if (fault !== null) return Promise.reject(fault);
  return transfer(pool, BLOCK_WRITE, buffer, 0, { ...options, orderingKey: key }, appendedAt);
}

/**
 * Makes all writes stable that were submitted before. Rejects with the error of the first operation submitted before that fails, or as {@link read}.
 */
export async function flush(pool: OperationTarget, options: OperationOptions = {}): Promise<void> {
  await range(pool, BLOCK_FLUSH, 0, 0, options);
}

/** Says that nobody needs the range any more. Rejects as {@link read}, and with ENOTSUP if the device cannot. */
export async function discard(
  pool: OperationTarget,
  offset: number,
  lengthBytes: number,
  options: OperationOptions = {},
): Promise<void> {
  await range(pool, BLOCK_DISCARD, offset, lengthBytes, options);
}

/** Makes a range read as zeros. Rejects as {@link read}. */
export async function zeroes(
  pool: OperationTarget,
  offset: number,
  lengthBytes: number,
  options: OperationOptions = {},
): Promise<void> {
  await range(pool, BLOCK_WRITE_ZEROES, offset, lengthBytes, options);
}

/** Which parts of a range hold data: for the beginning of the range, which may be all of it. Rejects as {@link read}. */
export async function extents(
  pool: OperationTarget,
  offset: number,
  lengthBytes: number,
  options: OperationOptions = {},
): Promise<ExtentList> {
  const list = new ExtentList();
  await range(pool, BLOCK_EXTENTS, offset, lengthBytes, options, list);
  return list;
}

/**
 * Resolves when there is room for one more operation: see `AioServicePool.whenAvailable`. Rejects with EBADF if the pool or its device is closed, with an
 * AbortError if the signal comes first.
 */
export function available(pool: OperationTarget, options: { signal?: AbortSignal | null } = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    checkNames('available', options, ['signal']);
    const { signal = null } = options;
    if (signal?.aborted === true) throw new AbortError(signal.reason);
    const wish = { signal, orderingKey: null, deadlineMs: Number.POSITIVE_INFINITY, lengthBytes: 0, count: 1 };
    waitForRoom(pool, wish, (error) => {
      if (error === 0) resolve();
      else if (error === ECANCELED) reject(new AbortError(signal?.reason));
      else reject(refusalOf(pool, error, 'available'));
    });
  });
}

const OPTIONS: readonly string[] = ['signal', 'priority', 'flags', 'deadlineMs', 'orderingKey', 'drain', 'wait'];
const TRANSFER_OPTIONS: readonly string[] = [...OPTIONS, 'bufferOffset', 'lengthBytes'];
const COMPARE_OPTIONS: readonly string[] = [...TRANSFER_OPTIONS, 'compareOffset'];

function transfer<T>(
  pool: OperationTarget,
  operation: BlockOperation,
  buffer: IoBuffer,
  offset: number,
  options: TransferOptions,
  resultOf: (op: AioOp) => T,
): Promise<T> {
  try {
    checkNames('a transfer', options, TRANSFER_OPTIONS);
    checkedBuffer('buffer', buffer);
  } catch (error) {
    // An async function would be slower.
    return Promise.reject(error as Error);
  }
  const { bufferOffset = 0, lengthBytes = buffer.lengthBytes - bufferOffset } = options;
  const vector = null;
  const compare = null;
  // In full, and of one shape with those below: this is where most come by.
  const request = { operation, buffer, bufferOffset, vector, compare, compareOffset: 0, offset, lengthBytes, extents: null };
  return start(pool, request, options, resultOf);
}

function transferParts(
  pool: OperationTarget,
  operation: BlockOperation,
  parts: VectorMemory,
  offset: number,
  options: OperationOptions,
): Promise<number> {
  let vector: IoVector;
  try {
    checkNames('a transfer', options, OPTIONS);
    vector = checkedVector(parts);
  } catch (error) {
    return Promise.reject(error as Error);
  }
  const { lengthBytes } = vector;
  const memory = { operation, buffer: null, bufferOffset: 0, vector, compare: null, compareOffset: 0 };
  return start(pool, { ...memory, offset, lengthBytes, extents: null }, options, bytesMoved);
}

function range(
  pool: OperationTarget,
  operation: BlockOperation,
  offset: number,
  lengthBytes: number,
  options: OperationOptions,
  extents: ExtentList | null = null,
): Promise<number> {
  checkNames('an operation', options, OPTIONS);
  const memory = { operation, buffer: null, bufferOffset: 0, vector: null, compare: null, compareOffset: 0 };
  return start(pool, { ...memory, offset, lengthBytes, extents }, options, bytesMoved);
}

function bytesMoved({ transferredBytes }: AioOp): number {
  return transferredBytes;
}

function appendedAt({ offset, transferredBytes }: AioOp): Appended {
  return { offset, bytes: transferredBytes };
}

function appendFault(key: OrderingKey): TypeError | null {
  if (!(key instanceof OrderingKey)) return invalidType('key', 'an OrderingKey', key);
  if (key.appendOffset !== null) return null;
  const message = 'The value of "key" is invalid. It does not append: make it with new OrderingKey({ appendOffset: 0 })';
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}
