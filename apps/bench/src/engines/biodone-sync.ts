import { AioServicePool } from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE, openFile } from '@biodone/blockdev';
import type { Slice } from '../stats/slice.js';
import type { Engine, Session, Target } from './engine.js';
import { resultOf } from './pool-callbacks.js';

/** biodone with a null callback: the calling thread does the I/O. It needs no io_uring, so it asks for none. */
export const biodoneSync: Engine = {
  id: 'biodone_sync',
  synchronous: true,
  label: () => 'biodone synchronous',
  open,
};

async function open({ path, direct }: Target): Promise<Session> {
  // All engines have the file open at a time, and take turns.
  const device = openFile(path, { engine: 'fs', lock: false, direct });
  const pool = new AioServicePool(device, { service: 'inline' });
  const op = pool.allocate();
  op.callback = null;
  return {
    run(slice: Slice): void {
      const { blockBytes, direction } = slice.workload;
      op.operation = direction === 'read' ? BLOCK_READ : BLOCK_WRITE;
      op.buffer = slice.buffers[0] ?? null;
      op.bufferOffset = 0;
      op.lengthBytes = blockBytes;
      do {
        op.offset = slice.nextOffset();
        pool.submit(op);
      } while (slice.complete(0, resultOf(op)));
    },
    async close() {
      await pool.close();
      await device.close();
    },
  };
}
