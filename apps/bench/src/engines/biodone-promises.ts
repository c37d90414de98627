import { AioServicePool, promises } from '@biodone/aio';
import { openFile } from '@biodone/blockdev';
import type { IoBuffer } from '@biodone/uring';
import type { Slice } from '../stats/slice.js';
import type { Engine, Session, Target } from './engine.js';
import { requireIoUring } from './io-uring.js';

/** biodone with promises, served inline by this thread's io_uring. */
export const biodonePromises: Engine = {
  id: 'biodone_promises',
  synchronous: false,
  label: () => 'biodone io_uring, promises',
  open,
};

async function open({ path, direct }: Target): Promise<Session> {
  requireIoUring();
  // All engines have the file open at a time, and take turns.
  const device = openFile(path, { engine: 'uring', lock: false, direct });
  const pool = new AioServicePool(device);
  return {
    async run(slice: Slice) {
      const slot = slice.workload.direction === 'read' ? readSlot : writeSlot;
      const buffers = slice.buffers.slice(0, slice.workload.depth);
      await Promise.all(buffers.map((buffer, index) => slot(pool, slice, buffer, index)));
    },
    async close() {
      await pool.close();
      await device.close();
    },
  };
}

async function readSlot(pool: AioServicePool, slice: Slice, buffer: IoBuffer, slot: number): Promise<void> {
  let result: number;
  do {
    result = await promises.read(pool, buffer, slice.nextOffset());
  } while (slice.complete(slot, result));
}

async function writeSlot(pool: AioServicePool, slice: Slice, buffer: IoBuffer, slot: number): Promise<void> {
  let result: number;
  do {
    result = await promises.write(pool, buffer, slice.nextOffset());
  } while (slice.complete(slot, result));
}
