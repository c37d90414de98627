import { getEventListeners } from 'node:events';
import { AioServicePool, OrderingKey, promises } from '@biodone/aio';
import { ECANCELED, IoBuffer } from '@biodone/uring';
import { expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { fill } from './support/operations.js';
import { settled } from './support/virtual-timers.js';

const buffer = IoBuffer.allocate(512);

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

it('a signal has one listener for all operations of a pool, and none when they are over', async () => {
  const { signal } = new AbortController();
  const manual = openManual();
  const pool = new AioServicePool(manual.device);
  for (let count = 0; count < 20; count++) void promises.read(pool, buffer, 0, { signal });
  expect(listeners(signal)).toBe(1);
  manual.complete();
  await settled();
  expect(listeners(signal)).toBe(1);
  manual.completeAll();
  await settled();
  expect(listeners(signal)).toBe(0);
});

it.each([
  ['while it waits for its turn', 3],
  ['when its turn has come', 2],
])('a signal that a callback aborts in which a synchronous operation waits ends that, %s', (_when, others) => {
  const abort = new AbortController();
  const manual = openManual();
  const pool = new AioServicePool(manual.device);
  const orderingKey = new OrderingKey();
  for (let count = 1; count < others; count++) {
    pool.submit(fill(pool.allocate(), { orderingKey, callback: count === 1 ? () => abort.abort() : () => {} }));
  }
  const op = fill(pool.allocate(), { orderingKey, callback: null, signal: abort.signal });
  expect([pool.submit(op), op.error, op.transferredBytes, manual.ran.length]).toEqual([0, ECANCELED, 0, 0]);
  expect([listeners(abort.signal), orderingKey.pending]).toEqual([0, others - 2]);
  manual.completeAll();
  expect([pool.inFlight, orderingKey.pending]).toEqual([0, 0]);
});

it('a signal that is used again after that ends operations', async () => {
  const abort = new AbortController();
  const { signal } = abort;
  const manual = openManual({ abortable: true });
  const pool = new AioServicePool(manual.device);
  void promises.read(pool, buffer, 0, { signal });
  manual.completeAll();
  await settled();
  const ended = promises.read(pool, buffer, 0, { signal }).catch((error: { code: string }) => error.code);
  abort.abort();
  expect(await ended).toBe('ABORT_ERR');
  expect(listeners(signal)).toBe(0);
});
