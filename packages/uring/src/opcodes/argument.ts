import { IoBuffer } from '../memory.js';
import type { RingRequest } from '../ring-request.js';
import { checkIdle } from './prepare.js';

/** Memory of a request for a small argument, used again if it is large enough. What was in it stays. */
export function argumentOf(request: RingRequest, lengthBytes: number): IoBuffer {
  checkIdle(request);
  const { argument } = request;
  if (argument !== null && argument.lengthBytes >= lengthBytes) return argument;
  const larger = IoBuffer.allocate(lengthBytes, 8);
  request.argument = larger;
  return larger;
}

/**
 * Puts paths into a request's argument, as the C strings that the kernel reads.
 *
 * @returns the address of each
 * @throws TypeError ERR_INVALID_ARG_VALUE for a path with a null byte, which the kernel would not see the end of
 */
export function setPaths(request: RingRequest, ...paths: string[]): number[] {
  const strings = paths.map((path) => {
    if (path.includes('\0')) {
      const message = `The argument 'path' must be a string without null bytes. Received ${JSON.stringify(path)}`;
      throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
    }
    return Buffer.from(`${path}\0`);
  });
  const { bytes, address } = argumentOf(
    request,
    strings.reduce((sum, { length }) => sum + length, 0),
  );
  let used = 0;
  return strings.map((string) => {
    bytes.set(string, used);
    used += string.length;
    return address + used - string.length;
  });
}

/**
 * Puts a time into a request's argument: `struct __kernel_timespec`, seconds and nanoseconds of 64 bits each.
 *
 * @returns its address
 */
export function setTime(request: RingRequest, milliseconds: number): number {
  if (!(milliseconds >= 0 && milliseconds <= Number.MAX_SAFE_INTEGER)) {
    const message = `The value of "timeoutMs" is out of range. It must be a number >= 0 && <= 2 ** 53 - 1. Received ${milliseconds}`;
    throw Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
  }
  const seconds = Math.floor(milliseconds / 1000);
  const { bytes, address } = argumentOf(request, 16);
  const nanoseconds = Math.min(999_999_999, Math.round((milliseconds - seconds * 1000) * 1e6));
  setWord(bytes, 0, seconds);
  setWord(bytes, 4, Math.floor(seconds / 0x1_0000_0000));
  setWord(bytes, 8, nanoseconds);
  setWord(bytes, 12, 0);
  return address;
}

/** Writes the low 32 bits, byte by byte: a view for larger words would be allocated with every request. */
function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
