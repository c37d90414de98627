import { once } from 'node:events';
import { constants } from 'node:os';
import { AioFile, type AioOp, AioServicePool, LINK_HARD, OrderingKey, PRIORITY_NONCRITICAL } from '@biodone/aio';
import { BLOCK_COMPARE_AND_WRITE, BLOCK_DISCARD, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, openFile } from '@biodone/blockdev';
import { ECANCELED, EDEADLK, EINVAL, EIO, ENOSPC, ETIMEDOUT, IoBuffer } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolder } from './support/files.js';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const { EILSEQ } = constants.errno;
const folder = makeFolder();
afterAll(() => folder.remove());

const flush = { operation: BLOCK_FLUSH, lengthBytes: 0 } as const;
const write = { operation: BLOCK_WRITE } as const;

describe('a flush', () => {
  it('that is submitted alone starts and completes (NB-7)', () => {
    const { device, started, complete } = openManual();
    const pool = new AioServicePool(device);
    const log: string[] = [];
    start(pool, log, 'flush', flush);
    expect(started.map(({ operation }) => operation)).toEqual([BLOCK_FLUSH]);
    complete();
    expect(log).toEqual(['flush']);
  });

  it('covers all that was queued before it, whatever the priorities, and holds nothing back that comes later', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 2, discipline: 'priocscan' });
    const log: string[] = [];
    start(pool, log, 'a', write);
    start(pool, log, 'b', write);
    start(pool, log, 'low', { ...write, priority: PRIORITY_NONCRITICAL });
    start(pool, log, 'flush', { ...flush, priority: 2 });
    for (let count = 0; count < 3; count++) start(pool, log, `later ${count}`, { ...write, priority: 2 });
    while (!log.includes('low')) {
      expect(manual.started.some(({ operation }) => operation === BLOCK_FLUSH)).toBe(false);
      manual.complete();
    }
    manual.completeAll();
    expect(log.indexOf('flush')).toBeGreaterThan(log.indexOf('low'));
    expect(log.indexOf('later 0')).toBeLessThan(log.indexOf('low'));
    expect([...log].sort()).toEqual(['a', 'b', 'flush', 'later 0', 'later 1', 'later 2', 'low']);
  });

  it('goes to a device that has no room before what waits in the queue', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const log: string[] = [];
    start(pool, log, 'before', write);
    start(pool, log, 'flush', flush);
    start(pool, log, 'after', write);
    manual.completeAll();
    expect(log).toEqual(['before', 'flush', 'after']);
  });

  it('that waits for room alone goes before what has waited longer in the queue', () => {
    const { device, started, complete } = openManual();
    const [pool, other] = [new AioServicePool(device, { inFlightMax: 1 }), new AioServicePool(device)];
    const log: string[] = [];
    const covered = start(other, log, 'covered', write);
    start(pool, log, 'flush', flush);
    start(pool, log, 'before', write);
    start(pool, log, 'queued', write);
    // What it covers is over, and there is no room.
    complete(covered);
    complete();
    expect(started.map(({ operation }) => operation)).toEqual([BLOCK_FLUSH]);
    complete();
    complete();
    expect(log).toEqual(['covered', 'before', 'flush', 'queued']);
  });

  it('that a drain holds fails with what has failed before it', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'write', write);
    start(pool, log, 'drain', { ...write, drain: true });
    start(pool, log, 'flush', flush);
    start(pool, log, 'draining flush', { ...flush, drain: true });
    manual.complete(manual.started[0], EIO, 0);
    manual.completeAll();
    expect(log).toEqual([`write:${EIO}`, 'drain', `flush:${EIO}`, `draining flush:${EIO}`]);
  });

  it('that is cancelled while it waits ends so, whatever has failed before', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'a', write);
    start(pool, log, 'b', write);
    const op = start(pool, log, 'flush', flush);
    manual.complete(manual.started[0], EIO, 0);
    expect(pool.cancel(op)).toBe('cancelled');
    await settled();
    manual.completeAll();
    expect(log).toEqual([`a:${EIO}`, `flush:${ECANCELED}`, 'b']);
  });

  it('fails with the error of the first operation that it covers and that failed, in the order of submission', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'a', write);
    start(pool, log, 'b', { ...write, offset: 1 });
    start(pool, log, 'c', { ...write, offset: 2 });
    start(pool, log, 'flush', flush);
    const [a, b, c] = [...manual.started];
    manual.complete(c, EIO, 0);
    manual.complete(b, ENOSPC, 0);
    manual.complete(a);
    // The device is flushed all the same: what was written is stable.
    expect(manual.started.map(({ operation }) => operation)).toEqual([BLOCK_FLUSH]);
    manual.complete();
    expect(log).toEqual([`c:${EIO}`, `b:${ENOSPC}`, 'a', `flush:${ENOSPC}`]);
  });

  it('hears of a failure before it was submitted only while that is under way, and each flush hears of what it covers', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'early', write);
    manual.complete(undefined, EIO, 0);
    start(pool, log, 'a', write);
    start(pool, log, 'first', flush);
    start(pool, log, 'b', write);
    start(pool, log, 'second', flush);
    const [a, b] = [...manual.started];
    manual.complete(b);
    manual.complete(a, EIO, 0);
    expect(manual.started.length).toBe(2);
    manual.completeAll();
    start(pool, log, 'third', flush);
    manual.completeAll();
    expect(log).toEqual([`early:${EIO}`, 'b', `a:${EIO}`, `first:${EIO}`, `second:${EIO}`, 'third']);
  });

  it('does not fail because of a read, a discard, or a comparison that finds a difference', () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'read', { operation: BLOCK_READ });
    start(pool, log, 'discard', { operation: BLOCK_DISCARD });
    start(pool, log, 'flush', flush);
    for (const error of [EIO, ENOSPC]) manual.complete(undefined, error, 0);
    manual.complete();
    expect(log).toEqual([`read:${EIO}`, `discard:${ENOSPC}`, 'flush']);
    const op = fill(pool.allocate(), {
      operation: BLOCK_COMPARE_AND_WRITE,
      callback: ({ error }) => void log.push(`compare:${error}`),
    });
    op.compare = IoBuffer.allocate(512);
    pool.submit(op);
    start(pool, log, 'flush', flush);
    manual.complete(undefined, EILSEQ, 0);
    manual.complete();
    expect(log.slice(3)).toEqual([`compare:${EILSEQ}`, 'flush']);
  });

  // Where a write can be when it ends without having reached the device.
  it.each(['queued', 'held', 'ordered', 'linked', 'aborted before', 'late', 'held, late'] as const)(
    'fails if a write that it covers was not done, wherever that was when it ended: %s',
    async (where) => {
      const timers = new VirtualTimers();
      const manual = openManual({ polled: false, timers });
      const pool = new AioServicePool(manual.device, { inFlightMax: 1, timers });
      const log: string[] = [];
      const orderingKey = where === 'ordered' ? new OrderingKey() : null;
      const isLate = where.endsWith('late');
      start(pool, log, 'busy', { ...write, orderingKey });
      if (where.startsWith('held')) start(pool, log, 'drain', { drain: true });
      const callback = ({ error }: AioOp): void => void log.push(`victim:${error}`);
      const victim = fill(pool.allocate(), { ...write, orderingKey, callback });
      if (isLate) victim.deadlineMs = 5;
      if (where === 'aborted before') victim.signal = AbortSignal.abort();
      const first = fill(pool.allocate(), { callback: () => {}, link: LINK_HARD });
      expect(where === 'linked' ? pool.submitAll([first, victim]) : pool.submit(victim)).toBe(where === 'linked' ? 2 : 0);
      start(pool, log, 'before', flush);
      if (isLate) await timers.advance(5);
      else if (where !== 'aborted before') expect(pool.cancel(victim)).toBe('cancelled');
      // It is not told yet.
      start(pool, log, 'between', flush);
      await settled();
      start(pool, log, 'after', flush);
      while (pool.inFlight > 0) {
        if (manual.started.length > 0) manual.complete();
        await settled();
      }
      const error = isLate ? ETIMEDOUT : ECANCELED;
      expect(log).toContain(`victim:${error}`);
      expect(log).toContain(`before:${error}`);
      if (!isLate) expect(log).toContain(`between:${error}`);
    },
  );

  it('leaves what it covered to the next one when it is cancelled', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'a', write);
    const first = start(pool, log, 'first', flush);
    start(pool, log, 'second', flush);
    expect(pool.cancel(first)).toBe('cancelled');
    pool.poll();
    expect(log).toContain(`first:${ECANCELED}`);
    manual.completeAll();
    expect(log.at(-1)).toBe('second');
  });

  it('covers what other pools of the same device have, and what is queued through every device of one file (NB-9)', () => {
    const one = openManual();
    const other = openManual();
    const file = new AioFile();
    const pools = [new AioServicePool(one.device, { file }), new AioServicePool(other.device, { file })] as const;
    const log: string[] = [];
    start(pools[0], log, 'write', write);
    start(pools[1], log, 'flush', flush);
    expect(other.started).toEqual([]);
    one.complete(undefined, EIO, 0);
    other.complete();
    expect(log).toEqual([`write:${EIO}`, `flush:${EIO}`]);
    const shared = openManual();
    expect(new AioServicePool(shared.device).file).toBe(new AioServicePool(shared.device).file);
  });

  it('that is synchronous reports a write that has ended and is not told yet', () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    start(pool, [], 'aborted before', { ...write, signal: AbortSignal.abort() });
    const op = fill(pool.allocate(), { ...flush, callback: null });
    pool.submit(op);
    expect(op.error).toBe(ECANCELED);
  });

  it('that is synchronous waits for what it covers, and fails with its error', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'a', write);
    start(pool, log, 'b', write);
    const op = fill(pool.allocate(), { ...flush, callback: null });
    expect(pool.submit(op)).toBe(0);
    expect([op.error, log, manual.ran]).toEqual([0, ['a', 'b'], [op]]);
    const failing = openManual({ polled: false });
    const second = new AioServicePool(failing.device, { file: pool.file });
    const bad = start(second, log, 'bad', write);
    const helper = start(pool, log, 'helper', write);
    helper.callback = () => failing.complete(bad, EIO, 0);
    pool.submit(op);
    expect(op.error).toBe(EIO);
  });
});

