import { refuse, requestIn } from './aio-error.js';
import { REQUEST_DONE } from './aio-request.js';
import type { aiocb } from './aiocb.js';
import { reap } from './requests.js';

/**
 * The result of a request that is done, once: the count of bytes, or -1 if it failed (`aio_error` says why). As aio_return(3p).
 *
 * @throws SystemError EINVAL while it is in progress (the request goes on and can be asked for later), for a block that was never
 * submitted, and at the second call
 */
export function aio_return(cb: aiocb): number {
  const request = requestIn(cb, 'aio_return');
  if (request.status !== REQUEST_DONE) refuse(request.status, 'aio_return');
  return reap(request);
}
