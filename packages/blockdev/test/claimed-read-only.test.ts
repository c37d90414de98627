import { constants } from 'node:os';
import { BLOCK_WRITE, openMem } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { expect, it } from 'vitest';
import { flush, makeIo, read, start, write } from './support/requests.js';

it('a device that nobody may write is read, and flushed, by all', async () => {
  const device = openMem(4096);
  const claim = device.claim('read-many-write-none');
  expect(await flush(device)).toEqual({ error: 0, transferredBytes: 0 });
  expect((await read(device, IoBuffer.allocate(16), 0)).error).toBe(0);
  expect((await write(device, 'x', 0)).error).toBe(constants.errno.EPERM);
  claim.release();
  expect((await write(device, 'x', 0)).error).toBe(0);
});

it('a claim that is left undefined is none', async () => {
  const device = openMem(4096);
  const claim = device.claim('read-many-write-one');
  const unclaimed = { claim: undefined };
  expect(await start(device, Object.assign(makeIo(), unclaimed))).toMatchObject({ error: 0 });
  const refused = await start(device, Object.assign(makeIo({ operation: BLOCK_WRITE }), unclaimed));
  expect(refused).toMatchObject({ error: constants.errno.EPERM });
  claim.release();
  await device.close();
});
