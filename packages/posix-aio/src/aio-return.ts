import { SystemError } from '@biodone/uring';
import type { aiocb } from './aiocb.js';
import { EINVAL } from './constants.js';

/**
 * The result of a request that is done, once: the count of bytes, or -1 if it failed (`aio_error` says why). As aio_return(3p).
 *
 * @throws SystemError EINVAL while it is in progress (the request goes on and can be asked for later), for a block that was never
 * submitted, and at the second call
 */
export function aio_return(cb: aiocb): number {
  const { status, result } = cb.request;
  if (status !== 'done') throw new SystemError(EINVAL, 'aio_return', undefined, `the request is ${status}`);
  cb.request.status = 'reaped';
  return result;
}
