import { randomFillSync } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ExitTasks } from './exit-tasks.js';
import { formatSize } from './size.js';
import { quote, UsageError } from './usage-error.js';

const CHUNK_BYTES = 4 * 2 ** 20;
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The file that is measured on. It exists from {@link make} to {@link remove}. */
export class TestFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #handle: FileHandle;
  readonly #unlink: () => void;
  readonly #chunk = new Uint8Array(CHUNK_BYTES);

  private constructor(path: string, sizeBytes: number, handle: FileHandle, unlink: () => void) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#handle = handle;
    this.#unlink = unlink;
  }

  /**
   * Makes an empty file, which must not exist, and sees to it that it is removed however the program ends.
   *
   * @throws UsageError where it cannot be made
   */
  static async make(path: string, sizeBytes: number, exitTasks: ExitTasks): Promise<TestFile> {
    let handle: FileHandle;
    try {
      handle = await open(path, 'wx+', 0o600);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') {
        throw new UsageError(`${quote(path)} exists, and would be overwritten: remove it, or name another file`);
      }
      throw new UsageError(`${quote(path)} cannot be made (${code}): name another folder with --directory`);
    }
    return new TestFile(
      path,
      sizeBytes,
      handle,
      exitTasks.add(() => unlinkIfThere(path)),
    );
  }

  /**
   * Writes random bytes all over it, and to the disk: a hole, or zeros that a file system does not store, would be read without a disk.
   *
   * @param deadline what performance.now() must not reach
   * @param onProgress hears how much is written
   * @param signal ends it before its time
   */
  async fill(deadline: number, onProgress: (writtenBytes: number) => void, signal?: AbortSignal): Promise<void> {
    try {
      for (let offset = 0; offset < this.sizeBytes; offset += CHUNK_BYTES) {
        if (signal?.aborted === true) return;
        if (performance.now() > deadline) throw new UsageError(this.#tooSlow(offset));
        randomFillSync(this.#chunk);
        await writeWhole(this.#handle, this.#chunk.subarray(0, this.sizeBytes - offset), offset);
        onProgress(offset);
      }
      await this.#handle.datasync();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined || !NO_ROOM.has(code)) throw error;
      throw new UsageError(
        `no room for ${formatSize(this.sizeBytes)} at ${quote(this.path)} (${code}): name another folder with --directory, or a smaller --size`,
      );
    }
  }

  /** Lets the kernel write out what it has put off, and if asked to reads everything once, so that it is in the page cache. */
  async settle(isCached = true): Promise<void> {
    await this.#handle.datasync();
    if (!isCached) return;
    for (let offset = 0; offset < this.sizeBytes; offset += CHUNK_BYTES) {
      const { bytesRead } = await this.#handle.read(this.#chunk, 0, CHUNK_BYTES, offset);
      if (bytesRead !== Math.min(CHUNK_BYTES, this.sizeBytes - offset)) {
        throw new Error(`${quote(this.path)} was cut short by somebody else while it was measured on`);
      }
    }
  }

  async remove(): Promise<void> {
    this.#unlink();
    await this.#handle.close();
  }

  #tooSlow(writtenBytes: number): string {
    const written = `${formatSize(writtenBytes)} of ${formatSize(this.sizeBytes)}`;
    return `${quote(this.path)} takes too long to write, ${written} so far: name a faster folder with --directory, a smaller --size or more --seconds`;
  }
}

async function writeWhole(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, offset + written);
    written += bytesWritten;
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      console.error(`biodone-bench: ${quote(path)} could not be removed (${(error as Error).message})`);
    }
  }
}
