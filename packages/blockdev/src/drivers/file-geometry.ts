import { fstatSync, type Stats } from 'node:fs';
import { EINVAL, EISDIR, EROFS, IoBuffer, STATX_DIOALIGN, STATX_WRITE_ATOMIC, SystemError, statxSync } from '@biodone/uring';
import { deviceSizeBytes, isDeviceReadOnly, isDeviceRotational, logicalSectorBytes, physicalSectorBytes } from './block-ioctl.js';
import { native } from './native.js';

/** What an open file is, as far as I/O is concerned. It can be cloned: it goes to other threads with a handle. */
export interface FileGeometry {
  /** A block device, or else a regular file. */
  readonly isDevice: boolean;
  /** At the opening. */
  readonly sizeBytes: number;
  /** The unit of a transfer: 1 through the page cache, otherwise the alignment that O_DIRECT asks for. */
  readonly blockSizeBytes: number;
  readonly memoryAlignmentBytes: number;
  readonly physicalBlockSizeBytes: number;
  /** What discards and zeros are multiples of: a device's logical sector, 1 for a file. */
  readonly sectorBytes: number;
  readonly rotational: boolean;
  /** How long writes with RWF_ATOMIC are; undefined where there are none. */
  readonly atomicWriteMinBytes?: number;
  readonly atomicWriteMaxBytes?: number;
}

/**
 * Finds out what a descriptor leads to.
 *
 * @throws SystemError EISDIR for a directory, EINVAL for what is neither a file nor a block device, EROFS for a device that refuses writes
 */
export function geometryOf(fd: number, path: string, options: { direct: boolean; readOnly: boolean }): FileGeometry {
  const stat = fstatSync(fd);
  if (stat.isDirectory()) throw new SystemError(EISDIR, 'open', path);
  if (!stat.isFile() && !stat.isBlockDevice()) throw new SystemError(EINVAL, 'open', path, 'neither a file nor a block device');
  return stat.isFile() ? fileGeometry(fd, stat, options.direct) : deviceGeometry(fd, path, options);
}

/** How large it is now. */
export function currentSizeBytes(fd: number, path: string, isDevice: boolean): number {
  return isDevice ? deviceSizeBytes(fd, path) : fstatSync(fd).size;
}

function fileGeometry(fd: number, stat: Stats, direct: boolean): FileGeometry {
  const alignment = direct ? directAlignment(fd, stat.size === 0 ? LARGEST_SECTOR_BYTES : null) : CACHED;
  return {
    isDevice: false,
    sizeBytes: stat.size,
    ...alignment,
    ...(direct ? atomicWrites(fd) : {}),
    physicalBlockSizeBytes: Math.max(stat.blksize, alignment.blockSizeBytes),
    sectorBytes: 1,
    rotational: false,
  };
}

function deviceGeometry(fd: number, path: string, { direct, readOnly }: { direct: boolean; readOnly: boolean }): FileGeometry {
  const sectorBytes = logicalSectorBytes(fd, path);
  if (!readOnly && isDeviceReadOnly(fd, path)) {
    throw new SystemError(EROFS, 'open', path, 'the device is read-only: open it with readOnly: true');
  }
  return {
    isDevice: true,
    sizeBytes: deviceSizeBytes(fd, path),
    ...(direct ? { ...directAlignment(fd, sectorBytes), ...atomicWrites(fd) } : CACHED),
    physicalBlockSizeBytes: physicalSectorBytes(fd, path),
    sectorBytes,
    rotational: isDeviceRotational(fd, path),
  };
}

interface Alignment {
  readonly blockSizeBytes: number;
  readonly memoryAlignmentBytes: number;
}

const CACHED: Alignment = { blockSizeBytes: 1, memoryAlignmentBytes: 1 };

const SECTOR_BYTES = 512;
/** No disk has larger logical sectors. */
const LARGEST_SECTOR_BYTES = 4096;

/**
 * What O_DIRECT asks for on a file: what statx(2) says (Linux 6.1), if the file system says it there; otherwise the sector, if that is known;
 * otherwise the least that a read is not refused for.
 */
function directAlignment(fd: number, sectorBytes: number | null): Alignment {
  const stat = native() === null ? null : statxSync(fd, STATX_DIOALIGN);
  const told = stat !== null && (stat.mask & STATX_DIOALIGN) !== 0 && stat.directOffsetAlignmentBytes > 0;
  if (told) {
    return {
      blockSizeBytes: stat.directOffsetAlignmentBytes,
      // Not 1: where memory may begin anywhere, the parts of a vector may still not end anywhere.
      memoryAlignmentBytes: Math.max(2, stat.directMemoryAlignmentBytes),
    };
  }
  const bytes = sectorBytes ?? triedAlignment(fd);
  return { blockSizeBytes: bytes, memoryAlignmentBytes: bytes };
}

/** What the file system, or the disk, writes as a whole or not at all, past the page cache alone (Linux 6.11). */
function atomicWrites(fd: number): Pick<FileGeometry, 'atomicWriteMinBytes' | 'atomicWriteMaxBytes'> {
  const stat = native() === null ? null : statxSync(fd, STATX_WRITE_ATOMIC);
  if (stat === null || (stat.mask & STATX_WRITE_ATOMIC) === 0 || stat.atomicWriteMaxBytes === 0) return {};
  const { atomicWriteMinBytes, atomicWriteMaxBytes } = stat;
  return { atomicWriteMinBytes, atomicWriteMaxBytes };
}

function triedAlignment(fd: number): number {
  const calls = native();
  if (calls === null) return SECTOR_BYTES;
  const { address } = IoBuffer.allocate(LARGEST_SECTOR_BYTES);
  for (let bytes = SECTOR_BYTES; bytes < LARGEST_SECTOR_BYTES; bytes *= 2) {
    if (calls.pread(fd, address, bytes, 0) >= 0 || calls.errno() !== EINVAL) return bytes;
  }
  return LARGEST_SECTOR_BYTES;
}