describe('operations with an ordering key', () => {
  it('run one after the other, in the order of their submission, and others beside them', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const orderingKey = new OrderingKey();
    for (const name of ['a', 'b', 'c']) start(pool, log, name, { ...write, orderingKey });
    start(pool, log, 'x', write);
    expect(manual.started.length).toBe(2);
    expect(orderingKey.pending).toBe(3);
    manual.complete(manual.started[1]);
    manual.completeAll();
    expect(log).toEqual(['x', 'a', 'b', 'c']);
    expect(orderingKey.pending).toBe(0);
  });

  it('do not pass by what is in the queue when their turn comes', () => {
    const { device, complete } = openManual();
    const pool = new AioServicePool(device, { inFlightMax: 1 });
    const orderingKey = new OrderingKey();
    const log: string[] = [];
    start(pool, log, 'a', { orderingKey });
    start(pool, log, 'waiting');
    start(pool, log, 'b', { orderingKey });
    for (let left = 3; left > 0; left--) complete();
    expect(log).toEqual(['a', 'waiting', 'b']);
  });

  it('are appended: each write goes where the one before it has ended, short or not', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const orderingKey = new OrderingKey({ appendOffset: 1000 });
    const offsets: number[] = [];
    for (const lengthBytes of [100, 50, 10]) start(pool, [], 'append', { ...write, orderingKey, lengthBytes });
    for (const bytes of [100, 20, 10]) {
      offsets.push(manual.started[0]?.offset ?? -1);
      manual.complete(manual.started[0], 0, bytes);
    }
    expect(offsets).toEqual([1000, 1100, 1120]);
    const op = fill(pool.allocate(), { ...write, orderingKey, lengthBytes: 7, callback: null });
    pool.submit(op);
    expect([op.offset, orderingKey.appendOffset]).toEqual([1130, 1137]);
  });

  it('are of one pool while any are under way: another one refuses them, and takes the next when all are done', () => {
    const manual = openManual({ polled: false });
    const [one, other] = [new AioServicePool(manual.device), new AioServicePool(openManual().device)];
    const orderingKey = new OrderingKey();
    start(one, [], 'a', { orderingKey });
    const op = fill(other.allocate(), { orderingKey, callback: () => {} });
    const refused = expect.objectContaining({ code: 'EINVAL', message: expect.stringContaining('ordering key') });
    expect(() => other.submit(op)).toThrow(refused);
    const verdicts: number[] = [];
    const second = fill(other.allocate(), { callback: () => {} });
    expect([other.submitAll([op, second], verdicts), verdicts]).toEqual([1, [EINVAL, 0]]);
    op.callback = null;
    expect(() => other.submit(op)).toThrow(refused);
    expect([op.submitted, orderingKey.pending]).toEqual([false, 1]);
    manual.complete();
    op.callback = () => {};
    expect([other.submit(op), orderingKey.pending]).toEqual([0, 1]);
    expect(() => start(one, [], 'b', { orderingKey })).toThrow(refused);
  });

  it('are not lost when they come while the last one is finishing (NB-1)', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const orderingKey = new OrderingKey();
    const op = start(pool, log, 'first', { ...write, orderingKey });
    op.callback = () => void start(pool, log, 'within the callback', { ...write, orderingKey });
    manual.complete();
    start(pool, log, 'right after', { ...write, orderingKey });
    manual.completeAll();
    expect(log).toEqual(['within the callback', 'right after']);
  });

  it('go on when one of them fails or is cancelled', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const orderingKey = new OrderingKey();
    start(pool, log, 'a', { ...write, orderingKey });
    const b = start(pool, log, 'b', { ...write, orderingKey });
    start(pool, log, 'c', { ...write, orderingKey });
    expect(pool.cancel(b)).toBe('cancelled');
    manual.complete(undefined, EIO, 0);
    manual.completeAll();
    pool.poll();
    expect(log).toEqual([`a:${EIO}`, 'c', `b:${ECANCELED}`]);
  });

  it('that are synchronous wait for their turn', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const orderingKey = new OrderingKey();
    start(pool, log, 'a', { ...write, orderingKey });
    start(pool, log, 'b', { ...write, orderingKey });
    const op = fill(pool.allocate(), { ...write, orderingKey, callback: null });
    pool.submit(op);
    expect([log, op.error, op.transferredBytes]).toEqual([['a', 'b'], 0, 512]);
    expect(orderingKey.pending).toBe(0);
  });

  it('that are synchronous do not take a callback’s exception for their own', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const orderingKey = new OrderingKey();
    const first = start(pool, [], 'a', { ...write, orderingKey });
    first.callback = () => {
      throw new Error('not yours');
    };
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const uncaught = once(process, 'uncaughtException');
    const op = fill(pool.allocate(), { ...write, orderingKey, callback: null });
    pool.submit(op);
    expect([op.error, op.transferredBytes]).toEqual([0, 512]);
    expect((await uncaught)[0]).toMatchObject({ message: 'not yours' });
    for (const listener of listeners) process.on('uncaughtException', listener);
  });

  it('that are synchronous end with EDEADLK if they wait for one that waits for them', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const orderingKey = new OrderingKey();
    const inner = fill(pool.allocate(), { ...write, orderingKey, callback: null });
    const first = start(pool, [], 'first', { ...write, orderingKey });
    first.callback = () => {
      // Behind the outer one, which waits below this callback, and with others that wait behind it.
      start(pool, [], 'behind', { ...write, orderingKey });
      pool.submit(inner);
    };
    const busy = start(pool, [], 'busy', { operation: BLOCK_READ });
    busy.callback = () => {};
    const outer = fill(pool.allocate(), { ...write, orderingKey, callback: null });
    const second = start(pool, [], 'second', { ...write, orderingKey });
    expect(second.submitted).toBe(true);
    pool.submit(outer);
    expect([inner.error, outer.error]).toEqual([EDEADLK, 0]);
    manual.completeAll();
    expect([orderingKey.pending, pool.inFlight]).toEqual([0, 0]);
  });

  it('that are synchronous end with EDEADLK where only the event loop moves on what is before them', async () => {
    const device = openFile(folder.numbered('loop', 1), { engine: 'fs' });
    const pool = new AioServicePool(device, { service: 'inline' });
    const orderingKey = new OrderingKey();
    start(pool, [], 'a', { orderingKey });
    const op = fill(pool.allocate(), { orderingKey, callback: null });
    pool.submit(op);
    expect([op.error, orderingKey.pending]).toEqual([EDEADLK, 1]);
    await pool.close();
    pool.release(op);
    await device.close();
  });

  it('that are synchronous sleep until what is before them is done, in whatever pool that is', () => {
    const timers = new VirtualTimers();
    const waits: number[] = [];
    const manual = openManual({ timers });
    const { wait } = manual.device;
    manual.device.wait = (timeoutMs) => {
      waits.push(timeoutMs);
      return wait.call(manual.device, timeoutMs);
    };
    const [one, other] = [new AioServicePool(manual.device, { timers }), new AioServicePool(manual.device, { timers })];
    const log: string[] = [];
    start(other, log, 'before', { ...write, drain: true });
    start(one, log, 'held', write);
    const op = fill(one.allocate(), { ...write, callback: null });
    manual.device.poll = () => 0;
    one.submit(op);
    expect([op.error, log]).toEqual([0, ['before']]);
    expect(waits).toEqual([Number.POSITIVE_INFINITY]);
  });

  it('that are synchronous end by their deadline where their turn cannot come', () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    const orderingKey = new OrderingKey();
    start(pool, [], 'never', { ...write, orderingKey });
    const op = fill(pool.allocate(), { ...write, orderingKey, callback: null, deadlineMs: 5 });
    pool.submit(op);
    expect([op.error, orderingKey.pending]).toEqual([ETIMEDOUT, 1]);
    expect(manual.ran).toEqual([]);
  });
});

