import type { IoBuffer } from '@biodone/uring';
import { LIO_NOP, SIGEV_NONE } from './constants.js';

/** How the program hears of a completion: `struct sigevent`, of which only SIGEV_NONE is supported yet. */
export interface sigevent {
  sigev_notify: number;
}

/**
 * An asynchronous I/O control block, with POSIX's member names (<aio.h>).
 *
 * Fill it in and pass it to `aio_read` or `aio_write`. While the request is in progress the block and its memory must be left alone.
 * Once it is done the block can be used again, also without `aio_return` before.
 */
export class aiocb {
  /** The file descriptor. */
  aio_fildes = -1;
  /** Where in the file, in bytes from its beginning. */
  aio_offset = 0;
  /**
   * The memory. On a SharedArrayBuffer (an IoBuffer's, for example) it is used as it is. Any other is copied: its owner could detach it
   * while the kernel works on it.
   */
  aio_buf: Uint8Array | null = null;
  /** How many bytes. */
  aio_nbytes = 0;
  /** How far to lower the priority, 0 to AIO_PRIO_DELTA_MAX. */
  aio_reqprio = 0;
  aio_sigevent: sigevent = { sigev_notify: SIGEV_NONE };
  /** Used by list calls only. */
  aio_lio_opcode: number = LIO_NOP;

  /** The library's own part. */
  readonly request: RequestState = { status: 'idle', error: 0, result: 0, bounce: null, waiters: [] };
}

/** What the library knows of a control block's request. */
export interface RequestState {
  /** `'reaped'`: done, and `aio_return` has been called. */
  status: 'idle' | 'in progress' | 'done' | 'reaped';
  /** 0 or the positive errno, when done. */
  error: number;
  /** What `aio_return` returns. */
  result: number;
  /** The copy of memory that the kernel must not be given. */
  bounce: IoBuffer | null;
  /** Whom to tell when it is done. */
  waiters: (() => void)[];
}
