import { constants, type Stats } from 'node:fs';
import { access, lstat, readFile, realpath, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { RunOptions } from './cli.js';
import { isReport } from './report/json.js';
import { formatSize } from './size.js';
import { quote, UsageError } from './usage-error.js';

/** Where a run writes. */
export interface Places {
  /** The test file, which does not exist yet. */
  readonly testFile: string;
  readonly jsonFile: string | null;
}

/**
 * Finds out where a run would write, and whether it can, before it creates anything.
 *
 * @throws UsageError where it cannot
 */
export async function choosePlaces(options: Omit<RunOptions, 'showsFio'>): Promise<Places> {
  const jsonFile = options.jsonFile === null ? null : await chooseJsonFile(options.jsonFile);
  const testFile = await chooseTestFile(options);
  if (testFile === jsonFile) {
    throw new UsageError(`${quote(testFile)} cannot be both the test file and the report: name another file after --json`);
  }
  return { testFile, jsonFile };
}

async function chooseTestFile({ path, directory, sizeBytes }: Omit<RunOptions, 'showsFio'>): Promise<string> {
  if (path !== null) await refuseExisting(path);
  const asked = path === null ? (directory ?? tmpdir()) : dirname(path);
  const folder = await writableFolder(asked, 'name another folder with --directory');
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes < sizeBytes) {
    throw new UsageError(
      `no room in ${quote(folder)}: ${formatSize(freeBytes)} are free and the test file takes ${formatSize(sizeBytes)}: ` +
        'name another folder with --directory, or a smaller --size',
    );
  }
  return join(folder, path === null ? `biodone-bench-${process.pid}.dat` : basename(path));
}

/** PATH must name nothing yet. What is there is never overwritten, so each kind of thing has its own way out. */
async function refuseExisting(path: string): Promise<void> {
  const found = await statOf(path, lstat, 'name a file that can be made');
  if (found === null) return;
  if (found.isDirectory()) {
    throw new UsageError(`${quote(path)} is a directory: say --directory ${quote(path)} to make the test file in it`);
  }
  if (found.isBlockDevice() || found.isCharacterDevice()) {
    throw new UsageError(`${quote(path)} is a device, and its contents would be lost: name a file that does not exist yet`);
  }
  throw new UsageError(`${quote(path)} exists, and would be overwritten: name a file that does not exist yet`);
}

async function chooseJsonFile(path: string): Promise<string> {
  const advice = 'name another file after --json';
  const found = await statOf(path, stat, advice);
  if (found === null) return join(await writableFolder(dirname(path), advice), basename(path));
  if (found.isDirectory()) throw new UsageError(`${quote(path)} is a directory: name a file in it after --json`);
  if (found.isCharacterDevice() || found.isBlockDevice()) throw new UsageError(`${quote(path)} is a device: ${advice}`);
  if (!found.isFile()) throw new UsageError(`${quote(path)} is not a regular file: ${advice}`);
  // The report replaces the file a link points to, not the link.
  const file = await realpath(path);
  await writableFolder(dirname(file), advice);
  if (!(await isAllowed(file, constants.R_OK | constants.W_OK))) {
    throw new UsageError(`no permission to replace ${quote(path)}: ${advice}`);
  }
  if (found.size > 0 && !isReport(await readFile(file, 'utf8'))) {
    throw new UsageError(`${quote(path)} is not an earlier report of this program, and would be overwritten: ${advice}`);
  }
  return file;
}

/** The real path of a folder in which files can be made. */
async function writableFolder(path: string, advice: string): Promise<string> {
  const found = await statOf(path, stat, advice);
  if (found === null) throw new UsageError(`${quote(path)} does not exist: make it, or ${advice}`);
  if (!found.isDirectory()) throw new UsageError(`${quote(path)} is not a directory: ${advice}`);
  if (!(await isAllowed(path, constants.W_OK | constants.X_OK))) {
    throw new UsageError(`no permission to make files in ${quote(path)}: ${advice}`);
  }
  return realpath(resolve(path));
}

/** What is at a path, or null if nothing is. */
async function statOf(path: string, look: (path: string) => Promise<Stats>, advice: string): Promise<Stats | null> {
  try {
    return await look(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new UsageError(`${quote(path)} cannot be used (${code}): ${advice}`);
  }
}

async function isAllowed(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false;
  }
}
