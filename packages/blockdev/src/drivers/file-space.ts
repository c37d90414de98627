import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE, type Libc, libc } from '@biodone/uring';
import { BLOCK_DISCARD, BLOCK_FAST_ONLY, BLOCK_FUA, BLOCK_NO_UNMAP, BLOCK_WRITE_ZEROES, type BlockIo } from '../block-io.js';
import type { OpenFile } from './file-engine.js';

/**
 * How discards and zeros are asked for: by modes of fallocate(2), tried one after the other while the answer is ENOTSUP, and by one thing
 * that is none, the command with which a block device discards sectors.
 */
export const DISCARD_SECTORS = -1;

const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const ZERO = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
/** Makes the file longer where it ends within the range, as writing zeros would. */
const ZERO_AND_GROW = FALLOC_FL_ZERO_RANGE;

const NONE: readonly number[] = [];
const FILE_DISCARD = [PUNCH];
const FILE_ZEROES = [PUNCH, ZERO];
const FILE_ZEROES_ALLOCATED = [ZERO];
const FILE_ZEROES_BEYOND_THE_END = [ZERO_AND_GROW];
// On a device a hole is zeros that cost no writing, and ZERO_RANGE writes them if there is no other way.
const DEVICE_DISCARD = [DISCARD_SECTORS, PUNCH];
const DEVICE_ZEROES = [PUNCH, ZERO];
const DEVICE_ZEROES_FAST = [PUNCH];
const DEVICE_ZEROES_ALLOCATED = [ZERO];

/** What is tried for a discard or for zeros, in order. If nothing is, the answer is ENOTSUP, and the layer writes zeros. */
export function spaceSteps(io: BlockIo, file: OpenFile): readonly number[] {
  if (io.operation === BLOCK_DISCARD) return file.isDevice ? DEVICE_DISCARD : FILE_DISCARD;
  const allocated = (io.flags & BLOCK_NO_UNMAP) !== 0;
  if (!file.isDevice) {
    if (io.offset + io.lengthBytes > endOf(file.fd)) return FILE_ZEROES_BEYOND_THE_END;
    return allocated ? FILE_ZEROES_ALLOCATED : FILE_ZEROES;
  }
  // Zeros for part of a sector have to be written.
  if (io.offset % file.sectorBytes !== 0 || io.lengthBytes % file.sectorBytes !== 0) return NONE;
  if ((io.flags & BLOCK_FAST_ONLY) !== 0) return allocated ? NONE : DEVICE_ZEROES_FAST;
  return allocated ? DEVICE_ZEROES_ALLOCATED : DEVICE_ZEROES;
}

/** Whether it is to be followed by fdatasync(2): neither fallocate(2) nor BLKDISCARD is stable when it returns, nor can it be told to be. */
export function wantsSync({ operation, flags }: BlockIo): boolean {
  return (flags & BLOCK_FUA) !== 0 && (operation === BLOCK_DISCARD || operation === BLOCK_WRITE_ZEROES);
}

/** Where the range begins: a discard leaves out what is no whole sector. */
export function spaceOffset(io: BlockIo, { sectorBytes }: OpenFile): number {
  return Math.ceil(io.offset / sectorBytes) * sectorBytes;
}

/** How long the range is; 0 if it has no whole sector. */
export function spaceLength(io: BlockIo, file: OpenFile): number {
  const { sectorBytes } = file;
  const end = Math.floor((io.offset + io.lengthBytes) / sectorBytes) * sectorBytes;
  return Math.max(0, end - spaceOffset(io, file));
}

/** As far as the file reaches now. The file's own position moves, which nothing uses. */
export function endOf(fd: number): number {
  const { lseek }: Libc = libc();
  return lseek(fd, 0, SEEK_END);
}

const SEEK_END = 2;
