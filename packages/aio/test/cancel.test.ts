import { AioOp, AioServicePool, OrderingKey } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, openFile } from '@biodone/blockdev';
import { ECANCELED, EIO, ETIMEDOUT } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolder } from './support/files.js';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { seededRandom } from './support/random.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const folder = makeFolder();
afterAll(() => folder.remove());

describe('cancelling an operation', () => {
  it('that is queued ends it, and it completes through its callback, which does not run inside', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const log: string[] = [];
    start(pool, log, 'a');
    const b = start(pool, log, 'b');
    expect(pool.cancel(b)).toBe('cancelled');
    expect(log).toEqual([]);
    expect(pool.cancel(b)).toBe('done');
    await settled();
    expect(log).toEqual([`b:${ECANCELED}`]);
    manual.completeAll();
    expect(log).toEqual([`b:${ECANCELED}`, 'a']);
  });

  it('that is a flush ends it with ECANCELED, whatever has become of what it covers', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'a', { operation: BLOCK_WRITE });
    start(pool, log, 'b', { operation: BLOCK_WRITE });
    const flush = start(pool, log, 'flush', { operation: BLOCK_FLUSH, lengthBytes: 0 });
    manual.complete(undefined, EIO, 0);
    expect(pool.cancel(flush)).toBe('cancelled');
    await settled();
    expect(log).toEqual([`a:${EIO}`, `flush:${ECANCELED}`]);
    manual.complete();
  });

  it('that the driver has asks the driver, and says what that has said', async () => {
    for (const abortable of [true, false]) {
      const manual = openManual({ abortable });
      const pool = new AioServicePool(manual.device);
      const log: string[] = [];
      const op = start(pool, log, 'a');
      expect(pool.cancel(op)).toBe(abortable ? 'cancelled' : 'in-progress');
      expect(log).toEqual([]);
      if (!abortable) manual.complete();
      await settled();
      expect(log).toEqual([abortable ? `a:${ECANCELED}` : 'a']);
    }
  });

  it('that the device holds ends it', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    await manual.device.quiesce();
    const log: string[] = [];
    const op = start(pool, log, 'a');
    expect([pool.cancel(op), log]).toEqual(['cancelled', []]);
    await settled();
    expect(log).toEqual([`a:${ECANCELED}`]);
    manual.device.resume();
  });

  it('that is done says so, also when its callback is still to come', async () => {
    const { device } = openManual();
    const pool = new AioServicePool(device);
    const log: string[] = [];
    const invalid = start(pool, log, 'invalid', { offset: -1 });
    expect([pool.cancel(invalid), log]).toEqual(['done', []]);
    await settled();
    expect(log).toEqual(['invalid:22']);
  });

  it('by an id of an earlier use leaves the use that there is now alone', async () => {
    const manual = openManual({ abortable: true });
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const op = start(pool, log, 'first');
    const { id } = op;
    manual.complete();
    const again = start(pool, log, 'second');
    expect(again).toBe(op);
    expect(pool.cancel(id)).toBe('done');
    expect(pool.find(id)).toBe(null);
    manual.complete();
    expect(log).toEqual(['first', 'second']);
    const third = start(pool, log, 'third');
    expect(pool.find(third.id)).toBe(third);
    expect(pool.cancel(third.id)).toBe('cancelled');
    expect(() => pool.cancel(12345)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
    expect(() => pool.cancel(-1)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
  });

  it('is refused for one that is with another pool', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const op = start(pool, [], 'a');
    expect(() => new AioServicePool(manual.device).cancel(op)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});

describe('cancelling many', () => {
  function loaded() {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 2 });
    const log: string[] = [];
    start(pool, log, 'r1');
    start(pool, log, 'w1', { operation: BLOCK_WRITE });
    start(pool, log, 'r2');
    start(pool, log, 'w2', { operation: BLOCK_WRITE });
    const orderingKey = new OrderingKey();
    start(pool, log, 'w3', { operation: BLOCK_WRITE, orderingKey });
    start(pool, log, 'w4', { operation: BLOCK_WRITE, orderingKey });
    start(pool, log, 'f', { operation: BLOCK_FLUSH, lengthBytes: 0 });
    return { manual, pool, log };
  }

  it('ends all that wait, and says how many go on', async () => {
    const { manual, pool, log } = loaded();
    expect(pool.cancelAll()).toEqual({ cancelled: 5, inProgress: 2 });
    await settled();
    expect(log.sort()).toEqual(['f', 'r2', 'w2', 'w3', 'w4'].map((name) => `${name}:${ECANCELED}`));
    expect(manual.started.length).toBe(2);
    manual.completeAll();
    expect(pool.inFlight).toBe(0);
    expect(pool.stats().cancels).toEqual({ cancelled: 5, 'in-progress': 2, done: 0 });
  });

  it('ends what a drain holds, and starts none of it', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    start(pool, log, 'a');
    start(pool, log, 'drain', { drain: true });
    start(pool, log, 'b');
    start(pool, log, 'second drain', { drain: true });
    start(pool, log, 'c');
    expect(pool.cancelAll()).toEqual({ cancelled: 4, inProgress: 1 });
    expect(manual.started.length).toBe(1);
    manual.complete();
    await settled();
    expect(log.length).toBe(5);
    start(pool, log, 'd');
    expect(manual.started.length).toBe(1);
  });

  it('can be about one class of operations', async () => {
    const { manual, pool, log } = loaded();
    expect(pool.cancelAll({ operation: BLOCK_WRITE })).toEqual({ cancelled: 3, inProgress: 1 });
    await settled();
    manual.completeAll();
    await settled();
    // The flush covers the writes, and they have failed.
    expect(log.sort()).toEqual([`f:${ECANCELED}`, 'r1', 'r2', 'w1', `w2:${ECANCELED}`, `w3:${ECANCELED}`, `w4:${ECANCELED}`]);
  });

  it('can be about a file, through all of its pools', async () => {
    const manual = openManual();
    const pools = [new AioServicePool(manual.device, { inFlightMax: 1 }), new AioServicePool(manual.device)] as const;
    const log: string[] = [];
    for (const pool of pools) for (const name of ['a', 'b']) start(pool, log, name);
    expect(pools[0].file.cancelAll()).toEqual({ cancelled: 1, inProgress: 3 });
    manual.completeAll();
    await settled();
    expect(log.sort()).toEqual(['a', 'a', 'b', `b:${ECANCELED}`]);
  });
});

