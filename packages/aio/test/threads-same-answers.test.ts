import { AioServicePool } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, openMem } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { afterAll, describe, expect, it, vi } from 'vitest';

// A thread starts: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const device = openMem(65536);
const inline = new AioServicePool(device);
const threads = new AioServicePool(device, { service: 'threads', threads: 1 });
afterAll(async () => {
  await inline.close();
  await threads.close();
  await device.close();
});

function errorIn(pool: AioServicePool, fields: object): Promise<number> {
  return new Promise((resolve) => {
    const op = pool.allocate();
    op.callback = ({ error }) => resolve(error);
    pool.submit(Object.assign(op, { operation: BLOCK_READ, buffer: IoBuffer.allocate(512), lengthBytes: 512 }, fields));
  });
}

describe('what is no number has the same answer inline and with service threads', () => {
  it.each([
    { offset: '0' },
    { lengthBytes: '512' },
    { bufferOffset: '0' },
    { bufferOffset: '0', operation: BLOCK_WRITE },
    { offset: null },
    { lengthBytes: 512n },
    { lengthBytes: 512n, operation: BLOCK_FLUSH },
    { offset: 'anywhere', operation: BLOCK_FLUSH },
    { operation: '0' },
    { operation: undefined },
    { operation: Number.NaN },
    { operation: 1.5 },
    { operation: -1 },
    { flags: '0' },
  ])('%o', async (fields) => {
    const errors = [await errorIn(inline, fields), await errorIn(threads, fields)];
    expect(errors[1]).toBe(errors[0]);
  });
});
