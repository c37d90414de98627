import { ECANCELED, ETIMEDOUT } from '@biodone/uring';
import type { OperationTarget } from './operation-target.js';
import type { OrderingKey } from './ordering-key.js';

/** For what room is waited for, and what ends that. */
export interface RoomWish {
  readonly signal: AbortSignal | null;
  readonly orderingKey: OrderingKey | null;
  /** Infinity for none. */
  readonly deadlineMs: number;
  readonly lengthBytes: number;
  /** How many operations there are to be room for. */
  readonly count: number;
}

/** The longest that setTimeout can. */
const DELAY_MAX_MS = 2 ** 31 - 1;

/**
 * Waits in the line of a pool, or of a class.
 *
 * @param done is called once, never in here: with 0 and what is left of the deadline; with EBADF; with ECANCELED, by the signal, also if it
 * has been aborted before; or with ETIMEDOUT
 */
export function waitForRoom(pool: OperationTarget, wish: RoomWish, done: (error: number, leftMs: number) => void): void {
  const { signal, orderingKey, deadlineMs, lengthBytes, count } = wish;
  const { timers } = pool;
  const dueMs = timers.now() + deadlineMs;
  if (signal?.aborted === true) {
    // It tells nobody any more.
    queueMicrotask(() => done(ECANCELED, dueMs - timers.now()));
    return;
  }
  let cancelTimer: (() => void) | null = null;
  const end = (error: number): void => {
    leave();
    cancelTimer?.();
    signal?.removeEventListener('abort', abort);
    done(error, dueMs - timers.now());
  };
  const abort = (): void => end(ECANCELED);
  const arm = (): void => {
    const leftMs = dueMs - timers.now();
    if (leftMs > 0) cancelTimer = timers.after(Math.min(leftMs, DELAY_MAX_MS), arm, true);
    else end(ETIMEDOUT);
  };
  const tell = (error: number): void => end(error === 0 && dueMs <= timers.now() ? ETIMEDOUT : error);
  const leave =
    'pools' in pool ? pool.whenAvailable(tell, lengthBytes, count, orderingKey) : pool.whenAvailable(tell, lengthBytes, count);
  signal?.addEventListener('abort', abort, { once: true });
  if (deadlineMs !== Number.POSITIVE_INFINITY) cancelTimer = timers.after(Math.min(deadlineMs, DELAY_MAX_MS), arm, true);
}
