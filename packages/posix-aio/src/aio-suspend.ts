import { EINTR, SystemError } from '@biodone/uring';
import type { aiocb } from './aiocb.js';
import { EAGAIN, EINVAL } from './constants.js';
import { poolOf } from './submit.js';

/**
 * Blocks the thread until at least one of the requests is done. As aio_suspend(3p); null entries are ignored. It works on a thread that
 * never returns to its event loop, and callbacks of other requests may run inside it.
 *
 * @param timeoutMs how long to wait at most, by the monotonic clock; null waits without a limit
 * @throws SystemError EAGAIN after the timeout, EINTR after a signal, EINVAL for a block that was never submitted
 */
export function aio_suspend(list: readonly (aiocb | null)[], timeoutMs: number | null = null): void {
  const deadline = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  // What is done is done, also with no time left; so the clock is looked at last.
  while (!isAnyDone(list)) {
    const waiting = list.find((cb) => cb?.request.status === 'in progress') ?? null;
    if (waiting === null) return;
    // All descriptors of a thread share its ring: waiting for one is waiting for all.
    const ended = poolOf(waiting.aio_fildes).wait(Math.max(0, deadline - performance.now()));
    if (isAnyDone(list)) return;
    if (ended === 'EINTR') throw new SystemError(EINTR, 'aio_suspend');
    if (performance.now() >= deadline) throw new SystemError(EAGAIN, 'aio_suspend');
  }
}

/**
 * As {@link aio_suspend}, without blocking the thread: the promise settles when at least one of the requests is done.
 *
 * @throws (rejects) SystemError EAGAIN after the timeout, EINVAL for a block that was never submitted
 */
export async function aio_suspendAsync(list: readonly (aiocb | null)[], timeoutMs: number | null = null): Promise<void> {
  if (isAnyDone(list) || !list.some((cb) => cb?.request.status === 'in progress')) return;
  await new Promise<void>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      for (const cb of list) {
        if (cb !== null) cb.request.waiters = cb.request.waiters.filter((waiter) => waiter !== onDone);
      }
      settle();
    };
    const onDone = (): void => finish(resolve);
    for (const cb of list) {
      if (cb?.request.status === 'in progress') cb.request.waiters.push(onDone);
    }
    if (timeoutMs !== null) timer = setTimeout(() => finish(() => reject(new SystemError(EAGAIN, 'aio_suspend'))), timeoutMs);
  });
}

/** Whether one of them is done. Blocks that are done and reaped count: their request is over. */
function isAnyDone(list: readonly (aiocb | null)[]): boolean {
  for (const cb of list) {
    if (cb === null) continue;
    const { status } = cb.request;
    if (status === 'done' || status === 'reaped') return true;
    if (status === 'idle') throw new SystemError(EINVAL, 'aio_suspend', undefined, 'a control block was never submitted');
  }
  return false;
}
