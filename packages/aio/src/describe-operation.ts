import { type BlockOperation, IO_STARTED } from '@biodone/blockdev';
import type { IoBuffer } from '@biodone/uring';
import { AIO_IDLE, AIO_UNREAPED, AioOp } from './aio-op.js';
import { invalidType } from './errors.js';
import { refuseUse } from './usable.js';

/** Fills in an operation that moves memory. */
export function describeTransfer(
  op: AioOp,
  operation: BlockOperation,
  buffer: IoBuffer,
  offset: number,
  lengthBytes: number,
  bufferOffset: number,
): void {
  if (op?.phase !== AIO_IDLE || op.state === IO_STARTED) refuseUnlessTheCallers(op);
  op.operation = operation;
  op.buffer = buffer;
  op.bufferOffset = bufferOffset;
  op.offset = offset;
  op.lengthBytes = lengthBytes;
}

/** Fills in an operation about a range. */
export function describeRange(op: AioOp, operation: BlockOperation, offset: number, lengthBytes: number): void {
  if (op?.phase !== AIO_IDLE || op.state === IO_STARTED) refuseUnlessTheCallers(op);
  op.operation = operation;
  op.offset = offset;
  op.lengthBytes = lengthBytes;
}

/** What is under way, or somebody else's, is not even touched. */
function refuseUnlessTheCallers(op: AioOp): void {
  if (!(op instanceof AioOp)) throw invalidType('op', 'an AioOp, from allocate() or new AioOp()', op);
  if (op.phase !== AIO_UNREAPED) refuseUse(op);
}
