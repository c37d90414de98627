import { EAGAIN, EBUSY, SystemError } from '@biodone/uring';
import { native } from './native.js';

/** Operations of flock(2). */
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/**
 * Locks an open file against a second writer, in this process or another. The lock belongs to this opening: its channels in other threads have
 * it too, and the kernel gives it back when the process ends, however it does.
 *
 * @returns false where there are no locks to be had: without a foreign function interface
 * @throws SystemError EBUSY if somebody else has it; what flock(2) gives for a file system without locks
 */
export function lockFile(fd: number, path: string): boolean {
  const calls = native();
  if (calls === null) return false;
  if (calls.flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  const errno = calls.errno();
  if (errno === EAGAIN) throw new SystemError(EBUSY, 'flock', path, IN_USE);
  throw new SystemError(errno, 'flock', path, 'it cannot be locked: open it with lock: false, if nobody else writes to it');
}

const IN_USE =
  'another writer has it open: close that one first, open this with readOnly: true, or with lock: false if both know of each other';

/**
 * Gives the lock back. The close would do it too, but not while a ring's table still holds the file, and then whoever opens the file next would
 * be refused for no reason that he can see.
 */
export function unlockFile(fd: number): void {
  native()?.flock(fd, LOCK_UN);
}
