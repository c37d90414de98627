import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_OPERATION_NAMES,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockOperation,
  ExtentList,
} from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { ECANCELED, type IoBuffer, SystemError } from '@biodone/uring';
import type { AioOp, AioPriority } from './aio-op.js';
import { EAGAIN, EBADF } from './dispatcher.js';
import type { OrderingKey } from './ordering-key.js';
import type { AioServicePool } from './service-pool.js';

/** What operations are submitted to: an `AioServicePool` or an `AioServiceClass`. */
export type OperationTarget = Pick<AioServicePool, 'allocate' | 'submit' | 'release' | 'whenAvailable' | 'inFlight'>;

/** How an operation is to be done. */
export interface OperationOptions {
  /**
   * Cancels the operation: one that waits ends, one that the kernel has started completes as it will, and the promise says how.
   */
  signal?: AbortSignal | null;
  /** @default PRIORITY_TIMELIMITED */
  priority?: AioPriority;
  /** BLOCK_FUA and its like. @default 0 */
  flags?: number;
  /** After how many milliseconds it is cancelled. @default Infinity */
  deadlineMs?: number;
  /** @default null */
  orderingKey?: OrderingKey | null;
  /** Whether it waits for all before it, and holds all after it. @default false */
  drain?: boolean;
  /** Whether it waits for room in a pool that is full, instead of failing with EAGAIN. @default false */
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
 * @throws (rejects) SystemError EAGAIN if the pool is full, EBADF if it is closed, ETIMEDOUT if its deadline has ended it; AbortError ABORT_ERR if its signal
 * has; otherwise the I/O's error, when it is done
 */
export function read(pool: OperationTarget, buffer: IoBuffer, offset: number, options: TransferOptions = {}): Promise<number> {
  return transfer(pool, BLOCK_READ, buffer, offset, options);
}

/** Writes the buffer to `offset`. Returns and rejects as {@link read}; completion is not durability (rule 8): see `flags`. */
export function write(pool: OperationTarget, buffer: IoBuffer, offset: number, options: TransferOptions = {}): Promise<number> {
  return transfer(pool, BLOCK_WRITE, buffer, offset, options);
}

/**
 * Makes all writes stable that were submitted before. Rejects with the error of the first operation submitted before that fails, or as {@link read}.
 */
export async function flush(pool: OperationTarget, options: OperationOptions = {}): Promise<void> {
  await start(pool, BLOCK_FLUSH, null, 0, 0, 0, options);
}

/** Says that nobody needs the range any more. Rejects as {@link read}, and with ENOTSUP if the device cannot. */
export async function discard(
  pool: OperationTarget,
  offset: number,
  lengthBytes: number,
  options: OperationOptions = {},
): Promise<void> {
  await start(pool, BLOCK_DISCARD, null, 0, offset, lengthBytes, options);
}

/** Makes a range read as zeros. Rejects as {@link read}. */
export async function zeroes(
  pool: OperationTarget,
  offset: number,
  lengthBytes: number,
  options: OperationOptions = {},
): Promise<void> {
  await start(pool, BLOCK_WRITE_ZEROES, null, 0, offset, lengthBytes, options);
}

/** Which parts of a range hold data: for the beginning of the range, which may be all of it. Rejects as {@link read}. */
export async function extents(
  pool: OperationTarget,
  offset: number,
  lengthBytes: number,
  options: OperationOptions = {},
): Promise<ExtentList> {
  const list = new ExtentList();
  await start(pool, BLOCK_EXTENTS, null, 0, offset, lengthBytes, options, list);
  return list;
}

/** Resolves when there is room for one more operation: see `AioServicePool.whenAvailable`. Rejects with EBADF if the pool is closed. */
export function available(pool: OperationTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    pool.whenAvailable((error) => {
      if (error === 0) resolve();
      else reject(new SystemError(error, 'available', undefined, 'the pool is closed'));
    });
  });
}

function transfer(
  pool: OperationTarget,
  operation: BlockOperation,
  buffer: IoBuffer,
  offset: number,
  options: TransferOptions,
): Promise<number> {
  const { bufferOffset = 0, lengthBytes = buffer.lengthBytes - bufferOffset } = options;
  return start(pool, operation, buffer, bufferOffset, offset, lengthBytes, options);
}

function start(
  pool: OperationTarget,
  operation: BlockOperation,
  buffer: IoBuffer | null,
  bufferOffset: number,
  offset: number,
  lengthBytes: number,
  options: OperationOptions,
  list: ExtentList | null = null,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const { signal = null } = options;
    if (signal?.aborted === true) {
      reject(new AbortError(signal.reason));
      return;
    }
    const op = pool.allocate();
    op.operation = operation;
    op.buffer = buffer;
    op.bufferOffset = bufferOffset;
    op.offset = offset;
    op.lengthBytes = lengthBytes;
    if (list !== null) op.extents = list;
    op.private = { resolve, reject } satisfies Settle;
    op.callback = settle;
    try {
      applyOptions(op, options);
      submit(pool, op, options.wait === true);
    } catch (error) {
      if (!op.submitted) pool.release(op);
      reject(error);
    }
  });
}

function applyOptions(op: AioOp, { signal, priority, flags, deadlineMs, orderingKey, drain }: OperationOptions): void {
  if (flags !== undefined) op.flags = flags;
  if (priority !== undefined) op.priority = priority;
  if (signal) op.signal = signal;
  if (deadlineMs !== undefined) op.deadlineMs = deadlineMs;
  if (orderingKey) op.orderingKey = orderingKey;
  if (drain === true) op.drain = true;
}

function submit(pool: OperationTarget, op: AioOp, wait: boolean): void {
  const refused = pool.submit(op);
  if (refused === 0) return;
  if (refused === EAGAIN && wait) {
    pool.whenAvailable((error) => {
      if (error !== 0) refuse(pool, op, error);
      else if (op.signal?.aborted === true) giveUp(pool, op, new AbortError(op.signal.reason));
      else submit(pool, op, true);
    }, op.lengthBytes);
    return;
  }
  refuse(pool, op, refused);
}

function refuse(pool: OperationTarget, op: AioOp, error: number): void {
  const why = error === EBADF ? 'the pool is closed' : `${pool.inFlight} operations are in flight`;
  giveUp(pool, op, new SystemError(error, nameOf(op), undefined, why));
}

function giveUp(pool: OperationTarget, op: AioOp, error: Error): void {
  const { reject } = op.private as Settle;
  pool.release(op);
  reject(error);
}

interface Settle {
  resolve(transferredBytes: number): void;
  reject(error: Error): void;
}

function settle(op: AioOp): void {
  const { resolve, reject } = op.private as Settle;
  const { error, signal } = op;
  if (error === 0) resolve(op.transferredBytes);
  else if (error === ECANCELED && signal?.aborted === true) reject(new AbortError(signal.reason));
  else reject(new SystemError(error, nameOf(op)));
}

function nameOf({ operation }: AioOp): string {
  return BLOCK_OPERATION_NAMES[operation] ?? 'aio';
}
