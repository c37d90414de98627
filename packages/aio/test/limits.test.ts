import { type AioOp, AioServiceClass, AioServicePool, EAGAIN, EBADF, OrderingKey, promises } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE, openNull } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

function trySubmit(pool: AioServicePool, lengthBytes = 512): number {
  const op = fill(pool.allocate(), { lengthBytes, callback: () => {} });
  const refused = pool.submit(op);
  if (refused !== 0) pool.release(op);
  return refused;
}

describe('inFlightMax', () => {
  it('bounds what is with the device; the rest waits in the pool, and all complete', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 10, inFlightMax: 3 });
    for (let count = 0; count < 10; count++) expect(trySubmit(pool)).toBe(0);
    expect(trySubmit(pool)).toBe(EAGAIN);
    expect([manual.started.length, pool.started, pool.inFlight]).toEqual([3, 3, 10]);
    manual.complete();
    expect([manual.started.length, pool.inFlight]).toEqual([3, 9]);
    manual.completeAll();
    const { submitted, completed, inFlightMax, queuedMax, refused } = pool.stats();
    expect({ submitted, completed, inFlightMax, queuedMax, refused }).toEqual({
      submitted: 10,
      completed: 10,
      inFlightMax: 3,
      queuedMax: 7,
      refused: 1,
    });
  });

  it.each([0, 5, 1.5, Number.NaN])('of %s with a depth of 4 is refused', (inFlightMax) => {
    expect(() => new AioServicePool(openNull(), { depth: 4, inFlightMax })).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE', message: expect.stringContaining('inFlightMax') }),
    );
  });
});

describe('bytesMax', () => {
  it('bounds the bytes of what is submitted; what is larger by itself goes alone', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { bytesMax: 1000 });
    expect([trySubmit(pool, 600), trySubmit(pool, 401), trySubmit(pool, 400), trySubmit(pool, 1)]).toEqual([
      0,
      EAGAIN,
      0,
      EAGAIN,
    ]);
    manual.complete();
    expect([trySubmit(pool, 601), trySubmit(pool, 600)]).toEqual([EAGAIN, 0]);
    manual.completeAll();
    expect([trySubmit(pool, 5000), trySubmit(pool, 1)]).toEqual([0, EAGAIN]);
    manual.completeAll();
    expect(trySubmit(pool, 1)).toBe(0);
  });

  it.each([0, -1, Number.NaN, '1' as unknown as number])('of %s is refused', (bytesMax) => {
    expect(() => new AioServicePool(openNull(), { bytesMax })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });
});

describe('more operations than the depth, one after the other', () => {
  it('all run (NB-13)', async () => {
    const pool = new AioServicePool(openNull(), { depth: 2 });
    for (let count = 0; count < 5000; count++) {
      expect(trySubmit(pool)).toBe(0);
      pool.poll();
    }
    expect(pool.stats().completed).toBe(5000);
  });
});

