import { constants, openSync } from 'node:fs';
import { flagsOf, isTerminal, readStatus } from './file-status.js';

// From asm-generic/fcntl.h.
const O_ACCMODE = 3;

/** Whether a descriptor is a terminal's. */
export function isTerminalNow(fd: number): boolean {
  return readStatus(fd) && isTerminal(fd);
}

/**
 * Another opening of a terminal, which does not block; -1 where it cannot be opened. What poll(2) says is there another reader may take first, and
 * then a read that can block would block whoever makes it: with io_uring the thread itself, which runs what has been polled.
 */
export function reopenTerminal(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, (flagsOf(fd) & O_ACCMODE) | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    return -1;
  }
}
