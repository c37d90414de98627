import { BLOCK_FLUSH, type BlockDevice, type BlockTimers, IO_DONE } from '@biodone/blockdev';
import { ECANCELED, EDEADLK, ETIMEDOUT, SystemError } from '@biodone/uring';
import type { AioFile, AioFileUser } from './aio-file.js';
import { AIO_ENDING, AIO_IDLE, AIO_TURN, type AioOp, IS_SHARED } from './aio-op.js';
import { place } from './ordering-key.js';

/** What a synchronous operation needs of its pool. */
export interface SyncRunner extends AioFileUser {
  readonly device: BlockDevice;
  readonly file: AioFile;
  readonly timers: BlockTimers;
  /** Gives the operation its place in the order; its phase is AIO_TURN when its turn has come. */
  admit(op: AioOp): void;
  /** Takes it out of the order, while it waits. */
  end(op: AioOp): unknown;
  /** It is over: whose turn it is now goes on. */
  leave(op: AioOp): void;
}

/**
 * The calling thread runs the operation: no queue, no limit, no hop (rule 3). It waits for what the asynchronous mode would wait for to keep the
 * order, by moving that on: callbacks of others run in here.
 */
export function runSynchronously(op: AioOp, pool: SyncRunner): void {
  const { file } = pool;
  if (op.features === 0 && !file.gated && (op.operation !== BLOCK_FLUSH || file.live === 0)) {
    pool.device.strategySync(op);
    return;
  }
  op.error = 0;
  op.transferredBytes = 0;
  if (op.signal?.aborted === true) {
    op.error = ECANCELED;
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
    const error = leftMs <= 0 ? ETIMEDOUT : moveOn(pool, leftMs);
    if (error === 0 || !isWaiting(op)) continue;
    pool.end(op);
    op.error = error;
  }
}

/** Moves what is under way on the file on, in this thread. Returns an errno if nothing can be moved on here. */
function moveOn(pool: SyncRunner, timeoutMs: number): number {
  const users = [pool, ...pool.file.users];
  // Those that have something with the device come first: the others could only look, again and again, and never sleep.
  for (const user of users) if (user.started > 0 && waitFor(user, timeoutMs) !== 'EDEADLK') return 0;
  // With nothing at the device, all wait for one another, and for an operation that has called the callback which this one is in.
  for (const user of users) {
    if (user.started > 0 || user.inFlight === 0) continue;
    const ended = waitFor(user, 0);
    if (typeof ended === 'number' && ended > 0) return 0;
  }
  return EDEADLK;
}

function waitFor(user: AioFileUser, timeoutMs: number): number | 'EINTR' | 'ETIME' | 'EDEADLK' {
  try {
    return user.wait(timeoutMs);
  } catch (error) {
    if (isDeadlock(error)) return 'EDEADLK';
    // A callback of another operation has thrown, which is not this one's matter.
    queueMicrotask(() => {
      throw error;
    });
    return 1;
  }
}

function isDeadlock(error: unknown): boolean {
  return error instanceof SystemError && error.code === 'EDEADLK' && error.syscall === 'wait';
}

function isWaiting({ phase }: AioOp): boolean {
  return phase !== AIO_TURN && phase !== AIO_ENDING;
}
