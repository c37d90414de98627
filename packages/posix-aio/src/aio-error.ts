import { EINVAL, SystemError } from '@biodone/uring';
import { type AioRequest, REQUEST_DONE, REQUEST_IDLE, REQUEST_IN_PROGRESS } from './aio-request.js';
import { type aiocb, requestOfBlock } from './aiocb.js';
import { EINPROGRESS } from './constants.js';

/**
 * The status of a request: EINPROGRESS, 0 when it has succeeded, otherwise its positive errno. As aio_error(3p). It never blocks; of a
 * request in progress it looks whether that is done meanwhile, so a thread may do nothing but ask. No notification is given inside it.
 *
 * @throws SystemError EINVAL for a block that was never submitted, or whose result `aio_return` has taken
 */
export function aio_error(cb: aiocb): number {
  const request = requestIn(cb, 'aio_error');
  if (request.status === REQUEST_IN_PROGRESS) request.source?.poll();
  const { status } = request;
  if (status === REQUEST_IN_PROGRESS) return EINPROGRESS;
  if (status !== REQUEST_DONE) refuse(status, 'aio_error');
  return request.errorNumber;
}

/** A block's request. @throws SystemError EINVAL for what is no block */
export function requestIn(cb: aiocb, syscall: string): AioRequest {
  const request = requestOfBlock(cb);
  if (request === null)
    throw new SystemError(EINVAL, syscall, undefined, 'the control block is no aiocb: make one with new aiocb()');
  return request;
}

/** @throws SystemError EINVAL, which says why there is nothing to ask for */
export function refuse(status: number, syscall: string): never {
  const what =
    status === REQUEST_IN_PROGRESS
      ? 'the request is in progress: aio_suspend waits for it'
      : status === REQUEST_IDLE
        ? 'the control block was never submitted'
        : 'the result has been taken: the block can be submitted again';
  throw new SystemError(EINVAL, syscall, undefined, what);
}
