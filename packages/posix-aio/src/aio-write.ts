import { BLOCK_WRITE } from '@biodone/blockdev';
import type { aiocb } from './aiocb.js';
import { submitOne } from './submit.js';

/**
 * Starts to write `aio_nbytes` of `aio_buf` to `aio_offset` of `aio_fildes`, and returns at once. As aio_write(3p).
 *
 * Writes to files run in parallel. With O_APPEND they are appended in the order of the calls, and on a stream they follow one another; there
 * `aio_offset` has to be an integer of at least 0 and is not looked at otherwise, and a write to a stream that blocks goes on until all is written. Memory that is not shared is copied at the
 * call. With O_DSYNC or O_SYNC on the descriptor the data is stable when the request is done.
 *
 * EBADF and EFBIG, for an offset of 2^53 - 1 or beyond what the file system takes, are told by `aio_error`.
 *
 * @throws as `aio_read`
 */
export function aio_write(cb: aiocb): void {
  submitOne(cb, BLOCK_WRITE, false, 'aio_write');
}

/** As {@link aio_write}, from the parts of `aio_iov`, one after the other: FreeBSD's aio_writev(2). @throws as `aio_readv` */
export function aio_writev(cb: aiocb): void {
  submitOne(cb, BLOCK_WRITE, true, 'aio_writev');
}
