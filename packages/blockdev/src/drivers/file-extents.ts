import { type Libc, libc } from '@biodone/uring';
import type { BlockIo } from '../block-io.js';
import { ENXIO } from '../errno.js';
import { EXTENT_DATA, EXTENT_HOLE, type ExtentList } from '../extent-list.js';
import type { OpenFile } from './file-engine.js';
import { endOf } from './file-space.js';

/** Ways of lseek(2), from include/uapi/linux/fs.h. */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/**
 * Finds the holes of a file by lseek(2): in the calling thread, in asynchronous requests too, because the kernel has no other way for it, and
 * it looks at metadata only. What is allocated and was never written counts as a hole. The answer ends where the file does.
 *
 * It moves the position of the descriptor, which nothing here uses.
 */
export function findExtents(io: BlockIo, { fd }: OpenFile): void {
  const extents = io.extents as ExtentList;
  const end = Math.min(io.offset + io.lengthBytes, endOf(fd));
  extents.clear();
  let position = io.offset;
  while (position < end && io.error === 0) {
    const data = seek(io, fd, position, SEEK_DATA, end);
    if (!extents.add(position, data - position, EXTENT_HOLE)) break;
    position = data;
    if (position === end) break;
    const hole = seek(io, fd, position, SEEK_HOLE, end);
    if (!extents.add(position, hole - position, EXTENT_DATA)) break;
    position = hole;
  }
  io.transferredBytes = Math.max(0, position - io.offset);
}

/** Where the next data or hole is, at most at the end. Leaves what goes wrong in the request, and stays where it is. */
function seek(io: BlockIo, fd: number, position: number, whence: number, end: number): number {
  const { lseek, errno }: Libc = libc();
  const found = lseek(fd, position, whence);
  if (found >= 0) return Math.min(found, end);
  const error = errno();
  // Nothing of that kind is left, or somebody has cut the file off meanwhile.
  if (error === ENXIO) return end;
  io.error = error;
  return position;
}
