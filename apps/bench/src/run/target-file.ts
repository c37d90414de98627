import { randomFillSync } from 'node:crypto';
import { closeSync, fdatasyncSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
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

/**
 * Makes the file of a job, which must not exist, and sees to it that it is removed however the program ends, unless it is to be kept.
 *
 * @throws UsageError where there is no permission; nothing is left behind then
 */
export function makeTargetFile({ path, sizeBytes, isFilled, isKept }: FileToMake, exitTasks: ExitTasks): TargetFile {
  let fd: number;
  try {
    fd = openSync(path, 'wx', 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${quote(path)} cannot be made (${code}): name another file with filename= or directory=`);
  }
  let isWanted = false;
  const remove = exitTasks.add(() => {
    if (!isWanted) unlinkIfThere(path);
  });
  try {
    if (isFilled) fill(fd, sizeBytes, path);
    else ftruncateSync(fd, sizeBytes);
  } catch (error) {
    remove();
    throw error;
  } finally {
    closeSync(fd);
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
export function warmCache(path: string, startOffset: number, lengthBytes: number): void {
  const fd = openSync(path, 'r');
  const chunk = new Uint8Array(CHUNK_BYTES);
  try {
    for (let at = startOffset; at < startOffset + lengthBytes; at += CHUNK_BYTES) {
      if (readSync(fd, chunk, 0, Math.min(CHUNK_BYTES, startOffset + lengthBytes - at), at) === 0) return;
    }
  } finally {
    closeSync(fd);
  }
}

function fill(fd: number, sizeBytes: number, path: string): void {
  const chunk = new Uint8Array(CHUNK_BYTES);
  try {
    for (let at = 0; at < sizeBytes; ) {
      randomFillSync(chunk);
      at += writeSync(fd, chunk, 0, Math.min(CHUNK_BYTES, sizeBytes - at), at);
    }
    fdatasyncSync(fd);
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
