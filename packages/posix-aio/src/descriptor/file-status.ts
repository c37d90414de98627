import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { IoBuffer, libc } from '@biodone/uring';

// From linux/fcntl.h.
const F_GETFL = 3;
const AT_EMPTY_PATH = 0x1000;
/** STATX_TYPE, STATX_MODE, STATX_NLINK, STATX_INO, STATX_SIZE and STATX_BTIME, from linux/stat.h. */
const MASK = 0x1 | 0x2 | 0x4 | 0x100 | 0x200 | 0x800;
const SEEK_CUR = 1;
/** Device numbers of Documentation/admin-guide/devices.txt: /dev/ptmx, and the screens of virtual consoles. */
const PTMX: readonly number[] = [5, 2];
const SCREENS = 7;

/** Flags of an open file, from asm-generic/fcntl.h; O_DIRECT is another bit on some architectures. */
export const O_APPEND = 0x400;
export const O_NONBLOCK = 0x800;
export const O_DIRECT: number = process.arch === 'arm64' || process.arch === 'arm' ? 0x10000 : 0x4000;

/** The kinds of files, as stat(2) has them in `st_mode`; 0 is that of eventfd(2) and its like. */
const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;

/** What {@link readStatus} has found last, one look at a time: nothing is allocated for it. */
export const status: {
  kind: number;
  links: number;
  sizeBytes: number;
  deviceMajor: number;
  deviceMinor: number;
  readonly words: Uint32Array;
} = {
  kind: 0,
  /** How many names it has. */
  links: 0,
  sizeBytes: 0,
  /** Which device it is, of a device. */
  deviceMajor: 0,
  deviceMinor: 0,
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
  status.links = words32[4] as number;
  status.sizeBytes = (words32[11] as number) * 2 ** 32 + (words32[10] as number);
  status.deviceMajor = words32[32] as number;
  status.deviceMinor = words32[33] as number;
  words[0] = words32[8] as number;
  words[1] = words32[9] as number;
  words[2] = words32[34] as number;
  words[3] = words32[35] as number;
  words[4] = words32[20] as number;
  words[5] = words32[22] as number;
  words[6] = status.kind;
  return true;
}

/**
 * Whether the descriptor of the last look is a terminal, which has an inode of its own. The other end of a pseudo terminal also says that it is
 * one, but all of these have the inode of /dev/ptmx.
 */
export function isTerminal(fd: number): boolean {
  const isOtherEnd = status.deviceMajor === PTMX[0] && status.deviceMinor === PTMX[1];
  return status.kind === S_IFCHR && !isOtherEnd && isatty(fd);
}

/**
 * Whether the character device of the last look has positions. Drivers that ignore lseek(2) say that they do, and are recognized by their
 * being polled, which of those that mean it only the screens of virtual consoles are.
 */
export function hasPositions(fd: number, isPolled: boolean): boolean {
  return (!isPolled || status.deviceMajor === SCREENS) && libc().lseek(fd, 0, SEEK_CUR) >= 0;
}

let answer: IoBuffer | null = null;
let words32: Uint32Array | null = null;

/** For C libraries without statx(2). */
function readByNode(fd: number): boolean {
  try {
    const { ino, dev, rdev, mode, nlink, size, birthtimeNs } = fstatSync(fd, { bigint: true });
    status.kind = Number(mode) & S_IFMT;
    status.links = Number(nlink);
    status.sizeBytes = Number(size);
    // As makedev(3) puts them together.
    status.deviceMajor = Number((rdev >> 8n) & 0xfffn);
    status.deviceMinor = Number((rdev & 0xffn) | ((rdev >> 12n) & 0xfff00n));
    const both = new BigUint64Array([ino, dev, BigInt.asUintN(64, birthtimeNs)]);
    status.words.set(new Uint32Array(both.buffer));
    status.words[6] = status.kind;
    return true;
  } catch {
    return false;
  }
}
