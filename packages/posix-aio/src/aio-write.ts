import { BLOCK_WRITE } from '@biodone/blockdev';
import type { aiocb } from './aiocb.js';
import { submit } from './submit.js';

/**
 * Starts to write `aio_nbytes` of `aio_buf` to `aio_offset` of `aio_fildes`, and returns at once. As aio_write(3p); errors as those of
 * `aio_read`.
 *
 * Writes are positional. On a descriptor opened with O_APPEND the kernel appends them, in no promised order yet.
 */
export function aio_write(cb: aiocb): void {
  submit(cb, BLOCK_WRITE, 'aio_write');
}
