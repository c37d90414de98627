import { type AioOp, LINK_HARD, queueCompletion } from '@biodone/aio';
import { BLOCK_READ } from '@biodone/blockdev';
import { EALREADY, ECANCELED, ETIME } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { chain, manualPool } from './support/chains.js';
import { fill, start } from './support/operations.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

/** A pool with a timeout that writes down what it is told, and when. */
function ticking(timer: { timeoutMs: number; shots: number }, then: (op: AioOp, told: string[]) => void = () => {}) {
  const timers = new VirtualTimers();
  const { pool, manual, log } = manualPool({ timers, depth: 2 });
  const told: string[] = [];
  const beginMs = timers.now();
  const op = fill(pool.allocate(), {
    timer,
    callback: (shot) => {
      told.push(`${timers.now() - beginMs}:${shot.error}${shot.more ? ' more' : ''}`);
      then(shot, told);
    },
  });
  expect(pool.submit(op)).toBe(0);
  return { timers, pool, manual, log, told, op };
}

describe('a timeout of several shots', () => {
  it('is told each time, and completes with the last', async () => {
    const { timers, pool, told, op } = ticking({ timeoutMs: 10, shots: 3 });
    const { id } = op;
    await timers.advance(9);
    expect(told).toEqual([]);
    await timers.advance(1);
    expect([told, pool.inFlight, op.submitted, op.id, op.more]).toEqual([[`10:${ETIME} more`], 1, true, id, true]);
    await timers.advance(100);
    expect(told).toEqual([`10:${ETIME} more`, `20:${ETIME} more`, `30:${ETIME}`]);
    expect([pool.inFlight, timers.pending, pool.stats().completed]).toEqual([0, 0, 1]);
  });

  it('keeps its place, and ends by a cancel from its own callback or from elsewhere', async () => {
    for (const inCallback of [true, false]) {
      const shots = Number.POSITIVE_INFINITY;
      const { timers, pool, told, op, log } = ticking({ timeoutMs: 5, shots }, (shot, { length }) => {
        if (inCallback && length === 3) expect(pool.cancel(shot.id)).toBe('cancelled');
      });
      start(pool, log, 'other');
      expect(pool.submit(fill(pool.allocate(), { callback: () => {} }))).toBe(11);
      await timers.advance(16);
      if (!inCallback) expect(pool.cancel(op)).toBe('cancelled');
      await settled();
      expect(told).toEqual([5, 10, 15].map((ms) => `${ms}:${ETIME} more`).concat(`${inCallback ? 15 : 16}:${ECANCELED}`));
      await timers.advance(100);
      expect([told.length, timers.pending]).toEqual([4, 0]);
    }
  });

  it('on a thread that is late misses what is over, and goes on from then', () => {
    const { timers, pool, told } = ticking({ timeoutMs: 10, shots: 3 });
    timers.nowMs += 35;
    expect(pool.poll()).toBe(1);
    expect(pool.poll()).toBe(0);
    timers.nowMs += 10;
    expect(pool.poll()).toBe(1);
    timers.nowMs += 10;
    expect(pool.wait(0)).toBe(1);
    expect(told).toEqual([`35:${ETIME} more`, `45:${ETIME} more`, `55:${ETIME}`]);
  });

  it('has its last shot when the one before it has been told', async () => {
    const { timers, pool, told } = ticking({ timeoutMs: 10, shots: 2 });
    timers.fire(25);
    expect([told, pool.inFlight]).toEqual([[], 1]);
    await settled();
    expect([told, pool.inFlight]).toEqual([[`25:${ETIME} more`], 1]);
    await timers.advance(4);
    expect(told.length).toBe(1);
    await timers.advance(1);
    expect(told).toEqual([`25:${ETIME} more`, `30:${ETIME}`]);
    expect([pool.inFlight, timers.pending]).toEqual([0, 0]);
  });

  it('has as many shots as it was given, though some come before the one before them could be told, and are one with it', async () => {
    const { timers, pool, told } = ticking({ timeoutMs: 10, shots: 3 });
    timers.fire(25);
    await settled();
    await timers.advance(20);
    expect(told).toEqual([`25:${ETIME} more`, `30:${ETIME} more`, `40:${ETIME}`]);
    expect([pool.inFlight, timers.pending]).toEqual([0, 0]);
  });

  it('that was ended before it could be told is not told of', async () => {
    const { timers, pool, told, op } = ticking({ timeoutMs: 10, shots: 3 });
    timers.nowMs += 10;
    const other = fill(pool.allocate(), { timer: { timeoutMs: 0 }, callback: () => {} });
    pool.submit(other);
    await timers.advance(0);
    told.length = 0;
    timers.nowMs += 10;
    pool.cancel(op);
    await settled();
    expect(told).toEqual([`20:${ECANCELED}`]);
  });

  it('belongs to the pool until it completes, whatever its callback does', () => {
    const refused: unknown[] = [];
    const { timers, pool, told, op } = ticking({ timeoutMs: 10, shots: 3 }, (shot) => {
      for (const use of [() => pool.release(shot), () => pool.submit(shot)]) {
        try {
          if (shot.more) use();
        } catch (error) {
          refused.push((error as NodeJS.ErrnoException).code);
        }
      }
    });
    for (let shot = 0; shot < 3; shot++) {
      timers.nowMs += 10;
      pool.poll();
    }
    expect([told.length, pool.inFlight, op.submitted]).toEqual([3, 0, false]);
    expect(refused).toEqual(['EBUSY', 'EALREADY', 'EBUSY', 'EALREADY']);
  });

  it('in a chain is a step of all its shots', async () => {
    const timers = new VirtualTimers();
    const { pool, log, manual } = manualPool({ timers });
    chain(pool, log, { tick: { timer: { timeoutMs: 10, shots: 2 }, link: LINK_HARD }, read: { operation: BLOCK_READ } });
    await timers.advance(10);
    expect([log, manual.started.length]).toEqual([[`tick:${ETIME}`], 0]);
    await timers.advance(10);
    expect([log, manual.started.length]).toEqual([[`tick:${ETIME}`, `tick:${ETIME}`], 1]);
    manual.completeAll();
  });

  it('is reaped when it completes: a shot is no completion', () => {
    const { timers, pool, op } = ticking({ timeoutMs: 10, shots: 2 }, (shot) => {
      if (shot.more) expect(() => queueCompletion(shot)).toThrow(expect.objectContaining({ errno: -EALREADY }));
      else queueCompletion(shot);
    });
    timers.nowMs += 10;
    expect([pool.poll(), pool.reap()]).toEqual([1, null]);
    timers.nowMs += 10;
    expect([pool.poll(), pool.reap()]).toEqual([1, op]);
  });

  it.each([
    { timeoutMs: 10, shots: 0 },
    { timeoutMs: 10, shots: 1.5 },
    { timeoutMs: 0, shots: 2 },
    { timeoutMs: Number.POSITIVE_INFINITY, shots: 2 },
    { timeoutMs: 10, shots: 2, absolute: true },
    { timeoutMs: 10, shots: 2, link: true },
    { timeoutMs: 10, shots: 2, count: 1 },
  ])('%o is refused', (timer) => {
    const { pool } = manualPool();
    expect(() => fill(pool.allocate(), { timer })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });
});
