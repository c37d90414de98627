import { O_CLOEXEC } from './abi.js';
import { EAGAIN, EINTR } from './errno.js';
import { SystemError } from './errors.js';
import { IoBuffer } from './memory.js';
import { libc } from './syscalls.js';
import { closeOwned, openOwned } from './thread-end.js';

/** poll(2): there is something to read. */
const POLLIN = 1;
/** The longest time that poll(2) takes, in milliseconds. */
const POLL_MAX_MS = 2 ** 31 - 1;

/** Whether this thread can make eventfds: on Linux, where there is a foreign function interface. */
export function hasEventFd(): boolean {
  try {
    return process.platform === 'linux' && libc().eventfd !== undefined;
  } catch {
    return false;
  }
}

/**
 * As `openEventFd`, for a thread that may be terminated: the eventfd is closed when the thread ends. Only {@link closeOwnedEventFd} may close it, in
 * the same thread.
 *
 * @throws SystemError EMFILE, ENFILE, ENOMEM
 */
export function openOwnedEventFd(): number {
  const { eventfd, errno } = libc();
  // Without O_NONBLOCK, as in openEventFd().
  const eventFd = openOwned(() => eventfd(0, O_CLOEXEC));
  if (eventFd < 0) throw new SystemError(errno(), 'eventfd');
  return eventFd;
}

/** Closes what {@link openOwnedEventFd} has opened. */
export function closeOwnedEventFd(eventFd: number): void {
  closeOwned(eventFd);
}

/**
 * Blocks until an eventfd has been signalled, and takes the signal (poll(2), then read(2)). A system call, so a signal of the operating system ends
 * it, unlike `Atomics.wait`.
 *
 * @param eventFd a non-blocking one, as the one of an {@link EventLoopDoor} is
 * @param timeoutMs how long at most, rounded up to whole milliseconds; `Infinity` for no limit
 * @throws SystemError what poll(2) fails with, but for EINTR and EAGAIN
 */
export function waitEventFd(eventFd: number, timeoutMs: number): 'ready' | 'EINTR' | 'ETIME' {
  const { poll, read, errno } = libc();
  const answer = answerMemory();
  const words = new Int32Array(answer.bytes.buffer, answer.bytes.byteOffset, 2);
  words[0] = eventFd;
  words[1] = POLLIN;
  const count = poll(answer.address, 1, timeoutMs > POLL_MAX_MS ? -1 : Math.ceil(timeoutMs));
  if (count > 0) {
    // The event loop may have been faster: then there is nothing to read, which is no error.
    read(eventFd, answer.address + 8, 8);
    return 'ready';
  }
  if (count === 0) return 'ETIME';
  const error = errno();
  if (error === EINTR || error === EAGAIN) return 'EINTR';
  throw new SystemError(error, 'poll');
}

/** A `struct pollfd` of 8 bytes, and an eventfd's counter. */
let answer: IoBuffer | null = null;

function answerMemory(): IoBuffer {
  answer ??= IoBuffer.allocate(16, 8);
  return answer;
}
