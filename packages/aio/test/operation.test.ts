import {
  AioOp,
  AioServicePool,
  OrderingKey,
  PRIORITY_NONCRITICAL,
  PRIORITY_TIMECRITICAL,
  PRIORITY_TIMELIMITED,
  promises,
  queueCompletion,
} from '@biodone/aio';
import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  ExtentList,
  openMem,
  openNull,
} from '@biodone/blockdev';
import { ECANCELED, IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { settled } from './support/virtual-timers.js';

describe('an operation of one’s own', () => {
  it('can be submitted to any pool, to one at a time, and stays its owner’s', async () => {
    const one = openManual();
    const other = openManual();
    const pools = [new AioServicePool(one.device), new AioServicePool(other.device)] as const;
    const op = fill(new AioOp());
    const first = op.id;
    let calls = 0;
    op.callback = () => {
      calls += 1;
    };
    pools[0].submit(op);
    expect([op.submitted, op.id]).toEqual([true, first]);
    expect(() => pools[1].submit(op)).toThrow(expect.objectContaining({ code: 'EALREADY' }));
    one.complete();
    pools[1].submit(op);
    const { id } = op;
    expect([pools[1].find(id), pools[1].find(first)]).toEqual([op, null]);
    expect(pools[1].dump()).toMatchObject([{ id, phase: 'started' }]);
    expect(pools[0].dump()).toEqual([]);
    other.complete();
    expect([calls, op.id, op.submitted]).toEqual([2, id, false]);
    expect(() => pools[1].release(op)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(pools[1].allocate()).not.toBe(op);
  });

  it('has an id that no other has', () => {
    const pool = new AioServicePool(openNull());
    const ids = [new AioOp(), new AioOp(), pool.allocate(), pool.allocate()].map(({ id }) => id);
    expect(new Set(ids).size).toBe(4);
    expect(ids.every(Number.isSafeInteger)).toBe(true);
  });

  it('is found, dumped and cancelled however many others were made since', { timeout: 30_000 }, async () => {
    const pool = new AioServicePool(openManual({ polled: false }).device, { inFlightMax: 1 });
    start(pool, [], 'busy');
    const errors: number[] = [];
    const callback = ({ error }: AioOp): void => void errors.push(error);
    const old = fill(new AioOp(), { callback });
    pool.submit(old);
    for (let count = 1; count < 2 ** 20; count++) new AioOp();
    const young = fill(new AioOp(), { callback });
    expect(young.number).toBe(old.number);
    pool.submit(young);
    expect(pool.dump().map(({ id }) => id)).toEqual(expect.arrayContaining([old.id, young.id]));
    expect([pool.find(old.id), pool.find(young.id), young.id === old.id]).toEqual([old, young, false]);
    expect(pool.cancel(old.id)).toBe('cancelled');
    expect(pool.cancelAll()).toMatchObject({ cancelled: 1 });
    await settled();
    expect(errors).toEqual([ECANCELED, ECANCELED]);
  });

  it('is forgotten by its pools when nobody holds it', async () => {
    const pool = new AioServicePool(openNull());
    for (let count = 0; count < 2000; count++) {
      const op = fill(new AioOp(), { callback: () => {} });
      pool.submit(op);
      pool.poll();
    }
    expect(pool.stats().completed).toBe(2000);
    expect(pool.dump()).toEqual([]);
  });
});

describe('an operation of the pool', () => {
  it('comes as new, whatever its last user has set', async () => {
    const pool = new AioServicePool(openManual().device);
    const op = fill(pool.allocate(), {
      flags: BLOCK_FUA,
      priority: PRIORITY_TIMECRITICAL,
      orderingKey: new OrderingKey(),
      drain: true,
      deadlineMs: 5,
      signal: new AbortController().signal,
      private: {},
    });
    Object.assign(op, { operation: BLOCK_WRITE, offset: 8192, lengthBytes: 4096, bufferOffset: 100, compareOffset: 7 });
    op.extents = new ExtentList();
    op.compare = op.buffer;
    op.callback = () => {};
    expect([op.drain, op.deadlineMs, op.orderingKey?.pending]).toEqual([true, 5, 0]);
    pool.release(op);
    const next = pool.allocate();
    expect(next).toBe(op);
    const { flags, priority, orderingKey, drain, deadlineMs, signal, buffer, extents, compare, callback } = next;
    expect({ flags, priority, orderingKey, drain, deadlineMs, signal, buffer, extents, compare, callback }).toEqual({
      flags: 0,
      priority: PRIORITY_TIMELIMITED,
      orderingKey: null,
      drain: false,
      deadlineMs: Number.POSITIVE_INFINITY,
      signal: null,
      buffer: null,
      extents: null,
      compare: null,
      callback: null,
    });
    const { operation, offset, lengthBytes, bufferOffset, compareOffset } = next;
    expect({ operation, offset, lengthBytes, bufferOffset, compareOffset }).toEqual({
      operation: BLOCK_READ,
      offset: 0,
      lengthBytes: 0,
      bufferOffset: 0,
      compareOffset: 0,
    });
    expect(next.private).toBe(null);
    expect(PRIORITY_NONCRITICAL).toBe(0);
  });
});

describe('what an operation is not', () => {
  it.each([
    ['signal', {}],
    ['signal', { aborted: false }],
    ['signal', 'soon'],
    ['signal', undefined],
    ['orderingKey', {}],
    ['orderingKey', 5],
    ['orderingKey', undefined],
  ] as const)('is refused where it is set, before anybody counts on it: %s %o', (name, value) => {
    const pool = new AioServicePool(openNull(), { depth: 1 });
    const op = fill(pool.allocate(), { callback: () => {} });
    expect(() => Object.assign(op, { [name]: value })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE', message: expect.stringContaining(name) }),
    );
    expect([op[name], pool.submit(op), pool.poll(), pool.inFlight]).toEqual([null, 0, 1, 0]);
  });
});

describe('an id', () => {
  /** Uses an operation, and then again, in a queue where it can be cancelled. Returns the ids of both. */
  async function useTwice(op: AioOp, how: 'own' | 'kept' | 'reaped' | 'in its callback') {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    if (how !== 'own') op = pool.allocate();
    const errors: number[] = [];
    let first = -1;
    const again = (): void => {
      start(pool, [], 'busy', { offset: 512 });
      pool.submit(op);
    };
    fill(op).callback = (done) => {
      errors.push(done.error);
      // In the callback it names what is done.
      if (errors.length === 1) expect(done.id).toBe(first);
      if (how === 'reaped') return queueCompletion(done);
      if (how === 'in its callback' && errors.length === 1) again();
      return true;
    };
    first = op.id;
    pool.submit(op);
    expect(op.id).toBe(first);
    manual.complete();
    await settled();
    expect([how === 'in its callback', op.id === first]).toContain(true);
    if (how === 'reaped') expect(pool.reap()).toBe(op);
    if (how !== 'in its callback') again();
    return { pool, op, first, second: op.id, errors };
  }

  it.each(['own', 'kept', 'reaped', 'in its callback'] as const)(
    'of a use that is over reaches no later one, whoever has the object: %s',
    async (how) => {
      const { pool, op, first, second, errors } = await useTwice(new AioOp(), how);
      expect(second).not.toBe(first);
      expect([pool.find(first), pool.cancel(first), op.submitted]).toEqual([null, 'done', true]);
      expect([pool.find(second), pool.cancel(second)]).toEqual([op, 'cancelled']);
      await settled();
      expect(errors).toEqual([0, ECANCELED]);
    },
  );

  it('of a synchronous use is over too when submit has returned', () => {
    const pool = new AioServicePool(openManual({ polled: false }).device);
    const op = fill(new AioOp());
    const first = op.id;
    pool.submit(op);
    expect(op.id).toBe(first);
    op.callback = () => {};
    pool.submit(op);
    expect(op.id).not.toBe(first);
    expect([pool.find(first), pool.cancel(first)]).toEqual([null, 'done']);
  });
});

describe('the pool’s own methods', () => {
  it('fill in what they submit', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 10 });
    const buffer = IoBuffer.allocate(4096);
    const list = new ExtentList();
    const op = () => Object.assign(pool.allocate(), { callback: () => {} });
    pool.read(op(), buffer, 8);
    pool.write(op(), buffer, 16, 100, 10);
    pool.discard(op(), 24, 5);
    pool.zeroes(op(), 32, 6);
    pool.extents(op(), list, 40, 7);
    const seen = pool.dump().map(({ operation, offset, lengthBytes }) => [operation, offset, lengthBytes]);
    expect(seen).toEqual([
      ['read', 8, 4096],
      ['write', 16, 100],
      ['discard', 24, 5],
      ['write-zeroes', 32, 6],
      ['extents', 40, 7],
    ]);
    // The manual device has no zeros of its own: the layer writes them.
    expect(manual.started.map(({ operation }) => operation)).toEqual([
      BLOCK_READ,
      BLOCK_WRITE,
      BLOCK_DISCARD,
      BLOCK_WRITE,
      BLOCK_EXTENTS,
    ]);
    expect(BLOCK_WRITE_ZEROES).toBe(4);
    pool.sync(op());
    expect(manual.started.length).toBe(5);
    manual.completeAll();
    pool.poll();
    expect(pool.inFlight).toBe(0);
  });

  it('are synchronous with a null callback, as submit is', () => {
    const pool = new AioServicePool(openMem(65536));
    const buffer = IoBuffer.allocate(512);
    const op = pool.allocate();
    buffer.bytes.fill(3);
    expect(pool.write(op, buffer, 0)).toBe(0);
    expect([op.error, op.transferredBytes]).toEqual([0, 512]);
    buffer.bytes.fill(0);
    pool.read(op, buffer, 0);
    expect(buffer.bytes[511]).toBe(3);
    pool.zeroes(op, 0, 512);
    pool.sync(op);
    expect(op.error).toBe(0);
    pool.read(op, buffer, 0);
    expect(buffer.bytes[511]).toBe(0);
  });
});

