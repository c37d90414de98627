import type { FixedBuffer } from '../buffer-table.js';
import type { IoVector } from '../io-vector.js';
import type { IoBuffer } from '../memory.js';
import type { FileTarget } from '../ring-file.js';
import type { RingRequest } from '../ring-request.js';
import { IORING_OP_READ, IORING_OP_READ_FIXED, IORING_OP_READV, IORING_OP_READV_FIXED } from './abi.js';
import { checkOffset, prepareOnFile, prepareTransfer } from './prepare.js';

/**
 * As pread(2) and preadv2(2), Linux 5.6. Completes with the count of bytes read, which may be less than asked for; 0 at the end of the file.
 * Fails with EBADF, EINVAL (an O_DIRECT file's alignment), EIO, EISDIR; with RWF_NOWAIT with EAGAIN.
 *
 * @param memory where the bytes go, from `memoryOffset` on; it is held until the completion
 * @param lengthBytes at most 2^31 - 1; the kernel moves `TRANSFER_MAX_BYTES` at once
 * @param offset in bytes from the beginning of the file; -1 reads from the file's own position, and moves it
 * @param rwFlags RWF_ flags
 * @throws RangeError ERR_OUT_OF_RANGE if the part is not within the memory
 */
export function prepareRead(
  request: RingRequest,
  file: FileTarget,
  memory: IoBuffer,
  memoryOffset: number,
  lengthBytes: number,
  offset: number,
  rwFlags = 0,
): void {
  prepareTransfer(request, IORING_OP_READ, file, memory, memoryOffset, lengthBytes, offset, rwFlags);
}

/**
 * As {@link prepareRead}, into a registered buffer, which the kernel need not look up and pin: Linux 5.1. Fails with EFAULT if the buffer
 * has left the table.
 */
export function prepareReadFixed(
  request: RingRequest,
  file: FileTarget,
  buffer: FixedBuffer,
  memoryOffset: number,
  lengthBytes: number,
  offset: number,
  rwFlags = 0,
): void {
  prepareTransfer(request, IORING_OP_READ_FIXED, file, buffer.memory, memoryOffset, lengthBytes, offset, rwFlags);
  // An index that no table has, if the place has been given up.
  request.bufferIndex = buffer.index & 0xffff;
  request.fixedBuffer = buffer;
}

/**
 * As preadv2(2), Linux 5.1: reads into the parts of a vector, one after the other. Otherwise as {@link prepareRead}.
 *
 * @throws RangeError ERR_OUT_OF_RANGE if trusted memory has been transferred away since the vector was made
 */
export function prepareReadv(request: RingRequest, file: FileTarget, vector: IoVector, offset: number, rwFlags = 0): void {
  checkOffset(offset);
  vector.check();
  prepareOnFile(request, IORING_OP_READV, file, rwFlags);
  request.offset = offset;
  request.address = vector.address;
  request.lengthBytes = vector.count;
  request.memory = vector;
}

/**
 * As {@link prepareReadv}, into parts of one registered buffer, which the kernel need not look up and pin: Linux 6.15. Fails with
 * EINVAL on an older kernel, and with EFAULT for a part without bytes or if the buffer has left the table.
 *
 * @param vector whose parts all lie in the memory of `buffer`; the request holds both
 * @throws RangeError ERR_OUT_OF_RANGE for a part that is not in that memory, and names it; also if trusted memory has been transferred
 * away since the vector was made
 */
export function prepareReadvFixed(
  request: RingRequest,
  file: FileTarget,
  buffer: FixedBuffer,
  vector: IoVector,
  offset: number,
  rwFlags = 0,
): void {
  vector.checkWithin(buffer.memory);
  prepareReadv(request, file, vector, offset, rwFlags);
  request.opcode = IORING_OP_READV_FIXED;
  // An index that no table has, if the place has been given up.
  request.bufferIndex = buffer.index & 0xffff;
  request.fixedBuffer = buffer;
}
