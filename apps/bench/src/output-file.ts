import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { quote, UsageError } from './usage-error.js';

/**
 * Where reports go: standard output, or a file that must not exist, since nothing is overwritten. It is made at once, and removed where nothing was
 * written.
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
  let isEmpty = true;
  process.once('exit', () => {
    closeSync(fd);
    // What was refused later leaves nothing behind.
    if (isEmpty) unlinkSync(path);
  });
  return (text) => {
    isEmpty = false;
    writeSync(fd, `${text}\n`);
  };
}
