import { accessSync, constants, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatSize } from '../size.js';
import { quote, UsageError } from '../usage-error.js';
import type { FileToMake } from './target-file.js';

/**
 * Looks whether all files that a run is going to make can be made, and have room beside each other, before the first one is. They are there
 * together, from the run's beginning to its end.
 *
 * @throws UsageError where they cannot
 */
export function checkRoom(files: readonly FileToMake[]): void {
  const byFileSystem = new Map<number, FileToMake[]>();
  for (const file of files) {
    const id = fileSystemIdOf(dirname(file.path));
    byFileSystem.set(id, [...(byFileSystem.get(id) ?? []), file]);
  }
  for (const together of byFileSystem.values()) checkFileSystem(together);
}

/** The number that the kernel has for the file system of a folder in which files can be made. */
function fileSystemIdOf(folder: string): number {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return statSync(folder).dev;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${quote(folder)} cannot be used (${code}): name another folder with directory=`);
  }
}

function checkFileSystem(files: readonly FileToMake[]): void {
  const [first] = files as [FileToMake];
  const { bavail, bsize } = statfsSync(dirname(first.path));
  const freeBytes = bavail * bsize;
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  if (freeBytes >= sizeBytes) return;
  const what =
    files.length === 1
      ? `${formatSize(sizeBytes)} at ${quote(first.path)}`
      : `${files.length} files of ${formatSize(sizeBytes)} together, the first of them ${quote(first.path)}`;
  throw new UsageError(
    `no room for ${what}, ${formatSize(freeBytes)} are free: name another folder with directory=, or a smaller size=`,
  );
}
