import { AioServicePool, promises } from '@biodone/aio';
import { openFile } from '@biodone/blockdev';
import { probe } from '@biodone/uring';
import type { Engine, Session, Target } from './engine.js';
import { runCallbacks } from './pool-callbacks.js';

/** biodone with callbacks, served by service threads: with io_uring where it is to be had, otherwise with blocking calls. */
export const biodoneThreads: Engine = {
  id: 'biodone_threads',
  synchronous: false,
  label: () => 'biodone service threads',
  open,
};

async function open({ path, buffer, direct }: Target): Promise<Session> {
  // Said outright, since by itself the device would choose the same and warn of it, which the report does as well.
  // All engines have the file open at a time, and take turns.
  const device = openFile(path, { engine: probe().available ? 'uring' : 'fs', lock: false, direct });
  const pool = new AioServicePool(device, { service: 'threads' });
  const session: Session = {
    run: (slice) => runCallbacks(pool, slice),
    async close() {
      await pool.close();
      await device.close();
    },
  };
  try {
    // The answer comes from a thread that has started. The others start beside it.
    await promises.read(pool, buffer, 0);
  } catch (error) {
    await session.close();
    throw error;
  }
  return session;
}
