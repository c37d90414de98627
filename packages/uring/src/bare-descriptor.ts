import { EBADF } from './errno.js';
import { SystemError } from './errors.js';
import { IOSQE_FIXED_FILE } from './flags.js';
import { IORING_OP_CLOSE, IORING_OP_SOCKET } from './opcodes/abi.js';
import { RingFile } from './ring-file.js';
import type { RingRequest } from './ring-request.js';
import { libc } from './syscalls.js';
import { closeOwned, openOwned } from './thread-end.js';

// From linux/fcntl.h.
const F_DUPFD_CLOEXEC = 1030;

/** A descriptor that anybody may close, and open another file under its number. What a socket is made with is none. */
export function isBare(request: RingRequest): boolean {
  const isNumber = request.fd >= 0 && request.file === null && (request.flags & IOSQE_FIXED_FILE) === 0;
  return isNumber && request.opcode !== IORING_OP_SOCKET;
}

/** Whether another descriptor does for a bare one: a close is about this one. */
export function isKept(request: RingRequest): boolean {
  return isBare(request) && request.opcode !== IORING_OP_CLOSE;
}

/** Holds the open files for requests on bare descriptors, by other descriptors, until the requests complete. */
export function keepDescriptors(requests: readonly RingRequest[]): void {
  const { fcntl, errno } = libc();
  const kept: [request: RingRequest, fd: number][] = [];
  for (const request of requests) {
    const fd = openOwned(() => fcntl(request.fd, F_DUPFD_CLOEXEC, 0));
    if (fd >= 0) {
      kept.push([request, fd]);
      continue;
    }
    // A wrong descriptor is the request's failure; having no descriptors left is the caller's.
    const number = errno();
    if (number === EBADF) continue;
    for (const [, one] of kept) closeOwned(one);
    throw new SystemError(number, 'fcntl', request.path);
  }
  for (const [request, fd] of kept) {
    request.fd = fd;
    request.file = RingFile.lend(fd, request.path);
  }
}
