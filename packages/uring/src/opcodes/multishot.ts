import type { RingRequest } from '../ring-request.js';
import { IORING_OP_ACCEPT, IORING_OP_POLL_ADD, IORING_OP_TIMEOUT } from './abi.js';
import { IORING_TIMEOUT_MULTISHOT } from './timeout.js';

export const IORING_POLL_ADD_MULTI: number = 1 << 0;
export const IORING_ACCEPT_MULTISHOT: number = 1 << 0;

/** Whether a request completes many times: each operation says so in a field of its own. */
export function isMultishot({ opcode, ioPriority, lengthBytes, operationFlags }: RingRequest): boolean {
  switch (opcode) {
    case IORING_OP_ACCEPT:
      return (ioPriority & IORING_ACCEPT_MULTISHOT) !== 0;
    case IORING_OP_POLL_ADD:
      return (lengthBytes & IORING_POLL_ADD_MULTI) !== 0;
    case IORING_OP_TIMEOUT:
      return (operationFlags & IORING_TIMEOUT_MULTISHOT) !== 0;
    default:
      return false;
  }
}