describe('cancelling synchronously', () => {
  it('returns when the operation is done, and says how', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const log: string[] = [];
    const a = start(pool, log, 'a');
    const b = start(pool, log, 'b');
    expect(pool.cancelSync(b)).toBe('cancelled');
    expect(log).toContain(`b:${ECANCELED}`);
    expect(pool.cancelSync(a)).toBe('done');
    expect(log).toContain('a');
    expect(pool.cancelSync(a)).toBe('done');
  });

  it('gives up at its deadline with ETIME, and the operation completes later', () => {
    const timers = new VirtualTimers();
    const manual = openManual({ polled: false, timers });
    const pool = new AioServicePool(manual.device, { timers });
    const log: string[] = [];
    const op = start(pool, log, 'a');
    expect(pool.cancelSync(op, 0)).toBe('ETIME');
    manual.complete();
    expect(log).toEqual(['a']);
  });

  it('knows the use that it was about from the next one', () => {
    const manual = openManual({ abortable: true });
    const pool = new AioServicePool(manual.device);
    const op = start(pool, [], 'a');
    let calls = 0;
    op.callback = () => {
      calls += 1;
      if (calls === 1) pool.submit(op);
    };
    expect(pool.cancelSync(op)).toBe('cancelled');
    expect([calls, op.submitted]).toEqual([1, true]);
    manual.completeAll();
  });

  it('is refused where only the event loop can complete', async () => {
    const device = openFile(folder.numbered('loop', 1), { engine: 'fs' });
    const pool = new AioServicePool(device, { service: 'inline' });
    const op = start(pool, [], 'a');
    expect(() => pool.cancelSync(op)).toThrow(expect.objectContaining({ code: 'EDEADLK' }));
    await pool.close();
    await device.close();
  });
});

