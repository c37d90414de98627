import type { AioServicePool } from '@biodone/aio';
import type { BlockDevice } from '@biodone/blockdev';
import type { sigevent } from './sigevent.js';

/** The members of a control block that programs fill in: see `aiocb`. */
export interface ControlBlock {
  aio_fildes: number | BlockDevice | AioServicePool;
  aio_offset: number;
  aio_buf: Uint8Array | null;
  aio_nbytes: number;
  aio_reqprio: number;
  aio_sigevent: sigevent;
  aio_lio_opcode: number;
  aio_iov: readonly Uint8Array[] | null;
}
