import type { BlockTimers } from '@biodone/blockdev';
import { SystemError } from '@biodone/uring';
import type { AioServicePool } from './service-pool.js';

/** For how long one pool is slept for while others have operations under way too. */
const TURN_MS = 1;

/**
 * Blocks until an operation of any of these pools completes: no system call sleeps for all of them.
 *
 * @returns and throws as `AioServicePool.wait`
 */
export function waitForAny(pools: readonly AioServicePool[], timeoutMs: number, timers: BlockTimers): number | 'EINTR' | 'ETIME' {
  const deadlineMs = timers.now() + timeoutMs;
  for (;;) {
    const busy = pools.filter((pool) => pool.started > 0);
    // What all wait for is with a pool outside of the class.
    if (busy.length === 0) return (pools.find((pool) => pool.inFlight > 0) as AioServicePool).wait(timeoutMs);
    const ended = waitATurn(busy, deadlineMs, timers);
    if (ended !== 'ETIME' || timers.now() >= deadlineMs) return ended;
  }
}

function waitATurn(busy: readonly AioServicePool[], deadlineMs: number, timers: BlockTimers): number | 'EINTR' | 'ETIME' {
  let deadlocked: unknown = null;
  let deadlocks = 0;
  for (const pool of busy) {
    const leftMs = Math.max(0, deadlineMs - timers.now());
    try {
      const ended = pool.wait(busy.length === 1 ? leftMs : Math.min(leftMs, TURN_MS));
      if (ended !== 'ETIME') return ended;
    } catch (error) {
      // Another pool may be one that this thread can move on.
      if (!(error instanceof SystemError && error.code === 'EDEADLK' && error.syscall === 'wait')) throw error;
      deadlocked = error;
      deadlocks += 1;
    }
  }
  if (deadlocks === busy.length) throw deadlocked;
  return 'ETIME';
}
