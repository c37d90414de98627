import { pollDone } from '@biodone/blockdev';
import { EDEADLK, SystemError } from '@biodone/uring';
import { Dispatcher } from './dispatcher.js';
import { checkTime } from './errors.js';
import { moveOn } from './move-on.js';

/** How a thread that does not return to its event loop moves a pool on (rule 6): by looking, by blocking, and by blocking for several things at once. */
export abstract class PoolWaits extends Dispatcher {
  /** Delivers what has completed, without blocking, for a thread that does not return to its event loop. Returns how many. */
  poll(): number {
    if (this.alarms.length > 0) this.alarms.run();
    const count = this.service === null ? this.device.poll() : this.service.poll() + pollDone();
    this.line.poll();
    return count;
  }

  /**
   * Blocks until an operation completes, and delivers what has. Returns at once if none is in flight. A signal ends the wait.
   *
   * @param timeoutMs how long at most; `Infinity` for no limit
   * @returns how many were delivered, or why none were
   * @throws RangeError ERR_OUT_OF_RANGE; SystemError EDEADLK if this thread would wait for ever: if only the event loop can complete operations of this device; or in a callback, if all
   * that is in flight waits for a synchronous operation that is below on the stack
   */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    checkTime('timeoutMs', timeoutMs);
    const early = this.poll();
    if (early > 0 || this.inFlight === 0) return early;
    if (this.started === 0) return moveOn(this.file.usersFrom(this), timeoutMs);
    // No longer than until the next deadline or timeout, by which an operation may complete.
    const { alarmInMs } = this;
    const ended = this.#waitForDevice(Math.min(timeoutMs, alarmInMs));
    if (ended !== 'ETIME') return ended;
    return this.poll() || (timeoutMs < alarmInMs ? 'ETIME' : 0);
  }

  /**
   * For a thread that waits for several things at once, by `waitForDoors` of `@biodone/uring`, right after {@link poll} has found nothing: how long it may sleep
   * without a poll of this pool, in milliseconds, because the next completion signals a door. 0 where it may not, or something is there already: then it is
   * {@link wait} that waits for this pool.
   *
   * @param vain how many times in a row it has slept as long as it might
   */
  beforeSleep(vain: number): number {
    this.clock.forget();
    if (this.started === 0) return 0;
    const servedMs = this.service === null ? this.device.beforeSleep(vain) : (this.service.beforeSleep?.(vain) ?? 0);
    return Math.min(this.alarmInMs, servedMs);
  }

  #waitForDevice(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    // What is delivered behind the wait is not to take the time from before it.
    this.clock.forget();
    if (this.service !== null) return this.service.wait(timeoutMs);
    if (this.device.capabilities.progress === 'event-loop') {
      throw new SystemError(
        EDEADLK,
        'wait',
        undefined,
        'this device completes requests in the event loop alone, and is served inline; use service threads',
      );
    }
    return this.device.wait(timeoutMs);
  }
}
