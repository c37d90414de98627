import { EAGAIN, EINTR } from './errno.js';
import { SystemError } from './errors.js';
import { openDoors } from './event-loop.js';
import { IoBuffer } from './memory.js';
import { libc } from './syscalls.js';

/** poll(2): there is something to read. */
const POLLIN = 1;
/** The longest time that poll(2) takes, in milliseconds. */
const POLL_MAX_MS = 2 ** 31 - 1;
/** `struct pollfd`: a descriptor, and two half-words, for what is asked and what is there. */
const POLLFD_BYTES = 8;
/** An eventfd's counter. */
const COUNTER_BYTES = 8;

/**
 * Blocks until one of this thread's open doors is signalled ({@link EventLoopDoor}), and has each that is call back, as the event loop would: so a thread that does
 * not return to its event loop waits for all that comes by a door with one system call (poll(2)), which a signal of the operating system ends. What comes into
 * the event loop otherwise, such as timers and sockets, it does not see.
 *
 * @param timeoutMs how long at most, rounded up to whole milliseconds; `Infinity` for no limit
 * @throws SystemError what poll(2) fails with, but for EINTR and EAGAIN; RangeError where there is no memory
 */
export function waitForDoors(timeoutMs: number): 'ready' | 'EINTR' | 'ETIME' {
  const { poll, read, errno } = libc();
  const doors = [...openDoors];
  const { bytes, address } = memoryFor(doors.length);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, doors.length * 2);
  for (const [index, { eventFd }] of doors.entries()) {
    words[index * 2] = eventFd;
    words[index * 2 + 1] = POLLIN;
  }
  const count = poll(address, doors.length, timeoutMs > POLL_MAX_MS ? -1 : Math.ceil(timeoutMs));
  if (count === 0) return 'ETIME';
  if (count < 0) {
    const error = errno();
    if (error === EINTR || error === EAGAIN) return 'EINTR';
    throw new SystemError(error, 'poll');
  }
  for (const [index, { eventFd, onReady }] of doors.entries()) {
    if ((words[index * 2 + 1] as number) >>> 16 === 0) continue;
    // The event loop may have been faster: then there is nothing to read, which is no error.
    read(eventFd, address + doors.length * POLLFD_BYTES, COUNTER_BYTES);
    onReady();
  }
  return 'ready';
}

let memory: IoBuffer | null = null;

function memoryFor(doors: number): IoBuffer {
  const lengthBytes = doors * POLLFD_BYTES + COUNTER_BYTES;
  if (memory === null || memory.lengthBytes < lengthBytes) memory = IoBuffer.allocate(lengthBytes * 2, 8);
  return memory;
}