describe('a drain', () => {
  it('waits for all before it, and holds all after it', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'a', write);
    start(pool, log, 'b', { operation: BLOCK_READ });
    start(pool, log, 'drain', { ...write, drain: true });
    start(pool, log, 'c', write);
    start(pool, log, 'flush', flush);
    expect(manual.started.length).toBe(2);
    manual.complete();
    manual.complete();
    expect(manual.started.length).toBe(1);
    manual.complete();
    expect(log).toEqual(['a', 'b', 'drain']);
    manual.completeAll();
    expect(log).toEqual(['a', 'b', 'drain', 'c', 'flush']);
    start(pool, log, 'd', write);
    expect(manual.started.length).toBe(1);
  });

  it('that is cancelled holds nothing any more', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'a', write);
    const drain = start(pool, log, 'drain', { ...write, drain: true });
    start(pool, log, 'b', write);
    expect(pool.cancel(drain)).toBe('cancelled');
    expect(manual.started.length).toBe(2);
    manual.completeAll();
    pool.poll();
    expect(log).toEqual(['a', 'b', `drain:${ECANCELED}`]);
  });

  it('of a pool holds the other pools of the file, and they can wait for it', () => {
    const manual = openManual();
    const pools = [new AioServicePool(manual.device), new AioServicePool(manual.device)] as const;
    const log: string[] = [];
    start(pools[0], log, 'a', write);
    start(pools[0], log, 'drain', { ...write, drain: true });
    start(pools[1], log, 'b', write);
    expect(manual.started.length).toBe(1);
    while (pools[1].inFlight > 0) pools[1].wait(1000);
    expect(log).toEqual(['a', 'drain', 'b']);
  });

  it('holds synchronous operations too', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'a', write);
    start(pool, log, 'drain', { ...write, drain: true });
    const op = fill(pool.allocate(), { callback: null });
    pool.submit(op);
    expect(log).toEqual(['a', 'drain']);
  });
});

it('positional operations run in parallel, and may complete in any order', () => {
  const manual = openManual();
  const pool = new AioServicePool(manual.device);
  const log: string[] = [];
  const ops: AioOp[] = ['a', 'b', 'c'].map((name, offset) => start(pool, log, name, { ...write, offset }));
  expect(manual.started.length).toBe(3);
  manual.complete(ops[2]);
  manual.complete(ops[0]);
  manual.complete(ops[1]);
  expect(log).toEqual(['c', 'a', 'b']);
});
