import { AioServicePool } from '@biodone/aio';
import { openFile } from '@biodone/blockdev';
import type { Engine, Session, Target } from './engine.js';
import { requireIoUring } from './io-uring.js';
import { runCallbacks } from './pool-callbacks.js';

/** biodone with callbacks, served inline by this thread's io_uring. */
export const biodoneCallbacks: Engine = {
  id: 'biodone_callbacks',
  synchronous: false,
  label: () => 'biodone io_uring, callbacks',
  open,
};

async function open({ path, direct }: Target): Promise<Session> {
  requireIoUring();
  // All engines have the file open at a time, and take turns.
  const device = openFile(path, { engine: 'uring', lock: false, direct });
  const pool = new AioServicePool(device);
  return {
    run: (slice) => runCallbacks(pool, slice),
    async close() {
      await pool.close();
      await device.close();
    },
  };
}
