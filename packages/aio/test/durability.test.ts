import { AioServicePool, LINK_SOFT, promises } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_FUA, BLOCK_WRITE, openFile } from '@biodone/blockdev';
import { ENOTSUP, IoBuffer } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { chain, manualPool } from './support/chains.js';
import { BLOCK_BYTES, makeFolder } from './support/files.js';
import { fill, start } from './support/operations.js';
import { settled } from './support/virtual-timers.js';

const folder = makeFolder();
afterAll(() => folder.remove());
const write = { operation: BLOCK_WRITE } as const;

describe('BLOCK_FUA', () => {
  it('of one operation reaches a device that has it, with that operation alone', () => {
    const { pool, log, manual } = manualPool({ fua: 'native', inFlightMax: 1 });
    start(pool, log, 'plain', write);
    start(pool, log, 'queued', { ...write, flags: BLOCK_FUA });
    chain(pool, log, { a: { ...write, link: LINK_SOFT }, b: { ...write, flags: BLOCK_FUA } });
    const seen: number[] = [];
    while (manual.started.length > 0) {
      seen.push(manual.started[0]?.flags as number);
      manual.complete();
    }
    expect(log).toEqual(['plain', 'queued', 'a', 'b']);
    expect(seen).toEqual([0, BLOCK_FUA, 0, BLOCK_FUA]);
  });

  it('is gone from an operation that was given back', () => {
    const { pool, log, manual } = manualPool({ fua: 'native' });
    const op = start(pool, log, 'a', { ...write, flags: BLOCK_FUA });
    manual.complete();
    expect(start(pool, log, 'b', write)).toBe(op);
    expect(manual.started[0]?.flags).toBe(0);
  });

  it('on a device that has it not completes when a flush behind the write has', () => {
    const { pool, log, manual } = manualPool();
    chain(pool, log, { a: { ...write, flags: BLOCK_FUA, link: LINK_SOFT }, b: write });
    manual.complete();
    expect(manual.started.map(({ operation }) => operation)).toEqual([BLOCK_FLUSH]);
    expect(log).toEqual([]);
    manual.complete();
    expect([log, manual.started.map(({ operation }) => operation)]).toEqual([['a'], [BLOCK_WRITE]]);
  });

  it('on a device that can make nothing stable is refused with ENOTSUP, as it is on a read', async () => {
    const { pool, log } = manualPool({ fua: 'none' });
    start(pool, log, 'write', { ...write, flags: BLOCK_FUA });
    start(pool, log, 'read', { flags: BLOCK_FUA });
    await settled();
    expect(log).toEqual([`write:${ENOTSUP}`, `read:${ENOTSUP}`]);
  });

  it('goes with a synchronous operation too', () => {
    const { pool, manual } = manualPool({ fua: 'native' });
    pool.submit(fill(pool.allocate(), { ...write, flags: BLOCK_FUA, callback: null }));
    expect(manual.ran.map(({ flags }) => flags)).toEqual([BLOCK_FUA]);
  });

  it('writes to a file', async () => {
    const device = openFile(folder.numbered('fua', 4));
    const pool = new AioServicePool(device);
    const buffer = IoBuffer.allocate(BLOCK_BYTES);
    buffer.bytes.fill(9);
    expect(await promises.write(pool, buffer, BLOCK_BYTES, { flags: BLOCK_FUA })).toBe(BLOCK_BYTES);
    buffer.bytes.fill(0);
    expect(await promises.read(pool, buffer, BLOCK_BYTES)).toBe(BLOCK_BYTES);
    expect(buffer.bytes.every((byte) => byte === 9)).toBe(true);
    await pool.close();
    await device.close();
  });
});
