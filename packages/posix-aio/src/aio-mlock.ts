import type { aiocb } from './aiocb.js';
import { requestOf } from './check-block.js';
import { notificationOf } from './notification.js';
import { fail } from './submit.js';

/**
 * FreeBSD's aio_mlock(2), which locks `aio_buf` into memory. Here it is done at once, with 0, and locks nothing: the kernel pins the pages of each
 * request itself for as long as it works on them, and V8's memory is not for others to lock.
 *
 * @throws as `aio_read`
 */
export function aio_mlock(cb: aiocb): void {
  const request = requestOf(cb, 'aio_mlock');
  request.notification = notificationOf(cb.aio_sigevent, 'aio_mlock');
  fail(request, 0);
}
