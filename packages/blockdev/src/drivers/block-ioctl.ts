import { IoBuffer, type Libc, libc, SystemError } from '@biodone/uring';

/** Requests of ioctl(2) on block devices, from include/uapi/linux/fs.h. */
const BLKROGET = 0x125e;
const BLKSSZGET = 0x1268;
const BLKPBSZGET = 0x127b;
const BLKROTATIONAL = 0x127e;
const BLKGETSIZE64 = 0x80081272;
export const BLKDISCARD = 0x1277;

let answer: Uint32Array | null = null;
let answerAddress = 0;

/** What the device says to a request: its answer's two words, in a view that the next call fills again. */
function ask(fd: number, path: string, request: number): Uint32Array {
  const { ioctl, errno }: Libc = libc();
  if (answer === null) {
    const { bytes, address } = IoBuffer.allocate(8, 8);
    answer = new Uint32Array(bytes.buffer, bytes.byteOffset, 2);
    answerAddress = address;
  }
  answer.fill(0);
  if (ioctl(fd, request, answerAddress) < 0) throw new SystemError(errno(), 'ioctl', path);
  return answer;
}

function askNumber(fd: number, path: string, request: number): number {
  return ask(fd, path, request)[0] as number;
}

/** How large the device is. @throws SystemError ENODEV, ENXIO if it is gone */
export function deviceSizeBytes(fd: number, path: string): number {
  const [low = 0, high = 0] = ask(fd, path, BLKGETSIZE64);
  return low + high * 2 ** 32;
}

/** The logical sector: what requests to the device itself are multiples of. */
export function logicalSectorBytes(fd: number, path: string): number {
  return askNumber(fd, path, BLKSSZGET);
}

/** The physical sector: what the medium writes at once. */
export function physicalSectorBytes(fd: number, path: string): number {
  return askNumber(fd, path, BLKPBSZGET);
}

/** Whether the device itself refuses writes. */
export function isDeviceReadOnly(fd: number, path: string): boolean {
  return askNumber(fd, path, BLKROGET) !== 0;
}

/** Whether distance costs time on it. The answer is a short integer. */
export function isDeviceRotational(fd: number, path: string): boolean {
  return (askNumber(fd, path, BLKROTATIONAL) & 0xffff) !== 0;
}
