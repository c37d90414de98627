import { IoBuffer } from '../memory.js';
import type { FileTarget } from '../ring-file.js';
import type { RingRequest } from '../ring-request.js';
import { libc } from '../syscalls.js';
import { IORING_OP_STATX } from './abi.js';
import { setPaths } from './argument.js';
import { AT_FDCWD } from './paths.js';
import { prepareOnFile } from './prepare.js';

/** For {@link prepareStatx}: an empty path means the directory's descriptor itself, which may be any file. */
export const AT_EMPTY_PATH: number = 0x1000;
/** For {@link prepareStatx}: a symbolic link itself, not what it points to. */
export const AT_SYMLINK_NOFOLLOW: number = 0x100;

/** What is asked for, from include/uapi/linux/stat.h. */
export const STATX_BASIC_STATS: number = 0x7ff;
export const STATX_BTIME: number = 0x800;
/** How reads and writes with O_DIRECT must be aligned. Linux 6.1. */
export const STATX_DIOALIGN: number = 0x2000;
/** How large writes with RWF_ATOMIC may be. Linux 6.11. */
export const STATX_WRITE_ATOMIC: number = 0x10000;

const STATX_BYTES = 256;

/** What statx(2) tells: the members of `struct statx` that files are read and written by. Sizes in bytes, times in milliseconds. */
export interface Statx {
  /** Which of the members the file system has filled in: STATX_ flags. */
  readonly mask: number;
  readonly blockSizeBytes: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly inode: number;
  readonly sizeBytes: number;
  /** What the file takes on the device. */
  readonly allocatedBytes: number;
  readonly accessedMs: number;
  readonly createdMs: number;
  readonly changedMs: number;
  readonly modifiedMs: number;
  /** How memory, and offsets and lengths, must be aligned for O_DIRECT; 0 where that is not known or not possible. */
  readonly directMemoryAlignmentBytes: number;
  readonly directOffsetAlignmentBytes: number;
  /** The least and the most that RWF_ATOMIC writes; 0 where it does not. */
  readonly atomicWriteMinBytes: number;
  readonly atomicWriteMaxBytes: number;
}

/**
 * As statx(2), Linux 5.6: completes with 0, and `readStatx` reads the answer. Fails with ENOENT, EACCES, EBADF.
 *
 * @param path relative to `directory`; with AT_EMPTY_PATH in `flags` and an empty path it is about `directory` itself
 * @param mask STATX_ flags: what is asked for
 */
export function prepareStatx(
  request: RingRequest,
  path: string,
  flags = 0,
  mask: number = STATX_BASIC_STATS | STATX_BTIME,
  directory: FileTarget = AT_FDCWD,
): void {
  const answer = IoBuffer.allocate(STATX_BYTES, 8);
  const [address = 0] = setPaths(request, path);
  prepareOnFile(request, IORING_OP_STATX, directory, flags);
  request.address = address;
  request.lengthBytes = mask;
  request.offset = answer.address;
  request.memory = answer;
  request.path = path;
}

/**
 * The answer of a request that {@link prepareStatx} has prepared, and that has completed with 0.
 *
 * @throws Error ERR_INVALID_STATE if it has not
 */
export function readStatx(request: RingRequest): Statx {
  const memory = request.opcode === IORING_OP_STATX ? (request.memory as IoBuffer) : null;
  if (memory === null || request.started || memory.bytes.subarray(0, STATX_BYTES).every((byte) => byte === 0)) throw notFilled();
  return decode(memory.bytes);
}

/**
 * As statx(2) of an open file, in the calling thread: a short call, for what fstat does not tell.
 *
 * @returns null where the kernel or the C library does not have it
 */
export function statxSync(fd: number, mask: number = STATX_BASIC_STATS | STATX_BTIME): Statx | null {
  const answer = new Uint8Array(STATX_BYTES);
  return libc().statx?.(fd, '', AT_EMPTY_PATH, mask, answer) === 0 ? decode(answer) : null;
}

function decode({ buffer, byteOffset }: Uint8Array): Statx {
  const view = new DataView(buffer, byteOffset, STATX_BYTES);
  const u32 = (offset: number): number => view.getUint32(offset, true);
  const u64 = (offset: number): number => Number(view.getBigUint64(offset, true));
  const time = (offset: number): number => Number(view.getBigInt64(offset, true)) * 1000 + u32(offset + 8) / 1e6;
  // Offsets of `struct statx`, include/uapi/linux/stat.h.
  return {
    mask: u32(0),
    blockSizeBytes: u32(4),
    links: u32(16),
    uid: u32(20),
    gid: u32(24),
    mode: view.getUint16(28, true),
    inode: u64(32),
    sizeBytes: u64(40),
    allocatedBytes: u64(48) * 512,
    accessedMs: time(64),
    createdMs: time(80),
    changedMs: time(96),
    modifiedMs: time(112),
    directMemoryAlignmentBytes: u32(152),
    directOffsetAlignmentBytes: u32(156),
    atomicWriteMinBytes: u32(168),
    atomicWriteMaxBytes: u32(172),
  };
}

function notFilled(): Error {
  const message = 'The request holds no result of statx: prepare it with prepareStatx, and look at its result first';
  return Object.assign(new Error(message), { code: 'ERR_INVALID_STATE' });
}
