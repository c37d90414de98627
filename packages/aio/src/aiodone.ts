import type { BlockIo } from '@biodone/blockdev';
import type { AioOp, AioOpOwner } from './aio-op.js';

/** The `iodone` of all operations that pools have, so that submitting makes no closure: it passes them back to their pools. */
export function aiodone(io: BlockIo): void {
  const op = io as AioOp;
  (op.owner as AioOpOwner).finish(op);
}
