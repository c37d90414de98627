import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { AioServiceClass, AioServicePool, EAGAIN, LINK_NONE, LINK_SOFT, OrderingKey, promises } from '@biodone/aio';
import { openMem, openNull } from '@biodone/blockdev';
import { EINVAL, IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { chain, manualPool, refusedChain } from './support/chains.js';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

function trySubmit(pool: AioServicePool, lengthBytes = 512): number {
  const op = fill(pool.allocate(), { lengthBytes, callback: () => {} });
  const refused = pool.submit(op);
  if (refused !== 0) pool.release(op);
  return refused;
}

describe('the limits of a pool that works', () => {
  it('raised, let in who waits for room, and start what waits', async () => {
    const { pool, manual } = manualPool({ depth: 2, inFlightMax: 1 });
    expect([trySubmit(pool), trySubmit(pool), trySubmit(pool)]).toEqual([0, 0, EAGAIN]);
    const told: number[] = [];
    for (let count = 0; count < 2; count++) pool.whenAvailable((error) => told.push(error, trySubmit(pool)));
    pool.configure({ inFlightMax: 2 });
    expect([manual.started.length, told]).toEqual([2, []]);
    pool.configure({ depth: 4 });
    expect(told).toEqual([]);
    await settled();
    expect([told, pool.inFlight, pool.depth, pool.inFlightMax]).toEqual([[0, 0, 0, 0], 4, 4, 4]);
    expect(manual.started.length).toBe(4);
    manual.completeAll();
    expect(pool.stats().completed).toBe(4);
  });

  it('lowered, let what is under way end, and nothing in before there is room', () => {
    const { pool, manual } = manualPool({ depth: 8 });
    for (let count = 0; count < 6; count++) expect(trySubmit(pool)).toBe(0);
    pool.configure({ depth: 3 });
    expect([pool.depth, pool.inFlightMax, pool.inFlight, manual.started.length]).toEqual([3, 3, 6, 6]);
    for (let left = 6; left > 2; left--) {
      expect(trySubmit(pool)).toBe(EAGAIN);
      manual.complete();
    }
    expect(trySubmit(pool)).toBe(0);
    pool.configure({ inFlightMax: 1 });
    expect([trySubmit(pool), manual.started.length]).toEqual([EAGAIN, 3]);
    manual.complete();
    expect([trySubmit(pool), manual.started.length]).toEqual([0, 2]);
    manual.complete();
    expect(manual.started.length).toBe(1);
    manual.complete();
    expect([manual.started.length, pool.inFlight]).toEqual([1, 1]);
    manual.complete();
    expect(pool.stats().completed).toBe(8);
  });

  it('keep an inFlightMax that was asked for, as far as the depth allows it', () => {
    const pool = new AioServicePool(openNull(), { depth: 64, inFlightMax: 8, discipline: 'disksort' });
    const after = (limits: Parameters<typeof pool.configure>[0]): unknown[] => {
      pool.configure(limits);
      return [pool.depth, pool.inFlightMax, pool.discipline];
    };
    expect(after({ depth: 4 })).toEqual([4, 4, 'disksort']);
    expect(after({ bytesMax: 1024 })).toEqual([4, 4, 'disksort']);
    expect(after({ depth: 8 })).toEqual([8, 8, 'disksort']);
    expect(after({ depth: 64 })).toEqual([64, 8, 'disksort']);
    expect(() => pool.configure({ inFlightMax: 65 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    expect(after({ depth: 2, inFlightMax: 1 })).toEqual([2, 1, 'disksort']);
    expect(after({ depth: 16 })).toEqual([16, 1, 'disksort']);
    expect(after({ inFlightMax: 16 })).toEqual([16, 16, 'disksort']);
    expect(after({ depth: 32 })).toEqual([32, 32, 'disksort']);
  });

  it('of bytes count what went straight to the device before there was one', () => {
    const { pool, manual } = manualPool({ depth: 8 });
    expect([trySubmit(pool, 600), trySubmit(pool, 300)]).toEqual([0, 0]);
    pool.configure({ bytesMax: 1000 });
    expect([trySubmit(pool, 101), trySubmit(pool, 100), trySubmit(pool, 1)]).toEqual([EAGAIN, 0, EAGAIN]);
    manual.complete();
    expect([trySubmit(pool, 601), trySubmit(pool, 600)]).toEqual([EAGAIN, 0]);
    pool.configure({ bytesMax: Number.POSITIVE_INFINITY });
    expect(trySubmit(pool, 5000)).toBe(0);
    pool.configure({ bytesMax: 1 });
    manual.completeAll();
    expect([trySubmit(pool, 5000), trySubmit(pool, 1)]).toEqual([0, EAGAIN]);
    manual.completeAll();
  });

  it.each([
    ['while there was none', Number.POSITIVE_INFINITY],
    ['while there was another', 4096],
  ])('of bytes, set by who is told of the end of an operation, do not count that: %s', (_when, bytesMax) => {
    const { pool, manual } = manualPool({ depth: 8, bytesMax });
    const seen: number[] = [];
    const listener = (): void => {
      unsubscribe('biodone:aio:complete', listener);
      pool.configure({ bytesMax: 1024 });
      seen.push(trySubmit(pool, 512), trySubmit(pool, 513), trySubmit(pool, 512));
    };
    subscribe('biodone:aio:complete', listener);
    expect(trySubmit(pool, 512)).toBe(0);
    manual.complete();
    expect(seen).toEqual([0, EAGAIN, 0]);
    manual.completeAll();
    expect([trySubmit(pool, 512), trySubmit(pool, 513), trySubmit(pool, 512)]).toEqual([0, EAGAIN, 0]);
    manual.completeAll();
  });

  it('of bytes, set in the driver that is given the next operation, do not count the one before', () => {
    let starts = 0;
    const onStart = (): void => {
      starts += 1;
      if (starts === 2) pool.configure({ bytesMax: 1024 });
    };
    const manual = openManual({ onStart });
    const pool: AioServicePool = new AioServicePool(manual.device, { depth: 8, inFlightMax: 1, bytesMax: 4096 });
    expect([trySubmit(pool, 512), trySubmit(pool, 256)]).toEqual([0, 0]);
    manual.completeAll();
    expect(starts).toBe(2);
    expect([trySubmit(pool, 512), trySubmit(pool, 513), trySubmit(pool, 512)]).toEqual([0, EAGAIN, 0]);
    manual.completeAll();
  });

  it.each([
    ['waits for its turn with a key', { orderingKey: new OrderingKey() }],
    ['is behind it in a chain', { link: LINK_SOFT }],
  ])('of bytes, set in the driver that is given what %s, do not count the one before', (_which, fields) => {
    let starts = 0;
    const onStart = (): void => {
      starts += 1;
      if (starts === 2) pool.configure({ bytesMax: 1024 });
    };
    const manual = openManual({ onStart });
    const pool: AioServicePool = new AioServicePool(manual.device, { depth: 8, bytesMax: 4096 });
    const ops = [fields, { ...fields, link: LINK_NONE }].map((each) => fill(pool.allocate(), { ...each, callback: () => {} }));
    expect(pool.submitAll(ops)).toBe(2);
    manual.completeAll();
    expect([starts, pool.inFlight]).toEqual([2, 0]);
    expect([trySubmit(pool, 512), trySubmit(pool, 513), trySubmit(pool, 512)]).toEqual([0, EAGAIN, 0]);
    manual.completeAll();
  });

  it('of bytes count an operation that is over and has not been told', async () => {
    const { pool } = manualPool({ depth: 8, instant: true });
    const cancelled = fill(pool.allocate(), { lengthBytes: 300, deadlineMs: 0, drain: true, callback: () => {} });
    expect([trySubmit(pool, 600), pool.submit(cancelled)]).toEqual([0, 0]);
    pool.configure({ bytesMax: 1000 });
    expect([trySubmit(pool, 101), trySubmit(pool, 100)]).toEqual([EAGAIN, 0]);
    await settled();
    expect([pool.inFlight, trySubmit(pool, 1000), trySubmit(pool, 1)]).toEqual([0, 0, EAGAIN]);
    await settled();
  });

  it('can be changed in a callback', async () => {
    const { pool, manual, log } = manualPool({ depth: 1 });
    const first = start(pool, log, 'first');
    first.callback = () => {
      pool.configure({ depth: 3 });
      log.push(`${trySubmit(pool)}${trySubmit(pool)}${trySubmit(pool)}${trySubmit(pool)}`);
    };
    manual.complete();
    await settled();
    expect([log, manual.started.length]).toEqual([[`000${EAGAIN}`], 3]);
    manual.completeAll();
  });

  it('tell who waits for the room of a chain that is too long now', async () => {
    const { pool, manual, log } = manualPool({ depth: 3, timers: new VirtualTimers() });
    const read = { link: LINK_SOFT };
    chain(pool, log, { a: read, b: read });
    const verdicts: number[][] = [];
    pool.whenAvailable(() => verdicts.push(refusedChain(pool, log, { c: read, d: read, e: read }).verdicts), 0, 3);
    pool.configure({ depth: 2 });
    await settled();
    expect(verdicts).toEqual([[EINVAL, EINVAL, EINVAL]]);
    manual.completeAll();
  });

  it.each([
    [{ depth: 0 }, 'depth'],
    [{ depth: 65537 }, 'depth'],
    [{ inFlightMax: 5 }, 'inFlightMax'],
    [{ depth: 2, inFlightMax: 3 }, 'inFlightMax'],
    [{ bytesMax: 0 }, 'bytesMax'],
    [{ dept: 3 }, 'dept'],
  ])('%o is refused, and nothing has changed', (limits, name) => {
    const pool = new AioServicePool(openNull(), { depth: 4, inFlightMax: 2 });
    expect(() => pool.configure(limits as object)).toThrow(expect.objectContaining({ message: expect.stringContaining(name) }));
    expect([pool.depth, pool.inFlightMax, pool.bytesMax]).toEqual([4, 2, Number.POSITIVE_INFINITY]);
  });

  it('with service threads are raised as far as these have room', async () => {
    const device = openMem(65536);
    const pool = new AioServicePool(device, { service: 'threads', threads: 1, depth: 4 });
    expect(() => pool.configure({ depth: 64, inFlightMax: 64 })).toThrow(/service threads were made/);
    pool.configure({ depth: 64 });
    expect([pool.depth, pool.inFlightMax]).toEqual([64, 4]);
    const reads = Array.from({ length: 64 }, () => promises.read(pool, IoBuffer.allocate(512), 0));
    expect(pool.inFlight).toBe(64);
    expect(await Promise.all(reads)).toEqual(new Array(64).fill(512));
    await pool.close();
    await device.close();
  });
});

describe('the limits of a class', () => {
  it('are those of all of its pools, or of one alone', async () => {
    const device = openNull();
    const target = new AioServiceClass([
      { device, depth: 1 },
      { device, depth: 2 },
    ]);
    target.configure({ depth: 5 });
    expect(target.pools.map(({ depth, inFlightMax }) => [depth, inFlightMax])).toEqual([
      [5, 5],
      [5, 5],
    ]);
    target.pools[0]?.configure({ depth: 1 });
    expect([target.depth, target.pools[0]?.depth]).toEqual([5, 1]);
    expect(() => target.configure({ inFlightMax: 3 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    expect(target.pools.map(({ inFlightMax }) => inFlightMax)).toEqual([1, 5]);
    await target.close();
  });

  it('change together: none of the pools takes by its old ones what another one starts no more', async () => {
    const manual = openManual();
    const { device } = manual;
    const target = new AioServiceClass([
      { device, inFlightMax: 1 },
      { device, inFlightMax: 6, bytesMax: 20 },
    ]);
    const [one, other] = target.pools as [AioServicePool, AioServicePool];
    for (const lengthBytes of [5, 5]) trySubmit(other, lengthBytes);
    // The second is too large for the other pool, and keeps the third from it.
    for (const lengthBytes of [1, 15, 5]) trySubmit(one, lengthBytes);
    expect([one.started, other.started, one.inFlight]).toEqual([1, 2, 3]);
    target.configure({ inFlightMax: 2 });
    expect([one.started, other.started, one.inFlight]).toEqual([2, 2, 3]);
    while (target.inFlight > 0) manual.completeAll();
    await target.close();
  });

  it('raised, let in who waits for room in any pool', async () => {
    const { manual, pool: single } = manualPool({ depth: 1 });
    const target = new AioServiceClass([{ device: single.device, depth: 1 }]);
    expect(target.submit(fill(target.allocate(), { callback: () => {} }))).toBe(0);
    const told: number[] = [];
    target.whenAvailable((error) => told.push(error));
    await settled();
    expect(told).toEqual([]);
    target.configure({ depth: 2 });
    await settled();
    expect(told).toEqual([0]);
    manual.completeAll();
    await target.close();
  });
});
