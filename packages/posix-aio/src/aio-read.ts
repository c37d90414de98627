import { BLOCK_READ } from '@biodone/blockdev';
import type { aiocb } from './aiocb.js';
import { readNow } from './immediate-read.js';
import { submitOne } from './submit.js';

/**
 * Starts to read `aio_nbytes` from `aio_offset` of `aio_fildes` into `aio_buf`, and returns at once. The open file is held from then on, so
 * closing the descriptor does not matter to the request. As aio_read(3p).
 *
 * Reads of files run in parallel, in no promised order; what the page cache has may be read when the call returns. Reads of a stream follow one
 * another in the order of the calls, and are short as read(2) leaves them; `aio_offset` is not looked at there. They wait for something to come also
 * where the descriptor does not block (O_NONBLOCK): nobody is blocked by that.
 *
 * A descriptor that is not open, or cannot be read, is told by `aio_error`, EBADF, not by this call; so is EOVERFLOW, where a regular
 * file goes on at an offset of 2^53 - 1, up to where numbers are exact.
 *
 * @throws SystemError EINVAL for a bad member or a block whose request is in progress, EAGAIN beyond AIO_MAX or for want of descriptors, ENOTSUP
 * for a real-time signal; all with nothing queued
 */
export function aio_read(cb: aiocb): void {
  if (!readNow(cb)) submitOne(cb, BLOCK_READ, false, 'aio_read');
}

/**
 * As {@link aio_read}, into the parts of `aio_iov`, one after the other: FreeBSD's aio_readv(2).
 *
 * @throws as aio_read; SystemError EINVAL also for no parts, and for more than 1024
 */
export function aio_readv(cb: aiocb): void {
  submitOne(cb, BLOCK_READ, true, 'aio_readv');
}
