import type { RingRequest } from '../ring-request.js';
import { IORING_OP_NOP } from './abi.js';
import { prepareWithoutFile } from './prepare.js';

/** Does nothing, and completes with 0: for measuring, and to be the last of a chain. Linux 5.1. */
export function prepareNop(request: RingRequest): void {
  prepareWithoutFile(request, IORING_OP_NOP, -1, 0);
}
