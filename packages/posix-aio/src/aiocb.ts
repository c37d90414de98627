import type { AioServicePool } from '@biodone/aio';
import type { BlockDevice } from '@biodone/blockdev';
import { AioRequest } from './aio-request.js';
import { LIO_NOP } from './constants.js';
import type { ControlBlock } from './control-block.js';
import { noNotification, type sigevent } from './sigevent.js';

/** Set by the class, which alone sees inside. */
let requestInside: (cb: object) => AioRequest | null;

/**
 * An asynchronous I/O control block, with POSIX's member names (<aio.h>).
 *
 * Fill it in and pass it to `aio_read` or one of its kin. While the request is in progress the block and its memory must be left alone.
 * Once it is done the block can be used again, also without `aio_return` before. It belongs to the thread that made it.
 */
export class aiocb implements ControlBlock {
  /**
   * What is read or written: a descriptor; or instead of a number a `BlockDevice`, or an `AioServicePool`, whose discipline and limits are in
   * force then.
   */
  aio_fildes: number | BlockDevice | AioServicePool = -1;
  /** Where in the file, in bytes from its beginning. */
  aio_offset = 0;
  /**
   * The memory. On a SharedArrayBuffer (an IoBuffer's, for example) it is used as it is. Any other is copied where the kernel works on it after
   * the call: its owner could detach it meanwhile.
   */
  aio_buf: Uint8Array | null = null;
  /** How many bytes. */
  aio_nbytes = 0;
  /** How far to lower the priority, 0 to AIO_PRIO_DELTA_MAX. */
  aio_reqprio = 0;
  /** How to tell of the completion. */
  aio_sigevent: sigevent = noNotification();
  /** Used by `lio_listio` only: LIO_READ, LIO_WRITE, LIO_NOP, LIO_READV or LIO_WRITEV. */
  aio_lio_opcode: number = LIO_NOP;
  /** Of `aio_readv` and `aio_writev`: the parts of the memory, at most 1024, instead of `aio_buf` and `aio_nbytes`. */
  aio_iov: readonly Uint8Array[] | null = null;

  /** The library's own part. */
  readonly #request: AioRequest = new AioRequest(this);

  static {
    requestInside = (cb) => (#request in cb ? cb.#request : null);
  }
}

/** The library's own part of a block; null for what is no block. */
export function requestOfBlock(cb: unknown): AioRequest | null {
  return typeof cb === 'object' && cb !== null ? requestInside(cb) : null;
}
