import { AioServiceClass, AioServicePool, OrderingKey, promises } from '@biodone/aio';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const buffer = IoBuffer.allocate(4096);

/** How a promise has ended, or 'pending'. */
function watch(promise: Promise<unknown>): { end: string } {
  const watched = { end: 'pending' };
  promise.then(
    () => {
      watched.end = 'done';
    },
    (error: { code: string }) => {
      watched.end = error.code;
    },
  );
  return watched;
}

/** A pool with one place, which is taken. */
function full(timers = new VirtualTimers()) {
  const manual = openManual({ timers });
  const pool = new AioServicePool(manual.device, { depth: 1, timers });
  const first = promises.read(pool, buffer, 0);
  return { manual, pool, timers, first };
}

describe('promises that wait for room', () => {
  it('end by their signal, and leave the line to who is behind', async () => {
    const { manual, pool } = full();
    const abort = new AbortController();
    const waiting = watch(promises.read(pool, buffer, 0, { wait: true, signal: abort.signal }));
    const behind = watch(promises.read(pool, buffer, 0, { wait: true }));
    await settled();
    abort.abort(new Error('enough'));
    await settled();
    expect([waiting.end, behind.end]).toEqual(['ABORT_ERR', 'pending']);
    manual.complete();
    await settled();
    manual.complete();
    await settled();
    expect([behind.end, pool.stats().submitted]).toEqual(['done', 2]);
  });

  it('end by their deadline, which runs from the call', async () => {
    const { manual, pool, timers } = full();
    const late = watch(promises.read(pool, buffer, 0, { wait: true, deadlineMs: 50 }));
    const inTime = watch(promises.read(pool, buffer, 0, { wait: true, deadlineMs: 80 }));
    await timers.advance(50);
    expect(late.end).toBe('ETIMEDOUT');
    manual.complete();
    await settled();
    expect([pool.inFlight, inTime.end]).toEqual([1, 'pending']);
    // 30 of 80 ms are left, although it has only been submitted now: the driver cannot end it, but is asked to.
    await timers.advance(29);
    expect(pool.stats().cancels['in-progress']).toBe(0);
    await timers.advance(1);
    expect(pool.stats().cancels['in-progress']).toBe(1);
    manual.complete();
    await settled();
    expect(timers.pending).toBe(0);
  });

  it('say at their deadline what the pool was full of', async () => {
    const { pool, timers } = full();
    const late = promises.read(pool, buffer, 0, { wait: true, deadlineMs: 50 });
    const message = late.catch((error: Error) => error.message);
    await timers.advance(50);
    expect(await message).toMatch(/deadline .* room: 1 operations are in flight/);
  });

  it('ask for no bytes where none are moved: a discard of a large range', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 2, bytesMax: 8192 });
    void promises.read(pool, buffer, 0);
    void promises.read(pool, buffer, 0);
    void promises.discard(pool, 0, 2 ** 30, { wait: true });
    manual.complete();
    await settled();
    expect(pool.inFlight).toBe(2);
  });

  it('of a class wait for the pool that their ordering key belongs to, without asking again and again', async () => {
    const manuals = [openManual(), openManual()];
    const target = new AioServiceClass(
      manuals.map(({ device }) => ({ device, depth: 1 })),
      { sameData: true },
    );
    const orderingKey = new OrderingKey();
    void promises.write(target, buffer, 0, { orderingKey });
    const second = watch(promises.write(target, buffer, 0, { orderingKey, wait: true }));
    await settled();
    const { refused } = target.stats();
    for (let turn = 0; turn < 20; turn++) await settled();
    expect([target.stats().refused, second.end]).toEqual([refused, 'pending']);
    for (const manual of manuals) manual.completeAll();
    await settled();
    for (const manual of manuals) manual.completeAll();
    await settled();
    expect(second.end).toBe('done');
  });
});

describe('whenAvailable', () => {
  it('returns what ends the wait', async () => {
    const { manual, pool } = full();
    const told: string[] = [];
    const leave = pool.whenAvailable(() => told.push('first'));
    pool.whenAvailable(() => told.push('second'));
    leave();
    manual.complete();
    await settled();
    expect(told).toEqual(['second']);
  });

  it('as a promise ends by a signal', async () => {
    const { pool } = full();
    const abort = new AbortController();
    const waiting = watch(promises.available(pool, { signal: abort.signal }));
    abort.abort();
    await settled();
    expect(waiting.end).toBe('ABORT_ERR');
  });
});
