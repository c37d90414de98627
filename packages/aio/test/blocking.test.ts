import { once } from 'node:events';
import { AioServiceClass, AioServicePool, LINK_HARD, OrderingKey, queueCompletion } from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE } from '@biodone/blockdev';
import { ECANCELED, EDEADLK, EIO, ETIME, ETIMEDOUT } from '@biodone/uring';
import { expect, it } from 'vitest';
import { chain, manualPool } from './support/chains.js';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { VirtualTimers } from './support/virtual-timers.js';

const write = { operation: BLOCK_WRITE, offset: 0, lengthBytes: 512 } as const;
const deadlock = expect.objectContaining({ code: 'EDEADLK', syscall: 'wait' });

/** Runs a synchronous operation that waits for another one, in whose callback something is done while a third waits for both. */
function belowSynchronous(inCallback: (found: ReturnType<typeof make>) => void): ReturnType<typeof make> {
  const found = make();
  found.first.callback = () => {
    found.behind = start(found.pool, found.log, 'behind', { ...write, orderingKey: found.orderingKey });
    found.behind.callback = queueCompletion;
    inCallback(found);
  };
  found.result = found.pool.submit(found.synchronous);
  return found;
}

function make() {
  const { pool, log, manual } = manualPool({ timers: new VirtualTimers() });
  const orderingKey = new OrderingKey();
  const first = start(pool, log, 'first', { ...write, orderingKey });
  const synchronous = fill(pool.allocate(), { ...write, orderingKey, callback: null });
  return { pool, log, manual, orderingKey, first, synchronous, behind: first, result: -1 };
}

it('waiting for what waits for a synchronous operation below on the stack is refused at once', () => {
  const said: unknown[] = [];
  const { synchronous, result, pool, behind } = belowSynchronous(({ pool: inner }) => {
    for (const timeoutMs of [Number.POSITIVE_INFINITY, 1000]) {
      expect(() => inner.waitComplete(timeoutMs)).toThrow(deadlock);
      expect(() => inner.wait(timeoutMs)).toThrow(deadlock);
    }
    said.push(inner.waitComplete(0), inner.wait(0));
  });
  expect([said, result, synchronous.error]).toEqual([['ETIME', 'ETIME'], 0, 0]);
  expect(pool.waitComplete()).toBe(behind);
});

it('cancelling what waits for a synchronous operation below on the stack ends it', () => {
  const said: unknown[] = [];
  const { synchronous, behind } = belowSynchronous(({ pool, behind: op }) => said.push(pool.cancelSync(op)));
  expect([said, behind.error, synchronous.error]).toEqual([['cancelled'], ECANCELED, 0]);
});

it('cancelling the synchronous operation below on the stack says what becomes of it, before its turn and in it', () => {
  for (const inTurn of [false, true]) {
    const said: unknown[] = [];
    const { pool, log, manual } = manualPool();
    const orderingKey = new OrderingKey();
    // Completes first, and the one that has the turn second.
    const other = start(pool, log, 'other', { operation: BLOCK_READ });
    const first = start(pool, log, 'first', { ...write, orderingKey });
    const op = fill(pool.allocate(), { ...write, orderingKey, callback: null });
    (inTurn ? first : other).callback = () => void said.push(pool.cancelSync(op), pool.cancelSync(op), pool.cancel(op));
    pool.submit(op);
    expect([said, op.error, manual.ran, op.submitted]).toEqual([['cancelled', 'cancelled', 'done'], ECANCELED, [], false]);
    manual.completeAll();
    expect(orderingKey.pending).toBe(0);
  }
});

it('a synchronous cancel inside of another one of the same operation leaves that one its answer', () => {
  const { pool, log, manual } = manualPool({ polled: false });
  const other = start(pool, log, 'other', { operation: BLOCK_READ });
  const op = start(pool, log, 'op', { operation: BLOCK_READ });
  const said: unknown[] = [];
  other.callback = () => void said.push(pool.cancelSync(op, 0));
  manual.device.wait = (timeoutMs) => {
    if (timeoutMs === 0) return 'ETIME';
    manual.complete();
    return 1;
  };
  said.push(pool.cancelSync(op));
  expect(said).toEqual(['ETIME', 'done']);
});

it('waiting for a timeout without an end is refused at once', () => {
  const { pool, log } = manualPool();
  start(pool, log, 'endless', { timer: { timeoutMs: Number.POSITIVE_INFINITY } });
  expect(() => pool.waitComplete()).toThrow(deadlock);
  expect(() => pool.wait(1000)).toThrow(deadlock);
});

it('a synchronous operation waits for a timeout that it is behind', () => {
  const timers = new VirtualTimers();
  const { pool, log, manual } = manualPool({ timers });
  const orderingKey = new OrderingKey();
  chain(pool, log, { pause: { timer: { timeoutMs: 10 }, link: LINK_HARD }, a: { ...write, orderingKey } });
  const op = fill(pool.allocate(), { ...write, orderingKey, callback: null });
  pool.submit(op);
  expect([op.error, timers.slept, log]).toEqual([0, 10, [`pause:${ETIME}`, 'a']]);
  expect(manual.ran).toEqual([op]);
});

