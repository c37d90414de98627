import type { FileTarget } from '../ring-file.js';
import { name, type RingRequest } from '../ring-request.js';
import { isGuardedRing } from '../thread-end.js';
import { IORING_OP_POLL_ADD, IORING_OP_POLL_REMOVE } from './abi.js';
import { IORING_POLL_ADD_MULTI } from './multishot.js';
import { prepareOnFile, prepareWithoutFile } from './prepare.js';

/** What {@link preparePollAdd} waits for, from include/uapi/asm-generic/poll.h. */
export const POLLIN: number = 0x1;
export const POLLPRI: number = 0x2;
export const POLLOUT: number = 0x4;
export const POLLERR: number = 0x8;
export const POLLHUP: number = 0x10;
export const POLLRDHUP: number = 0x2000;

/**
 * Waits until a file can be read or written, as poll(2): Linux 5.1. Completes with the events that are there; POLLERR and POLLHUP always
 * count. Fails with EBADF; with ENOTSUP or EPERM for files that cannot be polled.
 *
 * In a worker no ring can be polled that belongs to the same worker: it would hold itself open when the worker ends. Polling the ring of a
 * worker from another thread keeps that from ending.
 *
 * @param events POLL_ flags
 * @param options.multishot completes with IORING_CQE_F_MORE for each wake-up, until it is removed or cancelled. Linux 5.13
 * @throws TypeError ERR_INVALID_ARG_VALUE for a ring of this worker
 */
export function preparePollAdd(
  request: RingRequest,
  file: FileTarget,
  events: number,
  options: { multishot?: boolean } = {},
): void {
  prepareOnFile(request, IORING_OP_POLL_ADD, file, events);
  if (request.fixed === null && isGuardedRing(request.fd)) throw ringOfThisThread();
  request.lengthBytes = options.multishot === true ? IORING_POLL_ADD_MULTI : 0;
}

/** Ends a poll, Linux 5.1: completes with 0, and the poll with -ECANCELED; with -ENOENT if that has completed, -EALREADY if it is about to. */
export function preparePollRemove(request: RingRequest, poll: RingRequest): void {
  prepareWithoutFile(request, IORING_OP_POLL_REMOVE, -1, 0);
  name(request, poll);
}

function ringOfThisThread(): TypeError {
  const message = 'a worker cannot poll a ring of its own: neither could end then';
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}