describe('a signal', () => {
  it('cancels what waits, and lets the kernel say what becomes of what it has started', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const log: string[] = [];
    const abort = new AbortController();
    start(pool, log, 'a', { signal: abort.signal });
    start(pool, log, 'b', { signal: abort.signal });
    abort.abort();
    await settled();
    expect(log).toEqual([`b:${ECANCELED}`]);
    manual.complete();
    expect(log).toEqual([`b:${ECANCELED}`, 'a']);
  });

  it('that has been aborted ends the operation before the device sees it, callback or not', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const op = start(pool, log, 'a', { signal: AbortSignal.abort() });
    expect([log, manual.started]).toEqual([[], []]);
    await settled();
    expect(log).toEqual([`a:${ECANCELED}`]);
    const synchronous = fill(pool.allocate(), { signal: AbortSignal.abort(), callback: null });
    pool.submit(synchronous);
    expect([synchronous.error, manual.ran]).toEqual([ECANCELED, []]);
    expect(op.signal).toBe(synchronous.signal);
  });

  it('can be given to any number of operations, without a warning', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const log: string[] = [];
    const abort = new AbortController();
    for (let count = 0; count < 50; count++) start(pool, log, 'a', { signal: abort.signal });
    abort.abort();
    await settled();
    process.off('warning', note);
    expect([log.length, warnings]).toEqual([49, []]);
    manual.complete();
    expect(log.length).toBe(50);
  });

  it('is not listened to any more when the operation is done, and is not the next user’s', async () => {
    const manual = openManual({ abortable: true });
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const abort = new AbortController();
    const op = start(pool, log, 'a', { signal: abort.signal });
    manual.complete();
    const next = start(pool, log, 'b');
    expect(next).toBe(op);
    expect(next.signal).toBe(null);
    abort.abort();
    manual.complete();
    expect(log).toEqual(['a', 'b']);
  });
});

