import { BLOCK_READ } from '@biodone/blockdev';
import type { aiocb } from './aiocb.js';
import { submit } from './submit.js';

/**
 * Starts to read `aio_nbytes` from `aio_offset` of `aio_fildes` into `aio_buf`, and returns at once. The kernel holds the open file from
 * then on, so closing the descriptor does not matter to the request. As aio_read(3p).
 *
 * A descriptor that cannot be read is told by `aio_error`, EBADF, not by this call.
 *
 * @throws SystemError EINVAL for a bad member or a block whose request is in progress, EAGAIN beyond AIO_MAX, ENOTSUP for a notification,
 * ENOSYS where there is no io_uring
 */
export function aio_read(cb: aiocb): void {
  submit(cb, BLOCK_READ, 'aio_read');
}
