import { TailQueue } from '@biodone/sync';
import { type AioRequest, REQUEST_DONE, REQUEST_IN_PROGRESS, REQUEST_REAPED, type RequestEntry } from './aio-request.js';
import { limits } from './limits.js';
import { notify } from './notification.js';
import type { RequestList } from './request-list.js';

/** The requests of this thread that are in progress, in the order of their calls. */
export const inProgress: TailQueue<RequestEntry> = new TailQueue<RequestEntry>();

/** Those that are done and whose results nobody has taken, in the order of their completions. */
export const unreaped: TailQueue<RequestEntry> = new TailQueue<RequestEntry>();

/** Who waits for any completion, by a promise. */
const awaiting: (() => void)[] = [];

/** A request is on its way. Its block may be one that is done and was never reaped. */
export function begin(request: AioRequest): void {
  const { entry } = request;
  if (entry.queue !== null) unreaped.remove(entry);
  request.status = REQUEST_IN_PROGRESS;
  request.errorNumber = 0;
  inProgress.insertTail(entry);
}

/** A request is done. Its state is final before anybody is told (rule 5). */
export function finish(request: AioRequest, error: number, transferredBytes: number): void {
  const { entry } = request;
  if (entry.queue !== null) inProgress.remove(entry);
  settle(request, error, transferredBytes);
  if (request.notification !== null || request.list !== null || request.waiters !== null) tell(request);
}

/** Makes a request one that is done. */
export function settle(request: AioRequest, error: number, transferredBytes: number): void {
  request.errorNumber = error;
  request.result = error === 0 ? transferredBytes : -1;
  request.status = REQUEST_DONE;
  unreaped.insertTail(request.entry);
  // Whoever never calls aio_return must not fill the memory. The block keeps its result.
  if (unreaped.length > limits.AIO_MAX) unreaped.removeFirst();
  if (awaiting.length > 0) for (const wake of awaiting.splice(0)) wake();
}

/** Takes the result of a request that is done. */
export function reap(request: AioRequest): number {
  request.status = REQUEST_REAPED;
  if (request.entry.queue !== null) unreaped.remove(request.entry);
  return request.result;
}

/** Calls back at the next completion, whichever it is; once. Returns what takes that back. */
export function whenAnyCompletes(callback: () => void): () => void {
  awaiting.push(callback);
  return () => {
    const index = awaiting.indexOf(callback);
    if (index >= 0) awaiting.splice(index, 1);
  };
}

/** A request of a list is done, or the list has been submitted. */
export function leaveList(list: RequestList): void {
  list.left -= 1;
  if (list.left > 0) return;
  if (list.notification !== null) notify(list.notification, null);
  list.onDone?.();
}

function tell(request: AioRequest): void {
  const { notification, list, waiters } = request;
  request.notification = null;
  request.list = null;
  request.waiters = null;
  if (notification !== null) notify(notification, request.cb);
  if (list !== null) {
    if (request.errorNumber !== 0) list.failed += 1;
    leaveList(list);
  }
  if (waiters !== null) for (const waiter of waiters) waiter();
}
