import { IORING_OP_READ } from '../abi.js';
import type { RingRequest } from '../ring-request.js';

/**
 * As pread(2), Linux 5.6. Completes with the count of bytes read, 0 at the end of the file.
 *
 * @param address where the bytes go: memory that stays where it is until the completion, such as an IoBuffer's
 * @param lengthBytes at most 0x7ffff000, the kernel transfers no more at once
 */
export function prepareRead(request: RingRequest, fd: number, address: number, lengthBytes: number, offset: number): void {
  request.opcode = IORING_OP_READ;
  request.fd = fd;
  request.offset = offset;
  request.address = address;
  request.lengthBytes = lengthBytes;
  request.operationFlags = 0;
}
