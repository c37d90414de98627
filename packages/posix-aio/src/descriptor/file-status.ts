import { fstatSync } from 'node:fs';
import { IoBuffer, libc } from '@biodone/uring';

// From linux/fcntl.h.
const F_GETFL = 3;
const AT_EMPTY_PATH = 0x1000;
/** STATX_TYPE, STATX_MODE, STATX_INO, STATX_SIZE and STATX_BTIME, from linux/stat.h. */
const MASK = 0x1 | 0x2 | 0x100 | 0x200 | 0x800;

/** Flags of an open file, from asm-generic/fcntl.h; O_DIRECT is another bit on some architectures. */
export const O_APPEND = 0x400;
export const O_NONBLOCK = 0x800;
export const O_DIRECT: number = process.arch === 'arm64' || process.arch === 'arm' ? 0x10000 : 0x4000;

/** The kinds of files, as stat(2) has them in `st_mode`; 0 is that of eventfd(2) and its like. */
const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;

/** What {@link readStatus} has found last, one look at a time: nothing is allocated for it. */
export const status: { kind: number; sizeBytes: number; readonly words: Uint32Array } = {
  kind: 0,
  sizeBytes: 0,
  /** What names a file: inode, device and the time of its making, since file systems use inodes again. */
  words: new Uint32Array(7),
};

/** The open file's flags (fcntl(2), F_GETFL); -1 for what is no open descriptor. */
export function flagsOf(fd: number): number {
  // What is no integer of 32 bits would be made one.
  return (fd | 0) === fd && fd >= 0 ? libc().fcntl(fd, F_GETFL, 0) : -1;
}

/** Looks which file a descriptor is of, into {@link status}. False for what is no open descriptor. */
export function readStatus(fd: number): boolean {
  answer ??= IoBuffer.allocate(256, 8);
  const { bytes } = answer;
  words32 ??= new Uint32Array(bytes.buffer, bytes.byteOffset, 64);
  const { statx } = libc();
  if (statx === null) return readByNode(fd);
  if (statx(fd, '', AT_EMPTY_PATH, MASK, bytes) !== 0) return false;
  const { words } = status;
  // Offsets of `struct statx`, include/uapi/linux/stat.h, in words of 32 bits.
  status.kind = ((bytes[28] as number) | ((bytes[29] as number) << 8)) & S_IFMT;
  status.sizeBytes = (words32[11] as number) * 2 ** 32 + (words32[10] as number);
  words[0] = words32[8] as number;
  words[1] = words32[9] as number;
  words[2] = words32[34] as number;
  words[3] = words32[35] as number;
  words[4] = words32[20] as number;
  words[5] = words32[22] as number;
  words[6] = status.kind;
  return true;
}

let answer: IoBuffer | null = null;
let words32: Uint32Array | null = null;

/** For C libraries without statx(2). */
function readByNode(fd: number): boolean {
  try {
    const { ino, dev, mode, size, birthtimeNs } = fstatSync(fd, { bigint: true });
    status.kind = Number(mode) & S_IFMT;
    status.sizeBytes = Number(size);
    const both = new BigUint64Array([ino, dev, BigInt.asUintN(64, birthtimeNs)]);
    status.words.set(new Uint32Array(both.buffer));
    status.words[6] = status.kind;
    return true;
  } catch {
    return false;
  }
}
