import type { AioOp, AioServicePool } from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE } from '@biodone/blockdev';
import type { Slice } from '../stats/slice.js';

/** Runs a slice through a pool with callbacks. One operation for each slot goes round and round. */
export function runCallbacks(pool: AioServicePool, slice: Slice): Promise<void> {
  const { depth, blockBytes, direction } = slice.workload;
  return new Promise((resolve) => {
    let inFlight = depth;
    const callback = (op: AioOp): boolean => {
      if (slice.complete(op.private as number, resultOf(op))) {
        op.offset = slice.nextOffset();
        pool.submit(op);
        return true;
      }
      inFlight -= 1;
      if (inFlight === 0) resolve();
      return false;
    };
    for (let slot = 0; slot < depth; slot++) {
      const op = pool.allocate();
      op.operation = direction === 'read' ? BLOCK_READ : BLOCK_WRITE;
      op.buffer = slice.buffers[slot] ?? null;
      op.bufferOffset = 0;
      op.lengthBytes = blockBytes;
      op.offset = slice.nextOffset();
      op.private = slot;
      op.callback = callback;
      pool.submit(op);
    }
  });
}

/** What became of an operation, as the slice wants it: a count of bytes, or a negative errno. */
export function resultOf(op: AioOp): number {
  return op.error === 0 ? op.transferredBytes : -op.error;
}
