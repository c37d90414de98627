import { IORING_OP_NOP } from '../abi.js';
import type { RingRequest } from '../ring-request.js';

/** Does nothing, and completes with 0. */
export function prepareNop(request: RingRequest): void {
  request.opcode = IORING_OP_NOP;
  request.fd = -1;
  request.offset = 0;
  request.address = 0;
  request.lengthBytes = 0;
  request.operationFlags = 0;
}
