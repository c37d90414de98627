import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { quote, UsageError } from './usage-error.js';

/**
 * Where reports go: standard output, or a file that must not exist, since nothing is overwritten. It is made at once, and removed where nothing was
 * written.
 *
 * A report that has no room in the file goes to standard output instead, and the exit status is 1.
 *
 * @throws UsageError where it cannot be made
 */
export function openOutput(path: string | null): (text: string) => void {
  if (path === null) return (text) => console.log(text);
  let fd: number;
  try {
    fd = openSync(path, 'wx', 0o666);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'EEXIST' ? 'exists, and would be overwritten' : `cannot be made (${code})`;
    throw new UsageError(`${quote(path)} ${reason}: name another file after --output`);
  }
  let writtenBytes = 0;
  let hasFailed = false;
  process.once('exit', (status) => {
    closeSync(fd);
    // What was refused later leaves nothing behind.
    if (writtenBytes === 0) unlinkSync(path);
    if (hasFailed && status === 0) process.exitCode = 1;
  });
  return (text) => {
    try {
      writtenBytes += writeAll(fd, Buffer.from(`${text}\n`));
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (syscall !== 'write') throw error;
      hasFailed = true;
      // Half a report is none.
      ftruncateSync(fd, writtenBytes);
      console.error(`biodone-bench: the report cannot be written to ${quote(path)} (${code}): it is on standard output`);
      console.log(text);
    }
  };
}

/** A call may write less than it was given, as where a disk is nearly full. */
function writeAll(fd: number, bytes: Uint8Array): number {
  let written = 0;
  while (written < bytes.length) written += writeSync(fd, bytes, written);
  return written;
}
