import { inspect } from 'node:util';
import { checkPart, type IoBuffer } from '../memory.js';
import { aim, type FileTarget } from '../ring-file.js';
import type { RingRequest } from '../ring-request.js';

/** What all prepare functions share: they set every field of a request. */

/** An operation on a file, with none of its arguments. */
export function prepareOnFile(request: RingRequest, opcode: number, target: FileTarget, operationFlags: number): void {
  checkIdle(request);
  aim(request, target);
  clear(request, opcode, operationFlags);
}

/** An operation on no file. `fd` is -1, or what the operation keeps in its place. */
export function prepareWithoutFile(request: RingRequest, opcode: number, fd: number, operationFlags: number): void {
  checkIdle(request);
  aim(request, fd);
  clear(request, opcode, operationFlags);
}

/** A transfer between a file and a part of a buffer, which the request holds. */
export function prepareTransfer(
  request: RingRequest,
  opcode: number,
  target: FileTarget,
  memory: IoBuffer,
  memoryOffset: number,
  lengthBytes: number,
  offset: number,
  operationFlags: number,
): void {
  checkIdle(request);
  checkPart(memory, memoryOffset, lengthBytes);
  checkOffset(offset);
  aim(request, target);
  clearRare(request, opcode, operationFlags);
  request.offset = offset;
  request.address = memory.address + memoryOffset;
  request.lengthBytes = lengthBytes;
  request.memory = memory;
}

/** Refuses a request that is under way: it would let go of the memory and the file that the kernel works on. */
export function checkIdle(request: RingRequest): void {
  if (request.started) throw underWay();
}

/** What a request that is under way is refused with. */
export function underWay(): Error {
  const message = 'The request is under way: it can be prepared and started again when it has completed';
  return Object.assign(new Error(message), { code: 'ERR_INVALID_STATE' });
}

/** An offset in a file, or -1 for the file's own position. Beyond 2^53 numbers are not exact. */
export function checkOffset(offset: number): void {
  if (Number.isSafeInteger(offset) && offset >= -1) return;
  throw outOfRange('offset', 'an integer >= -1 && <= 2 ** 53 - 1', offset);
}

/** A length in a file, which may be larger than any buffer. */
export function checkRange(offset: number, lengthBytes: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) throw outOfRange('offset', 'an integer >= 0 && <= 2 ** 53 - 1', offset);
  if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 0) {
    throw outOfRange('lengthBytes', 'an integer >= 0 && <= 2 ** 53 - 1', lengthBytes);
  }
}

/** Whether a number fits into an unsigned word of 32 bits. */
export function checkWord(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw outOfRange(name, 'an integer >= 0 && <= 4294967295', value);
  }
}

export function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value)}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

function clear(request: RingRequest, opcode: number, operationFlags: number): void {
  clearRare(request, opcode, operationFlags);
  request.offset = 0;
  request.address = 0;
  request.lengthBytes = 0;
  request.memory = null;
}

/** Sets all but what a transfer sets itself: it is made too often to set anything twice. */
function clearRare(request: RingRequest, opcode: number, operationFlags: number): void {
  request.opcode = opcode;
  request.ioPriority = 0;
  request.operationFlags = operationFlags;
  request.bufferIndex = 0;
  request.fixedBuffer = null;
  request.fileIndex = 0;
  request.address3 = 0;
  request.target = null;
}