describe('a deadline', () => {
  it('ends what waits with ETIMEDOUT, and leaves what has started', async () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers });
    const pool = new AioServicePool(manual.device, { timers, inFlightMax: 1 });
    const log: string[] = [];
    start(pool, log, 'a', { deadlineMs: 10 });
    start(pool, log, 'b', { deadlineMs: 20 });
    start(pool, log, 'c', { deadlineMs: 30 });
    await timers.advance(25);
    expect(log).toEqual([`b:${ETIMEDOUT}`]);
    manual.completeAll();
    expect(log).toEqual([`b:${ETIMEDOUT}`, 'a', 'c']);
    await settled();
    expect(timers.pending).toBe(0);
  });

  it('is ETIMEDOUT too of one that has started, where the driver can end it', async () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers, abortable: true });
    const pool = new AioServicePool(manual.device, { timers });
    const log: string[] = [];
    start(pool, log, 'a', { deadlineMs: 10 });
    await timers.advance(10);
    expect([log, manual.started.length]).toEqual([[`a:${ETIMEDOUT}`], 0]);
  });

  it('that comes when a cancel has ended it, and it has not been told, changes nothing of that', () => {
    const timers = new VirtualTimers();
    const pool = new AioServicePool(openManual({ timers, abortable: true }).device, { timers });
    const log: string[] = [];
    const op = start(pool, log, 'late', { deadlineMs: 10 });
    expect(pool.cancel(op)).toBe('cancelled');
    timers.nowMs += 20;
    pool.poll();
    expect(log).toEqual([`late:${ECANCELED}`]);
  });

  it('comes to a thread that does not return to its event loop: in poll, and in a wait, which it ends', () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers, polled: false });
    const pool = new AioServicePool(manual.device, { timers, inFlightMax: 1 });
    const log: string[] = [];
    start(pool, log, 'a');
    start(pool, log, 'b', { deadlineMs: 10 });
    timers.nowMs += 10;
    pool.poll();
    expect(log).toEqual([`b:${ETIMEDOUT}`]);
    start(pool, log, 'drain', { drain: true });
    start(pool, log, 'c', { deadlineMs: 10 });
    manual.complete();
    // The device has the drain, which does not end.
    manual.device.wait = (timeoutMs) => {
      timers.nowMs += timeoutMs;
      return 'ETIME';
    };
    while (log.length < 3) pool.wait(Number.POSITIVE_INFINITY);
    expect(log.slice(1)).toEqual(['a', `c:${ETIMEDOUT}`]);
    expect(pool.wait(5)).toBe('ETIME');
  });

  it('sets one timer of the thread, however many there are, and keeps no longer than they do', async () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers });
    const pool = new AioServicePool(manual.device, { timers, inFlightMax: 1 });
    const log: string[] = [];
    start(pool, log, 'busy');
    for (const deadlineMs of [30, 10, 20]) start(pool, log, `${deadlineMs}`, { deadlineMs });
    expect(timers.pending).toBe(1);
    await timers.advance(15);
    expect([log, timers.pending]).toEqual([[`10:${ETIMEDOUT}`], 1]);
    manual.completeAll();
    // Until the end of the turn, in which another deadline may come.
    await settled();
    expect([log.slice(1), timers.pending]).toEqual([['busy', '30', '20'], 0]);
  });

  it('that is no time is refused', () => {
    expect(() => fill(new AioOp(), { deadlineMs: -1 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    expect(() => fill(new AioOp(), { deadlineMs: Number.NaN })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });
});

describe('a callback of a cancelled operation', () => {
  it('can submit, cancel, release, poll and close', async () => {
    const manual = openManual({ abortable: true });
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const log: string[] = [];
    start(pool, log, 'a');
    const b = start(pool, log, 'b');
    const c = start(pool, log, 'c', { operation: BLOCK_READ });
    let closed: Promise<void> | null = null;
    b.callback = () => {
      log.push('b');
      start(pool, log, 'd');
      pool.cancel(c);
      pool.poll();
      closed = pool.close({ cancel: true });
      pool.release(b);
    };
    pool.cancel(b);
    await settled();
    await closed;
    expect(log.map((name) => name[0]).sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(pool.inFlight).toBe(0);
  });
});

describe('cancelAll of a file', () => {
  it('starts nothing that it is still to cancel, in whatever pool that is', async () => {
    const manual = openManual({ polled: false });
    const pools = [new AioServicePool(manual.device), new AioServicePool(manual.device)] as const;
    const log: string[] = [];
    start(pools[0], log, 'started');
    start(pools[0], log, 'drain', { drain: true });
    for (const pool of pools) start(pool, log, 'held');
    expect(pools[0].file.cancelAll()).toEqual({ cancelled: 3, inProgress: 1 });
    expect(manual.started.length).toBe(1);
    await settled();
    expect(log).toEqual([`drain:${ECANCELED}`, `held:${ECANCELED}`, `held:${ECANCELED}`]);
    start(pools[1], log, 'later');
    expect(manual.started.length).toBe(2);
  });
});

describe('deadlines', () => {
  it('come in their order, however they are set and stopped', async () => {
    const random = seededRandom('deadlines');
    const timers = new VirtualTimers();
    const manual = openManual({ timers, polled: false });
    const pool = new AioServicePool(manual.device, { timers, inFlightMax: 1, depth: 2000 });
    start(pool, [], 'busy');
    const told: number[] = [];
    const expected: number[] = [];
    const ops = Array.from({ length: 1000 }, () => {
      const deadlineMs = 1 + random(200);
      const callback = ({ error }: AioOp): void => void (error === ETIMEDOUT && told.push(deadlineMs));
      const op = fill(pool.allocate(), { deadlineMs, callback });
      pool.submit(op);
      return { op, deadlineMs };
    });
    for (const { op, deadlineMs } of ops) {
      if (random(3) === 0) pool.cancel(op);
      else expected.push(deadlineMs);
    }
    await timers.advance(200);
    expect(told).toEqual(expected.sort((one, other) => one - other));
    expect([pool.inFlight, timers.pending]).toEqual([1, 0]);
  });
});