describe('waiting for room', () => {
  it('calls back in order, one for each place, never inside the call', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 1 });
    const log: string[] = [];
    start(pool, log, 'a');
    for (const name of ['b', 'c']) pool.whenAvailable((error) => (error === 0 ? start(pool, log, name) : log.push(`${error}`)));
    await settled();
    expect(manual.started.length).toBe(1);
    manual.complete();
    await settled();
    manual.complete();
    await settled();
    manual.complete();
    expect(log).toEqual(['a', 'b', 'c']);
    let inside = true;
    pool.whenAvailable(() => log.push(inside ? 'inside' : 'later'));
    inside = false;
    await settled();
    expect(log.at(-1)).toBe('later');
  });

  it('reaches a thread that only polls', () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device, { depth: 1 });
    const log: string[] = [];
    start(pool, log, 'a');
    pool.whenAvailable(() => log.push('room'));
    pool.poll();
    manual.complete();
    pool.poll();
    expect(log).toEqual(['a', 'room']);
  });

  it('is woken by a timer too, should nothing else do it (rule 9)', async () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers });
    const pool = new AioServicePool(manual.device, { depth: 1, timers });
    start(pool, [], 'a');
    pool.whenAvailable(() => {});
    await settled();
    expect(timers.pending).toBe(1);
    await timers.advance(5000);
    expect(timers.pending).toBe(1);
    manual.complete();
    await settled();
    expect(timers.pending).toBe(0);
  });

  it('goes on behind a callback that throws', async () => {
    const pool = new AioServicePool(openNull());
    const log: string[] = [];
    const uncaught = new Promise((resolve) => {
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of listeners) process.on('uncaughtException', listener);
        resolve(error);
      });
    });
    pool.whenAvailable(() => {
      throw new Error('mine');
    });
    pool.whenAvailable(() => log.push('next'));
    expect(await uncaught).toMatchObject({ message: 'mine' });
    await settled();
    expect(log).toEqual(['next']);
  });

  it('is for as many bytes as the operation has, and does not turn in circles until there is', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { bytesMax: 1000 });
    const log: string[] = [];
    start(pool, log, 'a', { lengthBytes: 600 });
    start(pool, log, 'b', { lengthBytes: 400 });
    const large = promises.read(pool, IoBuffer.allocate(500), 0, { wait: true });
    await settled();
    expect(pool.stats().refused).toBe(1);
    manual.complete(manual.started[1]);
    await settled();
    expect([pool.stats().refused, manual.started.length]).toEqual([1, 1]);
    manual.complete();
    await settled();
    manual.complete();
    expect(await large).toBe(500);
  });

  it('is kept for the first who waits, whoever submits again in callbacks meanwhile', async () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device, { depth: 4 });
    const answers: number[] = [];
    let waiting = true;
    const callback = (op: AioOp): boolean => {
      const answer = pool.submit(op);
      if (waiting) answers.push(answer);
      return answer === 0;
    };
    for (let count = 0; count < 4; count++) pool.submit(fill(pool.allocate(), { callback }));
    const log: string[] = [];
    pool.whenAvailable((error) => {
      waiting = false;
      start(pool, log, `waited:${error}`);
      // Its turn is for one.
      const other = fill(pool.allocate(), { callback: () => {} });
      expect([pool.submit(other), pool.inFlight]).toEqual([EAGAIN, 4]);
      pool.release(other);
    });
    pool.whenAvailable(() => log.push('second'));
    expect(answers).toEqual([]);
    manual.complete();
    // Before anybody is told.
    expect([answers, log]).toEqual([[EAGAIN], []]);
    await settled();
    expect([pool.inFlight, log]).toEqual([4, []]);
    waiting = true;
    manual.complete();
    await settled();
    expect([answers, log]).toEqual([[EAGAIN, EAGAIN], ['second']]);
    // With nobody in the line all is as it was.
    manual.complete();
    expect(answers.at(-1)).toBe(0);
  });

  it('comes for what is larger than bytesMax when its turn does, and lets nobody pass meanwhile', async () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device, { depth: 8, bytesMax: 4096 });
    const refused: number[] = [];
    const callback = (op: AioOp): boolean => {
      const answer = pool.submit(op);
      if (answer !== 0) refused.push(answer);
      return answer === 0;
    };
    for (let count = 0; count < 2; count++) pool.submit(fill(pool.allocate(), { callback }));
    // Moves no bytes, and is in nobody's way.
    start(pool, [], 'timeout', { timer: { timeoutMs: 1e6 } });
    const log: string[] = [];
    pool.whenAvailable(() => start(pool, log, 'large', { lengthBytes: 8192 }), 8192);
    pool.whenAvailable(() => log.push('small'), 512);
    for (let count = 0; count < 2; count++) {
      manual.complete();
      await settled();
    }
    expect([refused, manual.started.map(({ lengthBytes }) => lengthBytes), log]).toEqual([[EAGAIN, EAGAIN], [8192], []]);
    manual.complete();
    await settled();
    expect(log).toEqual(['large', 'small']);
    await pool.close({ cancel: true });
  });

  it('of a class is kept in the same way', async () => {
    const manual = openManual({ polled: false });
    const target = new AioServiceClass([
      { device: manual.device, depth: 1 },
      { device: manual.device, depth: 1 },
    ]);
    const answers: number[] = [];
    const callback = (op: AioOp): boolean => {
      answers.push(target.submit(op));
      return answers.at(-1) === 0;
    };
    for (let count = 0; count < 2; count++) target.submit(fill(target.allocate(), { callback }));
    const log: string[] = [];
    target.whenAvailable(() => start(target, log, 'waited'));
    manual.complete();
    await settled();
    expect([answers, target.inFlight]).toEqual([[EAGAIN], 2]);
    manual.complete();
    expect(answers).toEqual([EAGAIN, 0]);
  });

  it.each(['before', 'meanwhile'] as const)('ends with EBADF when the device is closed: %s', async (when) => {
    for (const isClass of [false, true]) {
      const manual = openManual({ polled: false });
      const pool = isClass
        ? new AioServiceClass([{ device: manual.device, depth: 1 }])
        : new AioServicePool(manual.device, { depth: 1 });
      const errors: number[] = [];
      start(pool, [], 'a');
      if (when === 'before') void manual.device.close();
      pool.whenAvailable((error) => errors.push(error));
      if (when === 'meanwhile') void manual.device.close();
      manual.complete();
      await settled();
      expect(errors).toEqual([EBADF]);
    }
  });

  it('ends with EBADF when the pool is closed', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 1 });
    start(pool, [], 'a');
    const errors: number[] = [];
    pool.whenAvailable((error) => errors.push(error));
    const closed = pool.close();
    pool.whenAvailable((error) => errors.push(error));
    await settled();
    expect(errors).toEqual([EBADF, EBADF]);
    await expect(promises.available(pool)).rejects.toMatchObject({ code: 'EBADF' });
    manual.complete();
    await closed;
  });

  it('is what a promise does on request', async () => {
    const pool = new AioServicePool(openNull(), { depth: 2 });
    const buffer = IoBuffer.allocate(512);
    const all = Array.from({ length: 50 }, (_, index) => promises.write(pool, buffer, index * 512, { wait: true }));
    expect(await Promise.all(all)).toEqual(Array(50).fill(512));
    expect(pool.stats().inFlightMax).toBe(2);
    await promises.available(pool);
  });
});

