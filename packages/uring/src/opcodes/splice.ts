import type { FixedFile, RingFile } from '../ring-file.js';
import type { RingRequest } from '../ring-request.js';
import { IORING_OP_SPLICE } from './abi.js';
import { checkOffset, checkWord, prepareOnFile } from './prepare.js';

/** Moves pages instead of copying them, where it can: splice(2). */
export const SPLICE_F_MOVE: number = 1;
/** More data comes after this. */
export const SPLICE_F_MORE: number = 4;

/**
 * As splice(2), Linux 5.7: moves bytes from one file to another without taking them to user space. One of both is a pipe. Completes with
 * the count of bytes moved, 0 at the end; fails with EBADF, EINVAL, ESPIPE.
 *
 * The kernel looks the source up when the operation runs, so a bare descriptor will not do: make it a {@link RingFile}.
 *
 * @param sourceOffset, targetOffset in bytes; -1 for a pipe, and for the file's own position
 * @param flags SPLICE_F_ flags
 */
export function prepareSplice(
  request: RingRequest,
  source: RingFile | FixedFile,
  sourceOffset: number,
  target: RingFile | FixedFile,
  targetOffset: number,
  lengthBytes: number,
  flags = 0,
): void {
  checkOffset(sourceOffset);
  checkOffset(targetOffset);
  checkWord('lengthBytes', lengthBytes);
  prepareOnFile(request, IORING_OP_SPLICE, target, flags);
  request.otherFile = source.file;
  // By its descriptor, which stays the file's own while the request holds the file: its place in a table may be another file's by the
  // time the kernel looks.
  request.fileIndex = source.fd < 0 ? -1 : source.file.fd;
  request.address = sourceOffset;
  request.offset = targetOffset;
  request.lengthBytes = lengthBytes;
}
