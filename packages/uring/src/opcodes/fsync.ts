import { IORING_FSYNC_DATASYNC, IORING_OP_FSYNC } from '../abi.js';
import type { RingRequest } from '../ring-request.js';

/**
 * As fsync(2), or fdatasync(2) with `dataOnly`. The kernel orders it after no other request of the ring: it covers the writes that
 * were complete when it was submitted.
 */
export function prepareFsync(request: RingRequest, fd: number, dataOnly: boolean): void {
  request.opcode = IORING_OP_FSYNC;
  request.fd = fd;
  request.offset = 0;
  request.address = 0;
  request.lengthBytes = 0;
  request.operationFlags = dataOnly ? IORING_FSYNC_DATASYNC : 0;
}
