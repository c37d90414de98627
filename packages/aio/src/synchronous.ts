import { BLOCK_FLUSH, type BlockDevice, IO_DONE } from '@biodone/blockdev';
import { ECANCELED, EDEADLK, EIO, ETIMEDOUT } from '@biodone/uring';
import type { AioFile, AioFileUser } from './aio-file.js';
import { AIO_ENDING, AIO_IDLE, AIO_TURN, type AioOp, IS_SHARED } from './aio-op.js';
import { isDeadlock, moveOn } from './move-on.js';
import { place } from './ordering-key.js';

/** What a synchronous operation needs of its pool. */
export interface SyncRunner extends AioFileUser {
  readonly device: BlockDevice;
  readonly file: AioFile;
  /** Gives the operation its place in the order; its phase is AIO_TURN when its turn has come. */
  admit(op: AioOp): void;
  /** Takes it out of the order, while it waits: it ends with this error. */
  end(op: AioOp, error: number): unknown;
  /** It is over: whose turn it is now goes on. */
  leave(op: AioOp): void;
}

/**
 * The calling thread runs the operation: no queue, no limit, no hop (rule 3). It waits for what the asynchronous mode would wait for to keep the
 * order, by moving that on: callbacks of others run in here.
 */
export function runSynchronously(op: AioOp, pool: SyncRunner): void {
  const { file } = pool;
  if (op.features === 0 && !file.gated && (op.operation !== BLOCK_FLUSH || file.idle)) {
    pool.device.strategySync(op);
    return;
  }
  op.error = 0;
  op.transferredBytes = 0;
  if (isAborted(op)) {
    op.error = ECANCELED;
    // Of all others `leave` does that.
    if ((op.features & IS_SHARED) !== 0) op.rare.shared?.deliver(op.error, op.transferredBytes);
  } else {
    runInOrder(op, pool);
  }
  op.state = IO_DONE;
  op.phase = AIO_IDLE;
  if ((op.features & IS_SHARED) !== 0) op.rare.shared?.giveBack();
  pool.reconsider();
}

function runInOrder(op: AioOp, pool: SyncRunner): void {
  pool.admit(op);
  awaitTurn(op, pool);
  if (op.phase === AIO_TURN) {
    place(op);
    pool.device.strategySync(op);
  }
  pool.leave(op);
}

/** Blocks until the turn of the operation has come, or ends it. */
function awaitTurn(op: AioOp, pool: SyncRunner): void {
  const deadlineMs = pool.timers.now() + op.deadlineMs;
  // The phase changes in callbacks that run inside.
  while (isWaiting(op)) {
    const leftMs = deadlineMs - pool.timers.now();
    const error = isAborted(op) ? ECANCELED : leftMs <= 0 ? ETIMEDOUT : moveOthersOn(pool, leftMs);
    if (error === 0 || !isWaiting(op)) continue;
    pool.end(op, error);
  }
  // By a callback that has run in here, when its turn had come and the device did not have it yet.
  if (op.phase === AIO_TURN && isAborted(op)) pool.end(op, ECANCELED);
}

/** Moves what is under way on the file on. Returns an errno if nothing can be moved on here. */
function moveOthersOn(pool: SyncRunner, timeoutMs: number): number {
  const { file } = pool;
  const { completed } = file;
  try {
    moveOn(file.usersFrom(pool), timeoutMs);
    return 0;
  } catch (error) {
    const hasMoved = file.completed !== completed;
    if (!hasMoved && isDeadlock(error)) return EDEADLK;
    // A callback of another operation has thrown, which is not this one's matter: it may have been told of a deadlock of its own. If none was called,
    // the driver has, and would do so again.
    queueMicrotask(() => {
      throw error;
    });
    return hasMoved ? 0 : EIO;
  }
}

/** Nobody listens for a synchronous operation: only in a callback that it waits in can its signal be aborted. */
function isAborted({ signal }: AioOp): boolean {
  return signal?.aborted === true;
}

function isWaiting({ phase }: AioOp): boolean {
  return phase !== AIO_TURN && phase !== AIO_ENDING;
}
