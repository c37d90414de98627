import { constants, openSync } from 'node:fs';
import { IoBuffer, libc } from '@biodone/uring';

// From asm-generic/ioctls.h.
const TIOCGPTN = 0x80045430;
const TIOCSPTLCK = 0x40045431;

/** A pseudo terminal: the end that a program reads lines from, opened with these flags, and the one that stands for its keyboard and its screen. */
export function openTerminal(flags = 0): { program: number; user: number } {
  const user = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
  const argument = IoBuffer.allocate(4, 4);
  const number = new Int32Array(argument.bytes.buffer, argument.bytes.byteOffset, 1);
  if (libc().ioctl(user, TIOCSPTLCK, argument.address) !== 0) throw new Error(`TIOCSPTLCK: errno ${libc().errno()}`);
  if (libc().ioctl(user, TIOCGPTN, argument.address) !== 0) throw new Error(`TIOCGPTN: errno ${libc().errno()}`);
  return { program: openSync(`/dev/pts/${number[0]}`, constants.O_RDWR | constants.O_NOCTTY | flags), user };
}
