import { IORING_OP_WRITE } from '../abi.js';
import type { RingRequest } from '../ring-request.js';

/**
 * As pwrite(2), Linux 5.6. Completes with the count of bytes written, which a full file system can make smaller than asked.
 *
 * @param address where the bytes are: memory that stays where it is, and as it is, until the completion
 * @param lengthBytes at most 0x7ffff000, the kernel transfers no more at once
 */
export function prepareWrite(request: RingRequest, fd: number, address: number, lengthBytes: number, offset: number): void {
  request.opcode = IORING_OP_WRITE;
  request.fd = fd;
  request.offset = offset;
  request.address = address;
  request.lengthBytes = lengthBytes;
  request.operationFlags = 0;
}
