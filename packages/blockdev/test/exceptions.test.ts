import { openNull } from '@biodone/blockdev';
import { expect, it } from 'vitest';
import { engines } from './support/available.js';
import { programPath, run } from './support/child.js';
import { makeIo } from './support/requests.js';

it('exceptions of callbacks become uncaughtException, and every other callback is called', async () => {
  const { status, stdout, stderr } = await run(process.execPath, [programPath('throwing-callbacks.mjs')]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  // Calls, exceptions, and what is still in flight.
  const expected = [10, 5, 0];
  const ring = engines.includes('uring') ? { uring: expected, wrapped: expected } : {};
  expect(JSON.parse(stdout)).toEqual({
    null: expected,
    mem: expected,
    fs: expected,
    stripe: expected,
    mirror: expected,
    ...ring,
  });
});

it('an exception inside strategy keeps no callback from a thread that polls', () => {
  const device = openNull(4096);
  const buffer = {
    get isShared(): boolean {
      throw new Error('no buffer');
    },
  };
  expect(() => device.strategy(Object.assign(makeIo(), { buffer }))).toThrow('no buffer');
  const io = makeIo();
  let calls = 0;
  io.iodone = () => {
    calls += 1;
  };
  device.strategy(io);
  expect([device.poll(), calls]).toEqual([1, 1]);
});
