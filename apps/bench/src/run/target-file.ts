import { randomFillSync } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ExitTasks } from '../exit-tasks.js';
import { formatSize } from '../size.js';
import { quote, UsageError } from '../usage-error.js';

const CHUNK_BYTES = 2 ** 20;
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** A file that does not exist yet. */
export interface FileToMake {
  readonly path: string;
  readonly sizeBytes: number;
  /** Whether it is written all over with random bytes, to be read; otherwise it is one hole. */
  readonly isFilled: boolean;
  readonly isKept: boolean;
}

/** Something that stopped a run, whatever it was asked: exit status 1. */
class TargetFailure extends Error {
  override readonly name = 'TargetFailure';
}

/** A file that the run has made. */
export interface TargetFile {
  /** It has served: it is removed, unless it is to be kept. */
  end(): void;
  /** Removes it in any case. */
  remove(): void;
}

/** Who hears how far a long preparation is, from 0 to 1, and says whether it is to go on. */
export type Preparation = (share: number) => boolean;

/**
 * Makes the file of a job, which must not exist, and sees to it that it is removed however the program ends, unless it is to be kept.
 *
 * @returns null if it was not to go on; nothing is left behind then
 * @throws UsageError where there is no permission, TargetFailure where the disk is full; nothing is left behind then
 */
export async function makeTargetFile(
  { path, sizeBytes, isFilled, isKept }: FileToMake,
  exitTasks: ExitTasks,
  onShare: Preparation,
): Promise<TargetFile | null> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'wx', 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${quote(path)} cannot be made (${code}): name another file with filename= or directory=`);
  }
  let isWanted = false;
  const remove = exitTasks.add(() => {
    if (!isWanted) unlinkIfThere(path);
  });
  try {
    if (!isFilled) await handle.truncate(sizeBytes);
    else if (!(await fill(handle, sizeBytes, path, onShare))) {
      remove();
      return null;
    }
  } catch (error) {
    remove();
    throw error;
  } finally {
    await handle.close();
  }
  return {
    remove,
    end() {
      isWanted = isKept;
      remove();
    },
  };
}

/** Reads a file or device through once, so that what fits of it is in the page cache. */
export async function warmCache(path: string, startOffset: number, lengthBytes: number, onShare: Preparation): Promise<void> {
  const handle = await open(path, 'r');
  const chunk = new Uint8Array(CHUNK_BYTES);
  try {
    for (let done = 0; done < lengthBytes && onShare(done / lengthBytes); done += CHUNK_BYTES) {
      const wanted = Math.min(CHUNK_BYTES, lengthBytes - done);
      const { bytesRead } = await handle.read(chunk, 0, wanted, startOffset + done);
      if (bytesRead === 0) return;
    }
  } finally {
    await handle.close();
  }
}

/** Whether it went on to the end. */
async function fill(handle: FileHandle, sizeBytes: number, path: string, onShare: Preparation): Promise<boolean> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  try {
    for (let at = 0; at < sizeBytes; ) {
      if (!onShare(at / sizeBytes)) return false;
      randomFillSync(chunk);
      at += (await handle.write(chunk, 0, Math.min(CHUNK_BYTES, sizeBytes - at), at)).bytesWritten;
    }
    await handle.datasync();
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || !NO_ROOM.has(code)) throw error;
    throw new TargetFailure(
      `the disk is full: no room for ${formatSize(sizeBytes)} at ${quote(path)} (${code}); the file is removed`,
    );
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    console.error(`biodone-bench: ${quote(path)} could not be removed (${(error as Error).message})`);
  }
}
