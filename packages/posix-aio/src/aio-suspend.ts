import { inspect } from 'node:util';
import { EAGAIN, EINVAL, SystemError } from '@biodone/uring';
import { requestIn } from './aio-error.js';
import { type AioRequest, REQUEST_DONE, REQUEST_IDLE, REQUEST_IN_PROGRESS } from './aio-request.js';
import { type aiocb, requestOfBlock } from './aiocb.js';
import { blockUntil } from './blocking-wait.js';
import { afterTimeout } from './long-timeout.js';
import { giveNotices } from './notification.js';

/** What `aio_suspend` takes. */
export type AioList = readonly (aiocb | null)[];

/**
 * Blocks the thread until at least one of the requests is done. As aio_suspend(3p); null entries are ignored. What is done already ends it at once,
 * before the clock is looked at. It works on a thread that never returns to its event loop; callbacks and notifications may run inside it. A list
 * with nothing in progress and nothing done has nothing to wait for, and the call returns.
 *
 * @param timeoutMs how long to wait at most, by the monotonic clock; null waits without a limit
 * @throws SystemError EAGAIN after the timeout; EINTR after a signal, also one that a completion has sent, but not a profiler's SIGPROF; EINVAL for a block that was
 * never submitted, or a bad timeout; EDEADLK if only the event loop can complete the requests, as on a device without io_uring of its own
 */
export function aio_suspend(list: AioList, timeoutMs: number | null = null): void {
  if (isAnyDone(list)) {
    // A thread that never returns to its event loop has no other time for it.
    giveNotices();
    return;
  }
  checkTimeout(timeoutMs, 'aio_suspend');
  blockUntil(
    () => isAnyDone(list),
    () => inProgressOf(list),
    timeoutMs,
    'aio_suspend',
  );
}

/**
 * As {@link aio_suspend}, without blocking the thread: the promise settles when at least one of the requests is done.
 *
 * @throws (rejects) SystemError EAGAIN after the timeout, EINVAL for a block that was never submitted
 */
export async function aio_suspendAsync(list: AioList, timeoutMs: number | null = null): Promise<void> {
  if (isAnyDone(list)) return;
  checkTimeout(timeoutMs, 'aio_suspend');
  const requests = inProgressOf(list);
  if (requests.length === 0) return;
  await new Promise<void>((resolve, reject) => {
    const finish = (settle: () => void): void => {
      takeBack();
      // Whoever waits again and again for one that never ends must not fill its list.
      for (const request of requests) forget(request, onDone);
      settle();
    };
    const onDone = (): void => finish(resolve);
    const takeBack = afterTimeout(timeoutMs, () => finish(() => reject(late(timeoutMs))));
    for (const request of requests) {
      request.waiters ??= [];
      request.waiters.push(onDone);
    }
  });
}

/** Waits for a time that is no number, or less than 0, are mistakes. @throws SystemError EINVAL */
export function checkTimeout(timeoutMs: number | null, syscall: string): void {
  if (timeoutMs === null || (typeof timeoutMs === 'number' && timeoutMs >= 0)) return;
  throw new SystemError(
    EINVAL,
    syscall,
    undefined,
    `the timeout is ${inspect(timeoutMs)}, neither null nor a time of at least 0 milliseconds`,
  );
}

/** Whether one of them is done. Blocks that are done and reaped count: their request is over. */
function isAnyDone(list: AioList): boolean {
  if (!Array.isArray(list)) throw new SystemError(EINVAL, 'aio_suspend', undefined, 'the list is no array of aiocb');
  let idle = false;
  for (let index = 0; index < list.length; index++) {
    const cb = list[index];
    if (cb === null || cb === undefined) continue;
    const { status } = requestIn(cb, 'aio_suspend');
    if (status >= REQUEST_DONE) return true;
    if (status === REQUEST_IDLE) idle = true;
  }
  if (idle) throw new SystemError(EINVAL, 'aio_suspend', undefined, 'a control block was never submitted');
  return false;
}

function inProgressOf(list: AioList): AioRequest[] {
  const requests: AioRequest[] = [];
  for (const cb of list) {
    const request = requestOfBlock(cb);
    if (request?.status === REQUEST_IN_PROGRESS) requests.push(request);
  }
  return requests;
}

function forget(request: AioRequest, waiter: () => void): void {
  const left = request.waiters?.filter((one) => one !== waiter) ?? [];
  request.waiters = left.length === 0 ? null : left;
}

function late(timeoutMs: number | null): SystemError {
  return new SystemError(EAGAIN, 'aio_suspend', undefined, `nothing was done within ${timeoutMs} ms`);
}
