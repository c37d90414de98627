import { clockOf } from '@biodone/blockdev';
import { EDEADLK, SystemError } from '@biodone/uring';
import type { AioFileUser } from './aio-file.js';

/** For how long one pool is slept for while others have operations under way too. */
const TURN_MS = 1;

/**
 * Blocks until one of several pools moves on: an operation that is with a device of any of them completes, or a timeout or a deadline comes. No system
 * call sleeps for several devices, so while several have something under way, they take turns.
 *
 * @param pools whose clock counts is the first
 * @returns how many operations were delivered, or why none were; 0 if something has changed by which one may complete
 * @throws SystemError EDEADLK if all that is under way waits for what this thread cannot move on: for the event loop, or for who is below on its stack
 */
export function moveOn(pools: readonly AioFileUser[], timeoutMs: number): number | 'EINTR' | 'ETIME' {
  const { timers } = pools[0] as AioFileUser;
  const deadlineMs = timers.now() + timeoutMs;
  for (;;) {
    const leftMs = Math.max(0, deadlineMs - timers.now());
    const busy = busyOf(pools);
    const ended = busy.length === 0 ? waitForAlarm(pools, leftMs) : waitForDevices(busy, pools, leftMs);
    if (ended !== 'ETIME' || leftMs === 0) return ended;
  }
}

/** Whether this is how a wait says that it would last for ever. */
export function isDeadlock(error: unknown): boolean {
  return error instanceof SystemError && error.code === 'EDEADLK' && error.syscall === 'wait';
}

/** The pools that have something with their devices, one for each device. */
function busyOf(pools: readonly AioFileUser[]): readonly AioFileUser[] {
  const busy: AioFileUser[] = [];
  for (const pool of pools) {
    if (pool.started > 0 && !busy.some(({ waitsFor }) => waitsFor === pool.waitsFor)) busy.push(pool);
  }
  return busy;
}

/** Waits for each of the pools that have something with their devices, for a turn; or for the only one. */
function waitForDevices(
  busy: readonly AioFileUser[],
  pools: readonly AioFileUser[],
  timeoutMs: number,
): number | 'EINTR' | 'ETIME' {
  const [alarmInMs] = nextAlarm(pools);
  const turnMs = Math.min(timeoutMs, alarmInMs, busy.length === 1 ? Number.POSITIVE_INFINITY : TURN_MS);
  let deadlocked: unknown = null;
  let deadlocks = 0;
  for (const pool of busy) {
    try {
      const ended = pool.wait(turnMs);
      if (ended !== 'ETIME') return ended;
    } catch (error) {
      // Another pool may be one that this thread can move on.
      if (!isDeadlock(error)) throw error;
      deadlocked = error;
      deadlocks += 1;
    }
  }
  if (deadlocks === busy.length) throw deadlocked;
  return pollAll(pools) || 'ETIME';
}

/** With nothing at any device, only a time can come, or what is done and has not been told. */
function waitForAlarm(pools: readonly AioFileUser[], timeoutMs: number): number | 'ETIME' {
  const early = pollAll(pools);
  if (early > 0 || pools.some(({ started }) => started > 0)) return early;
  if (timeoutMs === 0) return 'ETIME';
  const [alarmInMs, pool] = nextAlarm(pools);
  if (pool === null) throw deadlock();
  pool.timers.sleep(Math.min(timeoutMs, alarmInMs));
  clockOf(pool.timers).forget();
  return pollAll(pools) || (timeoutMs < alarmInMs ? 'ETIME' : 0);
}

/** In how many milliseconds the next timeout or deadline of all is due, and whose it is. */
function nextAlarm(pools: readonly AioFileUser[]): readonly [number, AioFileUser | null] {
  let first: AioFileUser | null = null;
  let leastMs = Number.POSITIVE_INFINITY;
  for (const pool of pools) {
    const { alarmInMs } = pool;
    if (alarmInMs >= leastMs) continue;
    leastMs = alarmInMs;
    first = pool;
  }
  return [leastMs, first];
}

/** Those with nothing in flight too: one may watch the deadline of an operation that another pool has taken from it. */
function pollAll(pools: readonly AioFileUser[]): number {
  return pools.reduce((sum, pool) => sum + pool.poll(), 0);
}

function deadlock(): SystemError {
  return new SystemError(
    EDEADLK,
    'wait',
    undefined,
    'all that is in flight waits for an operation that is below on this stack, or for a timeout that does not end by itself',
  );
}
