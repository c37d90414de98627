import { SystemError } from '@biodone/uring';
import type { aiocb } from './aiocb.js';
import { EINPROGRESS, EINVAL } from './constants.js';

/**
 * The status of a request: EINPROGRESS, 0 when it has succeeded, otherwise its positive errno. As aio_error(3p). It never blocks, and a
 * thread that does nothing but ask sees completions only through `aio_suspend`.
 *
 * @throws SystemError EINVAL for a block that was never submitted, or whose result `aio_return` has taken
 */
export function aio_error(cb: aiocb): number {
  const { status, error } = cb.request;
  if (status === 'in progress') return EINPROGRESS;
  if (status !== 'done') throw new SystemError(EINVAL, 'aio_error', undefined, `the request is ${status}`);
  return error;
}
