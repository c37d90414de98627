import { randomFillSync } from 'node:crypto';
import {
  closeSync,
  constants,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readSync,
  rmdirSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const FILE_BYTES = 256 * 2 ** 20;
const CHUNK_BYTES = 2 ** 20;
const TMPFS_MAGIC = 0x01021994;

/**
 * The file that is read. It has lost its name by the time it is written, and is opened by way of /proc: so nothing has to be removed, and
 * nothing is left behind however the benchmark ends.
 */
export class TestFile {
  /** What it is opened by, from this process and from others. */
  path;
  /** Why it cannot be read past the page cache; null if it can. */
  noDirect;
  #fd;
  #lengthBytes;
  #chunk = new Uint8Array(CHUNK_BYTES);

  constructor(lengthBytes = FILE_BYTES) {
    const { fd, noDirect } = openOnDisk();
    this.#fd = fd;
    this.#lengthBytes = lengthBytes;
    this.noDirect = noDirect;
    this.path = `/proc/${process.pid}/fd/${fd}`;
    // Random bytes, since a hole or zeros might be read without a disk.
    for (let offset = 0; offset < lengthBytes; offset += CHUNK_BYTES)
      writeSync(fd, randomFillSync(this.#chunk), 0, CHUNK_BYTES, offset);
    fdatasyncSync(fd);
  }

  /** Reads all of it, so that it is in the page cache: the kernel takes pages back in the background. */
  readThrough() {
    for (let offset = 0; offset < this.#lengthBytes; offset += CHUNK_BYTES)
      readSync(this.#fd, this.#chunk, 0, CHUNK_BYTES, offset);
  }

  close() {
    closeSync(this.#fd);
  }
}

/** Temporary files are in memory on many systems, so this package's folder is the second choice. */
function openOnDisk() {
  let refused = null;
  for (const parent of [tmpdir(), fileURLToPath(new URL('..', import.meta.url))]) {
    const { fd, reason } = openNameless(parent);
    if (reason === null) return { fd, noDirect: null };
    if (refused === null) refused = { fd, noDirect: reason };
    else closeSync(fd);
  }
  return refused;
}

function openNameless(parent) {
  const folder = mkdtempSync(join(parent, '.biodone-test-'));
  const name = join(folder, 'file');
  const fd = openSync(name, 'wx+', 0o600);
  unlinkSync(name);
  rmdirSync(folder);
  // Linux lets a file in memory be opened with O_DIRECT too, which then means nothing.
  if (statfsSync(parent).type === TMPFS_MAGIC) return { fd, reason: `${parent} is in memory` };
  try {
    closeSync(openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_DIRECT));
    return { fd, reason: null };
  } catch (error) {
    return { fd, reason: `${parent} refuses O_DIRECT (${error.code})` };
  }
}
