import { IOSQE_ASYNC, IOSQE_IO_DRAIN } from './flags.js';
import {
  IORING_OP_FALLOCATE,
  IORING_OP_FSYNC,
  IORING_OP_FTRUNCATE,
  IORING_OP_OPENAT,
  IORING_OP_RENAMEAT,
  IORING_OP_SHUTDOWN,
  IORING_OP_SPLICE,
  IORING_OP_STATX,
  IORING_OP_SYNC_FILE_RANGE,
  IORING_OP_UNLINKAT,
} from './opcodes/abi.js';
import type { RingRequest } from './ring-request.js';

export const LATE_FLAGS: number = IOSQE_ASYNC | IOSQE_IO_DRAIN;

/** Whether the kernel may look the file of a request up after the submission, when its number or its place may be another file's. */
export function looksUpLate(request: RingRequest, draining: boolean): boolean {
  return (request.flags & LATE_FLAGS) !== 0 || draining || isRunByThread(request.opcode);
}

/** The kernel's prepare functions for these set REQ_F_FORCE_ASYNC (io_uring/sync.c, fs.c, truncate.c, splice.c, statx.c, openclose.c, net.c). */
function isRunByThread(opcode: number): boolean {
  switch (opcode) {
    case IORING_OP_FSYNC:
    case IORING_OP_SYNC_FILE_RANGE:
    case IORING_OP_FALLOCATE:
    case IORING_OP_FTRUNCATE:
    case IORING_OP_OPENAT:
    case IORING_OP_STATX:
    case IORING_OP_UNLINKAT:
    case IORING_OP_RENAMEAT:
    case IORING_OP_SHUTDOWN:
    case IORING_OP_SPLICE:
      return true;
    default:
      return false;
  }
}
