import type { FileTarget, RingFile } from '../ring-file.js';
import type { RingRequest } from '../ring-request.js';
import { IORING_OP_CLOSE, IORING_OP_OPENAT, IORING_OP_RENAMEAT, IORING_OP_UNLINKAT } from './abi.js';
import { setPaths } from './argument.js';
import { prepareOnFile, prepareWithoutFile } from './prepare.js';

/** Instead of a directory's descriptor: paths are relative to the current directory. From include/uapi/linux/fcntl.h. */
export const AT_FDCWD = -100 as const;
/** For {@link prepareUnlinkat}: removes a directory, as rmdir(2). */
export const AT_REMOVEDIR: number = 0x200;
/** For {@link prepareRenameat}: fails with EEXIST instead of replacing a file. */
export const RENAME_NOREPLACE: number = 1;
/** For {@link prepareRenameat}: exchanges both files. */
export const RENAME_EXCHANGE: number = 2;

const O_CLOEXEC = 0x80000;

/**
 * As openat(2), Linux 5.6: completes with the new descriptor, which is closed by an exec; `RingFile.adopt` makes a file of it. Fails with
 * the errors of open(2). A descriptor that nobody takes stays open: cancel with care.
 *
 * @param flags as `fs.constants` has them: O_RDONLY, O_CREAT, O_DIRECT
 * @param mode of a new file
 * @param directory what a relative path is relative to
 * @throws TypeError ERR_INVALID_ARG_VALUE for a path with a null byte
 */
export function prepareOpenat(
  request: RingRequest,
  path: string,
  flags: number,
  mode = 0o666,
  directory: FileTarget = AT_FDCWD,
): void {
  const [address = 0] = setPaths(request, path);
  prepareOnFile(request, IORING_OP_OPENAT, directory, flags | O_CLOEXEC);
  request.address = address;
  request.lengthBytes = mode;
  request.path = path;
}

/**
 * As close(2), Linux 5.6, for a descriptor that no {@link RingFile} owns. Completes with 0; fails with EBADF, EIO, ENOSPC. It cancels
 * nothing that is under way on it.
 */
export function prepareClose(request: RingRequest, fd: number): void {
  prepareWithoutFile(request, IORING_OP_CLOSE, fd, 0);
}

/** As unlinkat(2), Linux 5.11. Completes with 0; fails with ENOENT, EISDIR, EACCES, EBUSY. `flags` may be AT_REMOVEDIR. */
export function prepareUnlinkat(request: RingRequest, path: string, flags = 0, directory: FileTarget = AT_FDCWD): void {
  const [address = 0] = setPaths(request, path);
  prepareOnFile(request, IORING_OP_UNLINKAT, directory, flags);
  request.address = address;
  request.path = path;
}

/** As renameat2(2), Linux 5.11. Completes with 0; fails with ENOENT, EEXIST, EXDEV, EACCES. `flags` are RENAME_ flags. */
export function prepareRenameat(
  request: RingRequest,
  from: string,
  to: string,
  flags = 0,
  fromDirectory: FileTarget = AT_FDCWD,
  toDirectory: RingFile | typeof AT_FDCWD = AT_FDCWD,
): void {
  const [fromAddress = 0, toAddress = 0] = setPaths(request, from, to);
  prepareOnFile(request, IORING_OP_RENAMEAT, fromDirectory, flags);
  request.address = fromAddress;
  request.offset = toAddress;
  request.lengthBytes = (typeof toDirectory === 'number' ? toDirectory : toDirectory.fd) >>> 0;
  request.otherFile = typeof toDirectory === 'number' ? null : toDirectory;
  request.path = from;
}
