import type { FileTarget } from '../ring-file.js';
import type { RingRequest } from '../ring-request.js';
import { IORING_OP_FSYNC, IORING_OP_SYNC_FILE_RANGE } from './abi.js';
import { checkRange, checkWord, prepareOnFile } from './prepare.js';

const IORING_FSYNC_DATASYNC = 1 << 0;

/** Waits for the writing out of pages of the range that is under way, before it starts more: sync_file_range(2). */
export const SYNC_FILE_RANGE_WAIT_BEFORE: number = 1;
/** Starts to write the dirty pages of the range out. */
export const SYNC_FILE_RANGE_WRITE: number = 2;
/** Waits for the pages that were written out. */
export const SYNC_FILE_RANGE_WAIT_AFTER: number = 4;

/**
 * As fsync(2): completes with 0 when the file's data and metadata are on the device. Linux 5.1.
 *
 * It covers the writes that have completed before it was started. It is not ordered after writes that are under way: link it to them, or
 * give it IOSQE_IO_DRAIN. Fails with EIO, ENOSPC, EDQUOT if earlier writes could not be written out, and EBADF, EINVAL, EROFS.
 */
export function prepareFsync(request: RingRequest, file: FileTarget): void {
  prepareOnFile(request, IORING_OP_FSYNC, file, 0);
}

/** As fdatasync(2): {@link prepareFsync} without the metadata that reading the data does not need. */
export function prepareFdatasync(request: RingRequest, file: FileTarget): void {
  prepareOnFile(request, IORING_OP_FSYNC, file, IORING_FSYNC_DATASYNC);
}

/**
 * As sync_file_range(2): writes a part of the file's dirty pages out. It makes nothing durable: it writes neither metadata nor the device's
 * own cache. Linux 5.2. Fails with EBADF, EINVAL, EIO, ENOSPC, ESPIPE.
 *
 * @param lengthBytes less than 2^32; 0 is up to the end of the file
 * @param flags SYNC_FILE_RANGE_ flags
 */
export function prepareSyncFileRange(
  request: RingRequest,
  file: FileTarget,
  offset: number,
  lengthBytes: number,
  flags: number,
): void {
  checkRange(offset, lengthBytes);
  checkWord('lengthBytes', lengthBytes);
  prepareOnFile(request, IORING_OP_SYNC_FILE_RANGE, file, flags);
  request.offset = offset;
  request.lengthBytes = lengthBytes;
}
