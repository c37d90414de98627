import { EBADF } from './errno.js';
import { SystemError } from './errors.js';
import { IORING_OP_CLOSE, IORING_OP_MSG_RING, IORING_OP_SOCKET } from './opcodes/abi.js';
import { RingFile } from './ring-file.js';
import type { RingRequest } from './ring-request.js';
import { libc } from './syscalls.js';
import { closeOwned, openOwned } from './thread-end.js';

// From linux/fcntl.h.
const F_DUPFD_CLOEXEC = 1030;

/** A descriptor that anybody may close, and open another file under its number. What a socket is made with is none. */
export function isBare(request: RingRequest): boolean {
  return request.fd >= 0 && request.file === null && request.opcode !== IORING_OP_SOCKET;
}

/**
 * Whether another descriptor does for a bare one. A close is about this one. And a ring that has another descriptor does not end when a
 * worker ends, which waits for that (thread-end.ts).
 */
export function isKept(request: RingRequest): boolean {
  return isBare(request) && request.opcode !== IORING_OP_CLOSE && request.opcode !== IORING_OP_MSG_RING;
}

/** @throws TypeError ERR_INVALID_ARG_VALUE for a message, whose ring the kernel is to look up at once, where it would do so later */
export function refuseLateMessage(request: RingRequest): void {
  if (request.opcode !== IORING_OP_MSG_RING) return;
  const message = 'a message to another ring cannot be a member of a chain, a drain, or have IOSQE_ASYNC';
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
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
    request.file = RingFile.lend(fd, request.path, request.fd);
    request.fd = fd;
  }
}