it('a synchronous operation waits for the deadline of what it is behind', () => {
  const timers = new VirtualTimers();
  const { pool, log } = manualPool({ timers });
  const orderingKey = new OrderingKey();
  chain(pool, log, {
    endless: { timer: { timeoutMs: Number.POSITIVE_INFINITY }, link: LINK_HARD },
    a: { ...write, orderingKey, deadlineMs: 20 },
  });
  const op = fill(pool.allocate(), { ...write, orderingKey, callback: null });
  pool.submit(op);
  expect([op.error, timers.slept, log]).toEqual([0, 20, [`a:${ETIMEDOUT}`]]);
});

it('a synchronous operation ends by its own deadline, if that is before the timeout', () => {
  const timers = new VirtualTimers();
  const { pool, log } = manualPool({ timers });
  const orderingKey = new OrderingKey();
  chain(pool, log, { pause: { timer: { timeoutMs: 10 }, link: LINK_HARD }, a: { ...write, orderingKey } });
  const op = fill(pool.allocate(), { ...write, orderingKey, callback: null, deadlineMs: 4 });
  pool.submit(op);
  expect([op.error, timers.slept, log]).toEqual([ETIMEDOUT, 4, []]);
});

it('a synchronous operation behind a timeout without an end ends with EDEADLK', () => {
  const { pool, log, manual } = manualPool();
  const orderingKey = new OrderingKey();
  chain(pool, log, {
    endless: { timer: { timeoutMs: Number.POSITIVE_INFINITY }, link: LINK_HARD },
    a: { ...write, orderingKey },
  });
  const op = fill(pool.allocate(), { ...write, orderingKey, callback: null });
  pool.submit(op);
  expect([op.error, manual.ran, orderingKey.pending]).toEqual([EDEADLK, [], 1]);
});

it('a wait ends with the timeout of another pool of the file', () => {
  const timers = new VirtualTimers();
  const manual = openManual({ timers });
  const [one, other] = [new AioServicePool(manual.device, { timers }), new AioServicePool(manual.device, { timers })];
  const log: string[] = [];
  chain(other, log, { pause: { timer: { timeoutMs: 10 }, link: LINK_HARD }, a: { ...write, drain: true } });
  const op = start(one, log, 'b', write);
  op.callback = queueCompletion;
  expect(one.waitComplete()).toBe(op);
  expect([timers.slept, log]).toEqual([10, [`pause:${ETIME}`, 'a']]);
});

it('a class that waits for a device sees the timeouts of its other pools', () => {
  const timers = new VirtualTimers();
  const manuals = [openManual({ timers, polled: false }), openManual({ timers, polled: false })];
  const target = new AioServiceClass(
    manuals.map(({ device }) => ({ device })),
    { sameData: true, timers },
  );
  for (const { device } of manuals) {
    device.wait = (timeoutMs) => {
      timers.sleep(timeoutMs);
      return 'ETIME';
    };
  }
  const log: string[] = [];
  start(target, log, 'never', { operation: BLOCK_READ });
  start(target, log, 'timer', { timer: { timeoutMs: 10 } });
  expect(target.pools.map(({ inFlight }) => inFlight)).toEqual([1, 1]);
  expect(target.wait(Number.POSITIVE_INFINITY)).toBe(1);
  expect([timers.slept, log]).toEqual([10, [`timer:${ETIME}`]]);
});

it('a callback that is told of a deadlock, and passes that on, does not end who waits below', async () => {
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const uncaught = once(process, 'uncaughtException');
  const { synchronous, result } = belowSynchronous(({ pool }) => void pool.waitComplete());
  expect([result, synchronous.error]).toEqual([0, 0]);
  expect((await uncaught)[0]).toMatchObject({ code: 'EDEADLK' });
  for (const listener of listeners) process.on('uncaughtException', listener);
});

it('an exception of the driver in a wait surfaces, and ends the synchronous operation that waits with EIO', async () => {
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const uncaught = once(process, 'uncaughtException');
  const { pool, log, manual } = manualPool({ polled: false });
  const orderingKey = new OrderingKey();
  start(pool, log, 'first', { ...write, orderingKey });
  manual.device.wait = () => {
    throw new Error('a bug of the driver');
  };
  const op = fill(pool.allocate(), { ...write, orderingKey, callback: null });
  pool.submit(op);
  expect([op.error, manual.ran, orderingKey.pending]).toEqual([EIO, [], 1]);
  expect((await uncaught)[0]).toMatchObject({ message: 'a bug of the driver' });
  for (const listener of listeners) process.on('uncaughtException', listener);
});

it('a class that waits sees the deadline of an operation that another of its pools has taken', () => {
  const timers = new VirtualTimers();
  const manuals = [0, 1].map(() => openManual({ timers, polled: false, abortable: true }));
  const target = new AioServiceClass(
    manuals.map(({ device }) => ({ device, inFlightMax: 1 })),
    { sameData: true, timers, balance: 'round-robin' },
  );
  for (const { device } of manuals) {
    device.wait = (timeoutMs) => {
      timers.sleep(timeoutMs);
      return 'ETIME';
    };
  }
  const log: string[] = [];
  for (const name of ['a', 'b']) start(target, log, name);
  const op = start(target, log, 'late', { deadlineMs: 10 });
  expect(op.owner).toBe(target.pools[0]);
  manuals[1]?.complete();
  manuals[0]?.complete();
  expect([op.owner, target.pools.map(({ inFlight }) => inFlight)]).toEqual([target.pools[1], [0, 1]]);
  expect(target.wait(Number.POSITIVE_INFINITY)).toBe(1);
  expect([timers.slept, log]).toEqual([10, ['b', 'a', `late:${ETIMEDOUT}`]]);
});
