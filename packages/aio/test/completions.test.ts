import { AioOp, AioServicePool, EAGAIN, queueCompletion } from '@biodone/aio';
import { openMem } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

function submit(pool: AioServicePool, offset = 0): number {
  const op = fill(pool.allocate(), { offset, callback: queueCompletion });
  const refused = pool.submit(op);
  if (refused !== 0) pool.release(op);
  return refused;
}

describe('reaping', () => {
  it('gives what is done, in the order in which it was, once', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    for (const offset of [1, 2, 3]) submit(pool, offset);
    expect(pool.reap()).toBe(null);
    const [one, two, three] = [...manual.started];
    for (const io of [two, three, one]) manual.complete(io);
    expect(pool.unreapedCount).toBe(3);
    expect([pool.reap(), pool.reap(), pool.reap(), pool.reap()]).toEqual([two, three, one, null]);
  });

  it('waits for any: with a deadline that is looked at after what is done (NB-14)', () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers, polled: false });
    const pool = new AioServicePool(manual.device, { timers });
    expect(pool.waitComplete()).toBe(null);
    submit(pool);
    expect(pool.waitComplete(0)).toBe('ETIME');
    manual.complete();
    expect(pool.waitComplete(0)).toMatchObject({ error: 0, transferredBytes: 512 });
    expect(pool.waitComplete(0)).toBe(null);
    expect(() => pool.waitComplete(-1)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('blocks a thread that does not yield until something is done', () => {
    const { device } = openManual();
    const pool = new AioServicePool(device);
    for (let count = 0; count < 10; count++) submit(pool, count);
    for (let count = 0; count < 10; count++) {
      const op = pool.waitComplete();
      if (op === null || typeof op === 'string') throw new Error(`got ${op}`);
      expect(op.offset).toBe(count);
      pool.release(op);
    }
  });

  it('counts what is not reaped for the depth, so that it is bounded and nothing is dropped', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 2 });
    expect([submit(pool), submit(pool), submit(pool)]).toEqual([0, 0, 11]);
    manual.completeAll();
    expect(submit(pool)).toBe(11);
    expect(pool.stats().unreaped).toBe(2);
    const op = pool.reap();
    expect(op).not.toBe(null);
    if (op !== null) pool.release(op);
    expect(submit(pool)).toBe(0);
  });

  it('is not needed before the operation is used again, or released', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 2 });
    const op = fill(pool.allocate(), { callback: queueCompletion });
    for (let round = 0; round < 5; round++) {
      expect(pool.submit(op)).toBe(0);
      manual.complete();
      expect(pool.unreapedCount).toBe(1);
    }
    pool.release(op);
    expect([pool.unreapedCount, pool.reap(), pool.allocate()]).toEqual([0, null, op]);
  });
});

describe('a callback that keeps its completion by calling queueCompletion', () => {
  it.each(['iterator', 'reap', 'reap in the callback'] as const)('leaves it to who reaps it alone: %s', async (how) => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    const op = fill(pool.allocate());
    let reaped: unknown = null;
    op.callback = (done) => {
      queueCompletion(done);
      if (how === 'reap in the callback') reaped = pool.reap();
    };
    pool.submit(op);
    const next = how === 'iterator' ? pool.completions().next() : null;
    manual.complete();
    await settled();
    if (next !== null) reaped = (await next).value;
    if (how === 'reap') reaped = pool.reap();
    expect([reaped, op.submitted]).toEqual([op, false]);
    expect(pool.allocate()).not.toBe(op);
    // Its next use is like any other.
    op.callback = () => {};
    pool.submit(op);
    manual.complete();
    expect(pool.allocate()).toBe(op);
  });

  it('can have one more than depth until one is reaped, if it has given the place away before', () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device, { depth: 2 });
    const answers: number[] = [];
    const callback = (done: AioOp): true => {
      answers.push(submit(pool));
      return queueCompletion(done);
    };
    for (let count = 0; count < 2; count++) pool.submit(fill(pool.allocate(), { callback }));
    manual.complete();
    manual.complete();
    expect([answers, pool.inFlight, pool.unreapedCount]).toEqual([[0, EAGAIN], 1, 2]);
  });

  it('is refused for what is not done, is kept already, or was never submitted', () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    const op = fill(pool.allocate(), { callback: queueCompletion });
    expect(() => queueCompletion(op)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => queueCompletion(new AioOp())).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    pool.submit(op);
    expect(() => queueCompletion(op)).toThrow(expect.objectContaining({ code: 'EALREADY' }));
    manual.complete();
    expect(() => queueCompletion(op)).toThrow(expect.objectContaining({ code: 'EALREADY' }));
    expect([pool.unreapedCount, pool.reap(), pool.reap()]).toEqual([1, op, null]);
  });
});

describe('the iterator over completions', () => {
  it('gives them as they come, and ends when the pool is closed and all are done', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const seen: number[] = [];
    const loop = (async () => {
      for await (const op of pool.completions()) {
        seen.push(op.offset);
        pool.release(op);
      }
    })();
    for (const offset of [1, 2]) submit(pool, offset);
    manual.complete();
    await settled();
    expect(seen).toEqual([1]);
    const closed = pool.close();
    manual.complete();
    await Promise.all([loop, closed]);
    expect(seen).toEqual([1, 2]);
  });

  it('loses nothing when its loop is left, by break or by an exception, or while it waits', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    for (let offset = 0; offset < 5; offset++) submit(pool, offset);
    manual.completeAll();
    for await (const op of pool.completions()) {
      expect(op.offset).toBe(0);
      break;
    }
    const failing = async (): Promise<void> => {
      for await (const op of pool.completions()) throw new Error(`at ${op.offset}`);
    };
    await expect(failing()).rejects.toThrow('at 1');
    const iterator = pool.completions();
    expect((await iterator.next()).value).toMatchObject({ offset: 2 });
    const other = pool.completions();
    expect((await other.next()).value).toMatchObject({ offset: 3 });
    await expect(iterator.throw?.(new Error('thrown'))).rejects.toThrow('thrown');
    expect((await other.next()).value).toMatchObject({ offset: 4 });
    const waiting = other.next();
    await other.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    submit(pool, 9);
    manual.complete();
    expect(pool.reap()).toMatchObject({ offset: 9 });
    expect(await other.next()).toEqual({ done: true, value: undefined });
  });

  it('serves several that wait, each completion once', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const iterator = pool.completions();
    const asked = [iterator.next(), iterator.next(), pool.completions().next()];
    for (const offset of [1, 2, 3]) submit(pool, offset);
    manual.completeAll();
    const results = await Promise.all(asked);
    expect(results.map(({ value }) => value?.offset).sort()).toEqual([1, 2, 3]);
  });
});

describe('a thread that never yields', () => {
  it('sees completions by poll, and those that were cancelled', () => {
    const pool = new AioServicePool(openMem(65536));
    const log: string[] = [];
    start(pool, log, 'a');
    const manual = openManual();
    const other = new AioServicePool(manual.device, { inFlightMax: 1 });
    start(other, log, 'b');
    other.cancel(start(other, log, 'c'));
    while (log.length < 2) pool.poll();
    expect(log).toEqual(['a', 'c:125']);
    expect(other.wait(0)).toBe(1);
    expect(log).toEqual(['a', 'c:125', 'b']);
  });

  it('can be a callback that waits for others', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const first = start(pool, log, 'first');
    start(pool, log, 'second');
    first.callback = () => {
      while (log.length === 0) pool.wait(1000);
      log.push('first');
    };
    pool.wait(1000);
    expect(log).toEqual(['second', 'first']);
  });
});
