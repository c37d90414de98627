import { type AioOp, AioServicePool, LINK_HARD, LINK_SOFT, queueCompletion } from '@biodone/aio';
import { BLOCK_WRITE, openNull } from '@biodone/blockdev';
import { ECANCELED, ETIME, ETIMEDOUT } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { chain, manualPool } from './support/chains.js';
import { fill, start } from './support/operations.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const write = { operation: BLOCK_WRITE } as const;

describe('a timeout', () => {
  it('completes with ETIME after its time, those that are due first before the others', async () => {
    const timers = new VirtualTimers();
    const { pool, log, manual } = manualPool({ timers });
    for (const timeoutMs of [30, 10, 20, 10]) start(pool, log, `${timeoutMs}`, { timer: { timeoutMs } });
    expect([pool.inFlight, pool.started, timers.pending, manual.started.length]).toEqual([4, 0, 1, 0]);
    await timers.advance(9);
    expect(log).toEqual([]);
    await timers.advance(1);
    expect(log).toEqual([`10:${ETIME}`, `10:${ETIME}`]);
    await timers.advance(100);
    expect(log.slice(2)).toEqual([`20:${ETIME}`, `30:${ETIME}`]);
    expect([pool.inFlight, timers.pending]).toEqual([0, 0]);
  });

  it.each(['its count', 'a cancel'] as const)('without a time keeps the thread alive until %s ends it', async (what) => {
    const held = new Set<object>();
    class HoldingTimers extends VirtualTimers {
      override after(delayMs: number, callback: () => void, keepsAlive = false): () => void {
        const cancel = super.after(delayMs, callback);
        const hold = {};
        if (keepsAlive) held.add(hold);
        return () => {
          held.delete(hold);
          cancel();
        };
      }
    }
    const timers = new HoldingTimers();
    const { pool, log, manual } = manualPool({ timers });
    const ops = [1, 1].map((count) => start(pool, log, 'timeout', { timer: { timeoutMs: Number.POSITIVE_INFINITY, count } }));
    expect([held.size, timers.pending]).toEqual([1, 1]);
    pool.cancel(ops[0] as AioOp);
    expect(held.size).toBe(1);
    if (what === 'a cancel') {
      pool.cancel(ops[1] as AioOp);
    } else {
      start(pool, log, 'read');
      manual.complete();
    }
    await settled();
    expect([held.size, timers.pending, pool.inFlight]).toEqual([0, 0, 0]);
  });

  it('with an absolute time completes then, at once if that is over', async () => {
    const timers = new VirtualTimers();
    const { pool, log } = manualPool({ timers });
    start(pool, log, 'later', { timer: { timeoutMs: timers.nowMs + 10, absolute: true } });
    start(pool, log, 'over', { timer: { timeoutMs: 0, absolute: true } });
    expect(log).toEqual([]);
    await timers.advance(0);
    expect(log).toEqual([`over:${ETIME}`]);
    await timers.advance(10);
    expect(log.length).toBe(2);
  });

  it('with a count completes with 0 after so many completions, other timeouts not counted', async () => {
    const timers = new VirtualTimers();
    const { pool, log, manual } = manualPool({ timers });
    start(pool, log, 'a', write);
    start(pool, log, 'counter', { timer: { timeoutMs: Number.POSITIVE_INFINITY, count: 2 } });
    start(pool, log, 'b', write);
    start(pool, log, 'c', write);
    start(pool, log, 'timer', { timer: { timeoutMs: 1 } });
    await timers.advance(1);
    manual.complete();
    await settled();
    expect(log).toEqual([`timer:${ETIME}`, 'a']);
    manual.complete();
    await settled();
    expect(log.slice(2)).toEqual(['b', 'counter']);
    manual.complete();
    expect(pool.inFlight).toBe(0);
  });

  it('with a count completes with ETIME if its time comes before', async () => {
    const timers = new VirtualTimers();
    const { pool, log, manual } = manualPool({ timers });
    start(pool, log, 'counter', { timer: { timeoutMs: 10, count: 2 } });
    start(pool, log, 'a', write);
    manual.complete();
    await timers.advance(10);
    expect(log).toEqual(['a', `counter:${ETIME}`]);
  });

  it('can be cancelled, by itself and with all; a cancel of one kind of operations is not about it', async () => {
    const timers = new VirtualTimers();
    const { pool, log } = manualPool({ timers });
    const [one] = ['one', 'two', 'three'].map((name) => start(pool, log, name, { timer: { timeoutMs: 10 } })) as [AioOp];
    expect(pool.cancel(one)).toBe('cancelled');
    expect(pool.cancelAll({ operation: one.operation })).toEqual({ cancelled: 0, inProgress: 0 });
    expect(pool.cancelAll()).toEqual({ cancelled: 2, inProgress: 0 });
    await settled();
    expect([log.length, log[0], timers.pending]).toEqual([3, `one:${ECANCELED}`, 0]);
  });

  it('can have a deadline and a signal, as all operations', async () => {
    const timers = new VirtualTimers();
    const abort = new AbortController();
    const { pool, log } = manualPool({ timers });
    start(pool, log, 'deadline', { timer: { timeoutMs: 50 }, deadlineMs: 10 });
    start(pool, log, 'signal', { timer: { timeoutMs: 50 }, signal: abort.signal });
    await timers.advance(10);
    abort.abort();
    await settled();
    expect(log).toEqual([`deadline:${ETIMEDOUT}`, `signal:${ECANCELED}`]);
    expect(timers.pending).toBe(0);
  });

  it('is submitted again by its callback, and so repeats', async () => {
    const timers = new VirtualTimers();
    const { pool } = manualPool({ timers });
    let ticks = 0;
    const op = fill(pool.allocate(), { timer: { timeoutMs: 10 } });
    op.callback = () => {
      ticks += 1;
      return ticks < 5 && pool.submit(op) === 0;
    };
    pool.submit(op);
    await timers.advance(100);
    expect([ticks, pool.inFlight, timers.pending]).toEqual([5, 0, 0]);
  });

  it('counts for depth, and is dumped by its name', () => {
    const { pool, log } = manualPool({ depth: 1, timers: new VirtualTimers() });
    start(pool, log, 'timer', { timer: { timeoutMs: 10 } });
    expect(() => start(pool, log, 'a')).toThrow('11');
    expect(pool.dump()).toMatchObject([{ operation: 'timeout', phase: 'timing' }]);
  });

  it('moves no bytes, whatever the operation says that it is made of', () => {
    const { pool, log } = manualPool({ bytesMax: 100, timers: new VirtualTimers() });
    start(pool, log, 'timer', { timer: { timeoutMs: 10 }, lengthBytes: 100_000 });
    start(pool, log, 'a', { ...write, lengthBytes: 100 });
    expect(pool.inFlight).toBe(2);
  });

  it('in a chain is a pause behind which a hard link goes on, and a soft one does not', async () => {
    const timers = new VirtualTimers();
    const { pool, log, manual } = manualPool({ timers });
    const pause = { timer: { timeoutMs: 10 } };
    chain(pool, log, { a: { ...write, link: LINK_SOFT }, pause: { ...pause, link: LINK_HARD }, b: write });
    await timers.advance(10);
    manual.complete();
    await timers.advance(9);
    expect(manual.started.length).toBe(0);
    await timers.advance(1);
    manual.complete();
    expect(log).toEqual(['a', `pause:${ETIME}`, 'b']);
    chain(pool, log, { soft: { ...pause, link: LINK_SOFT }, c: write });
    await timers.advance(10);
    expect(log.slice(3)).toEqual([`soft:${ETIME}`, `c:${ECANCELED}`]);
  });

  it('can be reaped, and waited for by a thread that does not return to its event loop', () => {
    const timers = new VirtualTimers();
    const { pool, manual } = manualPool({ timers, polled: false });
    const op = fill(pool.allocate(), { timer: { timeoutMs: 20 }, callback: queueCompletion });
    pool.submit(op);
    expect(pool.waitComplete(5)).toBe('ETIME');
    expect(pool.waitComplete()).toBe(op);
    expect([op.error, timers.nowMs]).toEqual([ETIME, 1_000_020]);
    pool.submit(op);
    timers.nowMs += 20;
    expect([pool.poll(), pool.reap()]).toEqual([1, op]);
    expect(manual.started.length).toBe(0);
  });

  it('ends the wait for an operation that does not end', () => {
    const device = openNull();
    const pool = new AioServicePool(device);
    const op = fill(pool.allocate(), { timer: { timeoutMs: 1 }, callback: queueCompletion });
    pool.submit(op);
    expect(pool.waitComplete(10_000)).toBe(op);
    expect(op.error).toBe(ETIME);
  });

  it('that waits for completions alone can be waited for while there is something that completes', () => {
    const { pool, log, manual } = manualPool();
    start(pool, log, 'counter', { timer: { timeoutMs: Number.POSITIVE_INFINITY, count: 1 } });
    expect(() => pool.wait(1000)).toThrow(expect.objectContaining({ code: 'EDEADLK' }));
    start(pool, log, 'a', write);
    while (pool.inFlight > 0) pool.wait(1000);
    expect([log, manual.started.length]).toEqual([['a', 'counter'], 0]);
  });

  it('that is not one is refused, and one cannot be synchronous', () => {
    const { pool } = manualPool();
    const op = pool.allocate();
    const wrong = [
      [{ timeoutMs: -1 }, 'ERR_OUT_OF_RANGE', 'timer.timeoutMs'],
      [{ timeoutMs: Number.NaN }, 'ERR_OUT_OF_RANGE', 'timer.timeoutMs'],
      [{ timeoutMs: 1, count: -1 }, 'ERR_OUT_OF_RANGE', 'timer.count'],
      [{ timeoutMs: 1, count: 1, link: true }, 'ERR_OUT_OF_RANGE', 'timer.count'],
      [{ timeoutMs: 1, link: 1 }, 'ERR_INVALID_ARG_TYPE', 'timer.link'],
      [5, 'ERR_INVALID_ARG_TYPE', 'timer'],
    ] as const;
    for (const [timer, code, message] of wrong) {
      expect(() => Object.assign(op, { timer })).toThrow(
        expect.objectContaining({ code, message: expect.stringContaining(message) }),
      );
    }
    op.timer = { timeoutMs: 1 };
    expect(() => pool.submit(op)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    op.timer = null;
    expect(pool.submit(fill(op))).toBe(0);
  });

  it('is gone from an operation that was given back', () => {
    const { pool } = manualPool();
    const op = pool.allocate();
    op.timer = { timeoutMs: 1 };
    pool.release(op);
    expect(pool.allocate().timer).toBe(null);
  });

  it('is cancelled by a close that cancels', async () => {
    const { pool, log } = manualPool();
    start(pool, log, 'timer', { timer: { timeoutMs: 2 ** 40 } });
    await pool.close({ cancel: true });
    expect(log).toEqual([`timer:${ECANCELED}`]);
  });
});
