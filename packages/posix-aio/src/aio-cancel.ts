import type { AioServicePool } from '@biodone/aio';
import { EBADF, ECANCELED, EINVAL, SystemError } from '@biodone/uring';
import { requestIn } from './aio-error.js';
import { type AioRequest, REQUEST_IDLE, REQUEST_IN_PROGRESS } from './aio-request.js';
import type { aiocb } from './aiocb.js';
import { AIO_ALLDONE, AIO_CANCELED, AIO_NOTCANCELED } from './constants.js';
import type { Vnode } from './descriptor/vnode.js';
import { inProgress } from './requests.js';
import { look } from './submit.js';
import { poolFor } from './target.js';

/** How long a request that can be stopped is waited for, which another thread may have to do: then it counts as in progress. */
const STOP_MAX_MS = 200;

/**
 * Asks for the end of a request, or of all requests of this thread on a descriptor, and answers what came of it, down to the kernel. As
 * aio_cancel(3p). A cancelled request has the error ECANCELED and the result -1 when this returns, and tells of its end as any other.
 *
 * What waits for its turn (streams, appends, fsync), or for something to come (a read of an empty pipe, a write to a full one), can be cancelled; so can
 * what no kernel thread has begun. File and disk I/O that the kernel has begun cannot; nor can a write to a stream that has written a part, which
 * ends with that.
 *
 * @param fildes the descriptor, device or pool; requests on another file that had the same number are not meant
 * @param cb which request; null for all. One of another descriptor is EINVAL
 * @returns `AIO_CANCELED` if all were cancelled, `AIO_NOTCANCELED` if at least one goes on, `AIO_ALLDONE` if all had completed before
 * @throws SystemError EBADF for what is no open descriptor; EINVAL for a block that was never submitted
 */
export function aio_cancel(fildes: aiocb['aio_fildes'], cb: aiocb | null = null): number {
  const known = look(fildes);
  if (known !== null && known.vnode === null) {
    throw new SystemError(EBADF, 'aio_cancel', undefined, `${known.fd} is no open descriptor`);
  }
  const pool = known === null ? poolFor(fildes, 'aio_cancel') : null;
  const targets = cb === null ? requestsOn(known?.fd ?? -1, known?.vnode ?? null, pool) : one(cb, fildes);
  if (targets.length === 0) return AIO_ALLDONE;
  // The last first: what waits must not begin because the one before it is gone.
  for (const request of targets.reverse()) ask(request);
  settleAll(targets);
  let cancelled = 0;
  for (const request of targets) {
    if (request.status === REQUEST_IN_PROGRESS) return AIO_NOTCANCELED;
    if (request.errorNumber === ECANCELED) cancelled += 1;
  }
  return cancelled === targets.length ? AIO_CANCELED : cancelled === 0 ? AIO_ALLDONE : AIO_NOTCANCELED;
}

function one(cb: aiocb, fildes: aiocb['aio_fildes']): AioRequest[] {
  const request = requestIn(cb, 'aio_cancel');
  if (request.status === REQUEST_IDLE)
    throw new SystemError(EINVAL, 'aio_cancel', undefined, 'the control block was never submitted');
  if (request.status !== REQUEST_IN_PROGRESS) return [];
  const isOther =
    typeof fildes === 'number'
      ? request.vnode === null || request.fd !== fildes
      : request.source !== poolFor(fildes, 'aio_cancel');
  if (isOther)
    throw new SystemError(EINVAL, 'aio_cancel', undefined, 'the request of the control block is on another descriptor');
  return [request];
}

function requestsOn(fd: number, vnode: Vnode | null, pool: AioServicePool | null): AioRequest[] {
  const requests: AioRequest[] = [];
  for (const { request } of inProgress) {
    const isMeant = pool !== null ? request.source === pool : request.vnode === vnode && request.fd === fd;
    if (isMeant) requests.push(request);
  }
  return requests;
}

/** Whether somebody waits for it: a request that goes on anyway must not be waited for. */
let stoppable: AioRequest[] = [];

function ask(request: AioRequest): void {
  const verdict = (request.source as AioServicePool).cancel(request);
  if (verdict === 'cancelled' || request.vnode?.isStream === true) stoppable.push(request);
}

/** Waits until those that were cancelled are done. Their state is final then; notices come later. */
function settleAll(targets: readonly AioRequest[]): void {
  const waiting = stoppable;
  stoppable = [];
  const deadlineMs = performance.now() + STOP_MAX_MS;
  for (const source of new Set(targets.map((request) => request.source as AioServicePool))) source.poll();
  for (const request of waiting) {
    while (request.status === REQUEST_IN_PROGRESS) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return;
      (request.source as AioServicePool).wait(leftMs);
    }
  }
}
