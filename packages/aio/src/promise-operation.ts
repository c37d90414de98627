import { BLOCK_OPERATION_NAMES, type BlockOperation, type ExtentList } from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { ECANCELED, EINVAL, ENOTSUP, EROFS, ETIMEDOUT, type IoBuffer, type IoVector, SystemError } from '@biodone/uring';
import type { AioOp, AioPriority } from './aio-op.js';
import { nameOfDevice } from './device-name.js';
import { EILSEQ } from './errno.js';
import { outOfRange } from './errors.js';
import { deviceOf, explain } from './explain.js';
import { EAGAIN, EBADF } from './operation-calls.js';
import type { OperationTarget } from './operation-target.js';
import type { OrderingKey } from './ordering-key.js';
import { type RoomWish, waitForRoom } from './promise-room.js';
import type { AioServicePool } from './service-pool.js';
import { memoryBytes } from './usable.js';

/** What is asked for. */
export interface Request {
  readonly operation: BlockOperation;
  readonly buffer: IoBuffer | null;
  readonly bufferOffset: number;
  readonly vector: IoVector | null;
  readonly compare: IoBuffer | null;
  readonly compareOffset: number;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly extents: ExtentList | null;
}

/** How it is to be done: what of `OperationOptions` is for the operation itself. */
export interface Manner {
  signal?: AbortSignal | null;
  priority?: AioPriority;
  flags?: number;
  deadlineMs?: number;
  orderingKey?: OrderingKey | null;
  drain?: boolean;
  wait?: boolean;
}

/** Starts an operation of the pool, and promises what `resultOf` says of it when it is done. */
export function start<T>(pool: OperationTarget, request: Request, manner: Manner, resultOf: (op: AioOp) => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const { signal = null } = manner;
    if (signal?.aborted === true) {
      reject(new AbortError(signal.reason));
      return;
    }
    const op = pool.allocate();
    describe(op, request);
    op.private = { resolve: resolve as (result: unknown) => void, reject, resultOf } satisfies Settle;
    op.callback = settle;
    try {
      applyManner(op, manner);
    } catch (error) {
      giveUp(pool, op, error as Error);
      return;
    }
    submit(pool, op, manner.wait === true);
  });
}

/** Fills in an operation that is as new. */
export function describe(op: AioOp, request: Request): void {
  op.operation = request.operation;
  op.buffer = request.buffer;
  op.bufferOffset = request.bufferOffset;
  op.offset = request.offset;
  op.lengthBytes = request.lengthBytes;
  if (request.vector !== null) op.vector = request.vector;
  if (request.compare !== null) op.compare = request.compare;
  if (request.compareOffset !== 0) op.compareOffset = request.compareOffset;
  if (request.extents !== null) op.extents = request.extents;
}

/** How it is to be done. @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE */
export function applyManner(op: AioOp, { signal, priority, flags, deadlineMs, orderingKey, drain }: Manner): void {
  if (flags !== undefined) op.flags = flags;
  if (priority !== undefined) {
    if (!(priority === 0 || priority === 1 || priority === 2)) {
      throw outOfRange('options.priority', 'PRIORITY_NONCRITICAL, PRIORITY_TIMELIMITED or PRIORITY_TIMECRITICAL', priority);
    }
    op.priority = priority;
  }
  if (signal) op.signal = signal;
  if (deadlineMs !== undefined) op.deadlineMs = deadlineMs;
  if (orderingKey) op.orderingKey = orderingKey;
  if (drain === true) op.drain = true;
}

/** The error of an operation that has failed: an AbortError, if its signal has ended it. @param advice what the reader can do about it, if that is known */
export function failureOf(op: AioOp, advice: string | null = adviceOn(op)): Error {
  const { error, signal } = op;
  if (error === ECANCELED && signal?.aborted === true) return new AbortError(signal.reason);
  const device = deviceOf(op);
  const path = device === null ? undefined : nameOfDevice(device);
  return new SystemError(error, nameOf(op), path, advice ?? undefined);
}

/** The error of a pool or a class that takes no operation: EBADF, EAGAIN, or ETIMEDOUT if it was waited for. */
export function refusalOf(pool: OperationTarget, error: number, syscall: string, reason: string | null = null): SystemError {
  const { device } = 'pools' in pool ? (pool.pools[0] as AioServicePool) : pool;
  return new SystemError(error, syscall, nameOfDevice(device), reason ?? reasonFor(pool, error));
}

interface Settle {
  resolve(result: unknown): void;
  reject(error: Error): void;
  resultOf(op: AioOp): unknown;
}

function submit(pool: OperationTarget, op: AioOp, wait: boolean): void {
  let refused: number;
  try {
    refused = pool.submit(op);
  } catch (error) {
    giveUp(pool, op, error as Error);
    return;
  }
  if (refused === EAGAIN && wait) submitLater(pool, op);
  else if (refused !== 0) giveUp(pool, op, refusalOf(pool, refused, nameOf(op)));
}

/** Submits an operation as soon as there is room. Its deadline runs already. */
function submitLater(pool: OperationTarget, op: AioOp): void {
  waitForRoom(pool, { ...pick(op), lengthBytes: memoryBytes(op), count: 1 }, (error, leftMs) => {
    if (error === ECANCELED) giveUp(pool, op, new AbortError(op.signal?.reason));
    else if (error !== 0) giveUp(pool, op, refusalOf(pool, error, nameOf(op)));
    else {
      op.deadlineMs = leftMs;
      submit(pool, op, true);
    }
  });
}

function pick({ signal, orderingKey, deadlineMs }: AioOp): Omit<RoomWish, 'lengthBytes' | 'count'> {
  return { signal, orderingKey, deadlineMs };
}

function giveUp(pool: OperationTarget, op: AioOp, error: Error): void {
  const { reject } = op.private as Settle;
  pool.release(op);
  reject(error);
}

/** The callback of all operations here. */
function settle(op: AioOp): void {
  const { resolve, reject, resultOf } = op.private as Settle;
  if (op.error === 0) resolve(resultOf(op));
  else reject(failureOf(op));
}

function adviceOn(op: AioOp): string | null {
  const { error, deadlineMs, offset, transferredBytes } = op;
  if (error === EINVAL || error === ENOTSUP || error === EROFS) return explain(op);
  if (error === EILSEQ) return `the first difference is at offset ${offset + transferredBytes}`;
  return error === ETIMEDOUT && deadlineMs !== Number.POSITIVE_INFINITY ? 'its deadline has come' : null;
}

/** Why a pool or a class takes no operation. */
function reasonFor(pool: OperationTarget, error: number): string {
  if (error === EBADF) return pool.closed ? 'the pool is closed' : 'the device is closed, and the pool is not';
  const { inFlight, unreapedCount } = pool;
  const done = unreapedCount === 0 ? '' : `, and ${unreapedCount} are done and not reaped`;
  const room = `${inFlight} operations are in flight${done}`;
  return error === ETIMEDOUT ? `its deadline came while it waited for room: ${room}` : `${room}: { wait: true } waits for room`;
}

/** What an operation's errors call it. */
export function nameOf({ operation }: Pick<AioOp, 'operation'>): string {
  return BLOCK_OPERATION_NAMES[operation] ?? 'aio';
}
