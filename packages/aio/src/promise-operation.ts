import { BLOCK_OPERATION_NAMES, type BlockOperation, type ExtentList } from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { ECANCELED, EINVAL, ENOTSUP, EROFS, ETIMEDOUT, type IoBuffer, SystemError } from '@biodone/uring';
import type { AioOp, AioPriority } from './aio-op.js';
import { nameOfDevice } from './device-name.js';
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
    op.operation = request.operation;
    op.buffer = request.buffer;
    op.bufferOffset = request.bufferOffset;
    op.offset = request.offset;
    op.lengthBytes = request.lengthBytes;
    if (request.extents !== null) op.extents = request.extents;
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

/** The error of a pool or a class that takes no operation: EBADF, EAGAIN, or ETIMEDOUT if it was waited for. */
export function refusalOf(pool: OperationTarget, error: number, syscall: string): SystemError {
  const { device } = 'pools' in pool ? (pool.pools[0] as AioServicePool) : pool;
  return new SystemError(error, syscall, nameOfDevice(device), reasonFor(pool, error));
}

interface Settle {
  resolve(result: unknown): void;
  reject(error: Error): void;
  resultOf(op: AioOp): unknown;
}

function applyManner(op: AioOp, { signal, priority, flags, deadlineMs, orderingKey, drain }: Manner): void {
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
  waitForRoom(pool, { ...pick(op), lengthBytes: memoryBytes(op) }, (error, leftMs) => {
    if (error === ECANCELED) giveUp(pool, op, new AbortError(op.signal?.reason));
    else if (error !== 0) giveUp(pool, op, refusalOf(pool, error, nameOf(op)));
    else {
      op.deadlineMs = leftMs;
      submit(pool, op, true);
    }
  });
}

function pick({ signal, orderingKey, deadlineMs }: AioOp): Omit<RoomWish, 'lengthBytes'> {
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
  const { error, signal } = op;
  if (error === 0) resolve(resultOf(op));
  else if (error === ECANCELED && signal?.aborted === true) reject(new AbortError(signal.reason));
  else reject(errorOf(op));
}

function errorOf(op: AioOp): SystemError {
  const device = deviceOf(op);
  const { error } = op;
  const path = device === null ? undefined : nameOfDevice(device);
  return new SystemError(error, nameOf(op), path, adviceOn(op) ?? undefined);
}

function adviceOn(op: AioOp): string | null {
  const { error } = op;
  if (error === EINVAL || error === ENOTSUP || error === EROFS) return explain(op);
  return error === ETIMEDOUT && op.deadlineMs !== Number.POSITIVE_INFINITY ? 'its deadline has come' : null;
}

/** Why a pool or a class takes no operation. */
function reasonFor(pool: OperationTarget, error: number): string {
  if (error === EBADF) return pool.closed ? 'the pool is closed' : 'the device is closed, and the pool is not';
  const { inFlight, unreapedCount } = pool;
  const done = unreapedCount === 0 ? '' : `, and ${unreapedCount} are done and not reaped`;
  const room = `${inFlight} operations are in flight${done}`;
  return error === ETIMEDOUT ? `its deadline came while it waited for room: ${room}` : `${room}: { wait: true } waits for room`;
}

function nameOf({ operation }: AioOp): string {
  return BLOCK_OPERATION_NAMES[operation] ?? 'aio';
}
