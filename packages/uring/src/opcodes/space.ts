import type { FileTarget } from '../ring-file.js';
import type { RingRequest } from '../ring-request.js';
import { IORING_OP_FALLOCATE, IORING_OP_FTRUNCATE, IORING_OP_URING_CMD } from './abi.js';
import { checkRange, prepareOnFile } from './prepare.js';

/** Modes of {@link prepareFallocate}, from include/uapi/linux/falloc.h. */
export const FALLOC_FL_KEEP_SIZE: number = 0x01;
export const FALLOC_FL_PUNCH_HOLE: number = 0x02;
export const FALLOC_FL_COLLAPSE_RANGE: number = 0x08;
export const FALLOC_FL_ZERO_RANGE: number = 0x10;
export const FALLOC_FL_INSERT_RANGE: number = 0x20;
export const FALLOC_FL_UNSHARE_RANGE: number = 0x40;

/** `BLOCK_URING_CMD_DISCARD`, _IO(0x12, 0), from include/uapi/linux/blkdev.h. */
const BLOCK_URING_CMD_DISCARD = 0x1200;

/**
 * As fallocate(2): allocates, punches out or zeroes a part of a file. Linux 5.6. Completes with 0; fails with EBADF, EFBIG, EINVAL, ENOSPC,
 * and ENOTSUP where the file system does not know the mode.
 *
 * @param mode FALLOC_FL_ flags; 0 allocates, and makes the file longer
 */
export function prepareFallocate(
  request: RingRequest,
  file: FileTarget,
  mode: number,
  offset: number,
  lengthBytes: number,
): void {
  checkRange(offset, lengthBytes);
  prepareOnFile(request, IORING_OP_FALLOCATE, file, 0);
  // The entry's `len` is the mode, and its `addr` the length.
  request.offset = offset;
  request.address = lengthBytes;
  request.lengthBytes = mode;
}

/** As ftruncate(2): Linux 6.9. Completes with 0; fails with EBADF, EFBIG, EINVAL, EIO. */
export function prepareFtruncate(request: RingRequest, file: FileTarget, lengthBytes: number): void {
  checkRange(0, lengthBytes);
  prepareOnFile(request, IORING_OP_FTRUNCATE, file, 0);
  request.offset = lengthBytes;
}

/**
 * Discards a part of a block device (BLOCK_URING_CMD_DISCARD, Linux 6.12): what was there is not defined any more, even if it fails.
 * Completes with 0; fails with EINVAL for a range that is not whole sectors within the device, ENOTSUP for a device that cannot, and
 * for a file that is none.
 *
 * It keeps out neither reads nor writes of the same range, which is for the caller to do.
 */
export function prepareDiscard(request: RingRequest, file: FileTarget, offset: number, lengthBytes: number): void {
  checkRange(offset, lengthBytes);
  prepareOnFile(request, IORING_OP_URING_CMD, file, 0);
  // The entry's `cmd_op` is the low half of `off`; `addr` is the start and `addr3` the length.
  request.offset = BLOCK_URING_CMD_DISCARD;
  request.address = offset;
  request.address3 = lengthBytes;
}