describe('statistics', () => {
  it('count what was done, and how long what had to wait did', async () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers });
    const pool = new AioServicePool(manual.device, { timers, inFlightMax: 1 });
    start(pool, [], 'a');
    start(pool, [], 'b', { operation: BLOCK_WRITE, lengthBytes: 100 });
    await timers.advance(20);
    expect(pool.stats()).toMatchObject({ submitted: 2, completed: 0, queued: 1, inFlight: 1 });
    manual.complete(undefined, 5, 0);
    await timers.advance(5);
    manual.complete();
    const stats = pool.stats();
    expect(stats).toMatchObject({ submitted: 2, completed: 2, errors: 1, bytes: 100, queued: 0, inFlight: 0 });
    expect([stats.queueWait.count, stats.queueWait.maxUs]).toEqual([1, 20_000]);
  });

  it('do not count what started at once as having waited', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'flush', { operation: BLOCK_FLUSH, lengthBytes: 0 });
    start(pool, log, 'key', { orderingKey: new OrderingKey() });
    manual.completeAll();
    start(pool, log, 'drain', { drain: true });
    manual.completeAll();
    expect(log).toEqual(['flush', 'key', 'drain']);
    expect(pool.stats().queueWait.maxUs).toBeLessThan(1_000_000);
  });

  it('dump the live operations, with where they are and for how long', async () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers });
    const pool = new AioServicePool(manual.device, { timers, inFlightMax: 1 });
    const a = start(pool, [], 'a', { offset: 4096 });
    await timers.advance(10);
    const b = start(pool, [], 'b', { operation: BLOCK_WRITE });
    await timers.advance(5);
    expect(pool.dump()).toEqual([
      { id: a.id, operation: 'read', offset: 4096, lengthBytes: 512, phase: 'started', ageMs: 15 },
      { id: b.id, operation: 'write', offset: 0, lengthBytes: 512, phase: 'queued', ageMs: 5 },
    ]);
    manual.completeAll();
    expect(pool.dump()).toEqual([]);
  });
});
