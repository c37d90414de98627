import { EAGAIN, SystemError } from '@biodone/uring';
import type { AioRequest } from './aio-request.js';
import { checkTimeout } from './aio-suspend.js';
import type { aiocb } from './aiocb.js';
import { blockUntil } from './blocking-wait.js';
import { afterTimeout } from './long-timeout.js';
import { inProgress, reap, unreaped, whenAnyCompletes } from './requests.js';

/** A request that `aio_waitcomplete` has reaped. */
export interface AioCompletion {
  readonly aiocb: aiocb;
  /** What `aio_error` would have returned: 0, or the positive errno. */
  readonly error: number;
  /** What `aio_return` would have returned. */
  readonly result: number;
}

/**
 * Takes the result of the request that was done first of those that nobody has taken; blocks the thread until there is one. FreeBSD's
 * aio_waitcomplete(2). Of the results that nobody ever takes the last `AIO_MAX` are kept for this.
 *
 * @param timeoutMs how long to wait at most; null waits without a limit
 * @returns null if nothing is done and nothing is in progress
 * @throws SystemError EAGAIN after the timeout, EINTR after a signal, EINVAL for a bad timeout
 */
export function aio_waitcomplete(timeoutMs: number | null = null): AioCompletion | null {
  checkTimeout(timeoutMs, 'aio_waitcomplete');
  blockUntil(() => !unreaped.isEmpty, allInProgress, timeoutMs, 'aio_waitcomplete');
  return take();
}

/** As {@link aio_waitcomplete}, without blocking the thread. */
export async function aio_waitcompleteAsync(timeoutMs: number | null = null): Promise<AioCompletion | null> {
  checkTimeout(timeoutMs, 'aio_waitcomplete');
  const deadlineMs = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  // Another one that waits may have taken it.
  while (unreaped.isEmpty && !inProgress.isEmpty) {
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0 || !(await nextCompletion(leftMs))) {
      if (!unreaped.isEmpty) break;
      throw new SystemError(EAGAIN, 'aio_waitcomplete', undefined, `nothing was done within ${timeoutMs} ms`);
    }
  }
  return take();
}

function nextCompletion(timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const stopTimer = afterTimeout(timeoutMs, () => {
      takeBack();
      resolve(false);
    });
    const takeBack = whenAnyCompletes(() => {
      stopTimer();
      resolve(true);
    });
  });
}

function take(): AioCompletion | null {
  const { first } = unreaped;
  if (first === null) return null;
  const { request } = first;
  const { errorNumber } = request;
  return { aiocb: request.cb as aiocb, error: errorNumber, result: reap(request) };
}

function allInProgress(): AioRequest[] {
  return Array.from(inProgress, ({ request }) => request);
}
