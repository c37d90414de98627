import type { BlockOperation } from '@biodone/blockdev';
import type { IoBuffer } from '@biodone/uring';
import type { AioOp } from './aio-op.js';

/** Fills in an operation that moves memory. */
export function describeTransfer(
  op: AioOp,
  operation: BlockOperation,
  buffer: IoBuffer,
  offset: number,
  lengthBytes: number,
  bufferOffset: number,
): void {
  op.operation = operation;
  op.buffer = buffer;
  op.bufferOffset = bufferOffset;
  op.offset = offset;
  op.lengthBytes = lengthBytes;
}

/** Fills in an operation about a range. */
export function describeRange(op: AioOp, operation: BlockOperation, offset: number, lengthBytes: number): void {
  op.operation = operation;
  op.offset = offset;
  op.lengthBytes = lengthBytes;
}
