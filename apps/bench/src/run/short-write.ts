import { closeSync, openSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Target } from './job-plan.js';

/**
 * Why a write of a file moved less than it should. Where the disk has room for a part, the kernel writes that part and tells the reason only when it
 * is asked for the rest: so the rest is written, as zeros, to where the job was going to write.
 *
 * @returns the positive errno, EIO if the rest can be written
 */
export function shortWriteError(target: Target, offset: number, lengthBytes: number): number {
  if (target.kind !== 'file') return constants.errno.EIO;
  try {
    const fd = openSync(target.path, 'r+');
    try {
      for (let done = 0; done < lengthBytes; ) {
        const written = writeSync(fd, new Uint8Array(lengthBytes - done), 0, lengthBytes - done, offset + done);
        if (written === 0) break;
        done += written;
      }
    } finally {
      closeSync(fd);
    }
    return constants.errno.EIO;
  } catch (error) {
    return Math.abs((error as NodeJS.ErrnoException).errno ?? constants.errno.EIO);
  }
}
