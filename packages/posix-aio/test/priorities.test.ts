import { AioServicePool } from '@biodone/aio';
import { aio_return, aio_write, type aiocb } from '@biodone/posix-aio';
import { expect, test } from 'vitest';
import { openManual } from './support/manual-device.js';
import { blockOf } from './support/pipe.js';

test('A5: what aio_reqprio lowers goes behind what it does not, where requests wait', () => {
  const { device, started, complete } = openManual();
  // The device works on one at a time, so the others wait in the pool.
  const pool = new AioServicePool(device, { inFlightMax: 1, discipline: 'priocscan' });
  const of = (offset: number, aio_reqprio: number): aiocb => blockOf(pool, Buffer.alloc(8), { aio_offset: offset, aio_reqprio });
  const list = [of(0, 0), of(100, 20), of(200, 1), of(300, 0), of(400, 0)];
  for (const cb of list) aio_write(cb);
  const order: number[] = [];
  while (started.length > 0) {
    order.push(started[0]?.offset as number);
    complete();
  }
  expect(order).toEqual([0, 300, 400, 100, 200]);
  expect(list.map(aio_return)).toEqual([8, 8, 8, 8, 8]);
});