describe('promises', () => {
  it('discard, write zeros, and tell extents', async () => {
    const pool = new AioServicePool(openMem(65536));
    const buffer = IoBuffer.allocate(4096);
    await promises.write(pool, buffer, 4096, { flags: BLOCK_FUA, priority: PRIORITY_TIMECRITICAL });
    await promises.zeroes(pool, 4096, 4096);
    await promises.discard(pool, 0, 4096);
    const list = await promises.extents(pool, 0, 65536);
    expect(list.count).toBeGreaterThan(0);
    await promises.flush(pool);
    await expect(promises.read(pool, buffer, 65536 * 2)).rejects.toMatchObject({ code: 'EINVAL', syscall: 'read' });
  });

  it('are aborted by a signal: before, while they wait, or not any more', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const buffer = IoBuffer.allocate(512);
    const reason = new Error('why');
    await expect(promises.read(pool, buffer, 0, { signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ABORT_ERR',
      cause: reason,
    });
    const abort = new AbortController();
    const { signal } = abort;
    const started = promises.read(pool, buffer, 0, { signal });
    const queued = promises.read(pool, buffer, 0, { signal });
    const caught = queued.catch((error) => error);
    abort.abort(reason);
    expect(await caught).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason });
    manual.complete();
    expect(await started).toBe(512);
  });

  it('end by their deadline, keep an order, and drain', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const buffer = IoBuffer.allocate(512);
    const orderingKey = new OrderingKey({ appendOffset: 0 });
    const first = promises.write(pool, buffer, 0, { orderingKey });
    const late = promises.write(pool, buffer, 0, { deadlineMs: 0 }).catch((error) => error);
    const second = promises.write(pool, buffer, 0, { orderingKey, drain: true });
    expect(await late).toMatchObject({ code: 'ETIMEDOUT' });
    manual.complete();
    await first;
    expect(manual.started[0]?.offset).toBe(512);
    manual.complete();
    expect(await second).toBe(512);
  });

  it('reject wrong options at once, and lose no operation by it', async () => {
    const pool = new AioServicePool(openNull(), { depth: 1 });
    const buffer = IoBuffer.allocate(512);
    await expect(promises.read(pool, buffer, 0, { deadlineMs: -1 })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(pool.inFlight).toBe(0);
    expect(await promises.read(pool, buffer, 0)).toBe(512);
  });
});

describe('durability', () => {
  it('of one operation goes down with it', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    start(pool, [], 'a', { operation: BLOCK_WRITE, flags: BLOCK_FUA });
    // The device has no FUA of its own, so the layer flushes after it.
    manual.complete();
    expect(manual.started.map(({ operation }) => operation)).toEqual([BLOCK_FLUSH]);
  });
});

describe('a request that is started on a device beside the pool', () => {
  it('is refused by submit, and the pool goes on', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const op = start(pool, [], 'a');
    manual.complete();
    const own = fill(pool.allocate(), { callback: () => {} });
    expect(own).toBe(op);
    own.iodone = () => {};
    manual.device.strategy(own);
    expect(() => pool.submit(own)).toThrow(expect.objectContaining({ code: 'EALREADY' }));
    manual.complete();
    expect(pool.submit(own)).toBe(0);
    manual.complete();
    await settled();
    await pool.close();
  });
});
