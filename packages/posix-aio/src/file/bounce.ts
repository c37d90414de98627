import { IoBuffer } from '@biodone/uring';

/**
 * Transfers of an AioFile that are longer than this are not copied, but done by FileHandle: from about here on its threads, which copy into the
 * caller's memory in parallel, take less time (bench/from-fs.mjs).
 */
export const BOUNCE_MAX_BYTES: number = 2 ** 15;
/** The same of a file that FileHandle is worse for at any length: one past the page cache (O_DIRECT), or without positions. */
export const LONG_BOUNCE_MAX_BYTES: number = 2 ** 20;
const BOUNCE_MIN_BYTES = 4096;
/** Larger memory is as long as it must be, and is not kept. */
const KEPT_MAX_BYTES = 2 ** 20;
/** How many free bytes of each size are kept. */
const KEPT_BYTES_PER_SIZE = 2 ** 22;

/** Free memory, by the logarithm of its size. */
const kept: IoBuffer[][] = Array.from({ length: 21 }, () => []);

/**
 * Memory to copy through, at least so long, fit for O_DIRECT. What is in it is of an earlier transfer.
 *
 * @throws RangeError if there is no memory
 */
export function takeBounce(lengthBytes: number): IoBuffer {
  if (lengthBytes > KEPT_MAX_BYTES) return IoBuffer.allocate(lengthBytes);
  const size = sizeOf(lengthBytes);
  return kept[size]?.pop() ?? IoBuffer.allocate(2 ** size);
}

export function giveBounce(buffer: IoBuffer): void {
  if (buffer.lengthBytes > KEPT_MAX_BYTES) return;
  const list = kept[sizeOf(buffer.lengthBytes)] as IoBuffer[];
  if (list.length * buffer.lengthBytes < KEPT_BYTES_PER_SIZE) list.push(buffer);
}

/** The logarithm of the smallest power of two that is not smaller. */
function sizeOf(lengthBytes: number): number {
  return lengthBytes <= BOUNCE_MIN_BYTES ? 12 : 32 - Math.clz32(lengthBytes - 1);
}
