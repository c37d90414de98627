import { AioServicePool, type AioServicePoolOptions, LINK_SOFT, promises } from '@biodone/aio';
import {
  BLOCK_ATOMIC,
  BLOCK_FLUSH,
  BLOCK_NOWAIT,
  BLOCK_READ,
  BLOCK_SYNC,
  BLOCK_WRITE,
  openFile,
  openMem,
} from '@biodone/blockdev';
import { EAGAIN, ECANCELED, EINVAL, ENOTSUP, IoBuffer } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { chain, manualPool } from './support/chains.js';
import { type Folder, makeFolder } from './support/files.js';
import { fill, start } from './support/operations.js';
import { settled } from './support/virtual-timers.js';

vi.setConfig({ testTimeout: 60_000 });

let folder: Folder;
beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());

const ways: [string, AioServicePoolOptions][] = [
  ['inline', { service: 'inline' }],
  ['service threads', { service: 'threads', threads: 1 }],
];

describe.each(ways)('flags of an operation, %s', (_name, options) => {
  it('reach the device, and what it cannot do is ENOTSUP', async () => {
    const device = openMem(65536, { blockSizeBytes: 512 });
    const pool = new AioServicePool(device, options);
    const buffer = IoBuffer.allocate(4096);
    expect(await promises.read(pool, buffer, 0, { flags: BLOCK_NOWAIT })).toBe(4096);
    expect(await promises.write(pool, buffer, 4096, { flags: BLOCK_ATOMIC | BLOCK_NOWAIT | BLOCK_SYNC })).toBe(4096);
    await promises.flush(pool, { flags: BLOCK_SYNC });
    const refused = promises.write(pool, buffer, 512, { flags: BLOCK_ATOMIC });
    await expect(refused).rejects.toMatchObject({ errno: -EINVAL, message: expect.stringContaining('multiple of its length') });
    await expect(promises.flush(pool, { flags: BLOCK_NOWAIT })).rejects.toMatchObject({ errno: -ENOTSUP });
    await pool.close();
    await device.close();
    const file = openFile(folder.numbered('cached', 4));
    const filePool = new AioServicePool(file, options);
    await expect(promises.write(filePool, buffer, 0, { flags: BLOCK_ATOMIC })).rejects.toMatchObject({ errno: -ENOTSUP });
    // It was written a moment ago, and is in the page cache.
    expect(await promises.read(filePool, buffer, 0, { flags: BLOCK_NOWAIT })).toBe(4096);
    await promises.flush(filePool, { flags: BLOCK_SYNC });
    await filePool.close();
    await file.close();
  });
});

describe('an operation that is not to wait', () => {
  it('ends with EAGAIN where the device would, once, and a chain by it', async () => {
    const { pool, log, manual } = manualPool({ nowait: true });
    chain(pool, log, { a: { operation: BLOCK_READ, flags: BLOCK_NOWAIT, link: LINK_SOFT }, b: { operation: BLOCK_WRITE } });
    expect(manual.started.map(({ flags }) => flags)).toEqual([BLOCK_NOWAIT]);
    manual.complete(manual.started[0], EAGAIN, 0);
    await settled();
    expect([log, manual.started]).toEqual([[`a:${EAGAIN}`, `b:${ECANCELED}`], []]);
  });
});

it('a flush of a pool says whether it is to be a full one', () => {
  const { pool, log, manual } = manualPool();
  start(pool, log, 'data', { operation: BLOCK_FLUSH });
  start(pool, log, 'full', { operation: BLOCK_FLUSH, flags: BLOCK_SYNC });
  expect(manual.started.map(({ flags }) => flags)).toEqual([0, BLOCK_SYNC]);
  manual.completeAll();
  pool.submit(fill(pool.allocate(), { operation: BLOCK_FLUSH, flags: BLOCK_SYNC, callback: null }));
  expect(manual.ran.map(({ flags }) => flags)).toEqual([BLOCK_SYNC]);
});
