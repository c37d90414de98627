import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type AioOpHandle, AioOpWaiter, AioServicePool, queueCompletion } from '@biodone/aio';
import { BLOCK_DISCARD } from '@biodone/blockdev';
import { EIO } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';

/** A thread that waits for an operation. */
async function waiter(handle: AioOpHandle, how: 'delivered' | 'available' | 'async'): Promise<{ answer: Promise<unknown> }> {
  const worker = new Worker(new URL('./support/wait-for-operation.mjs', import.meta.url), { workerData: { handle, how } });
  await once(worker, 'message');
  const answer = once(worker, 'message').then(([message]) => message);
  return { answer };
}

describe('another thread', () => {
  it.each(['delivered', 'async'] as const)('waits for an operation, and hears how it ended: %s', async (how) => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const op = start(pool, [], 'a');
    const { answer } = await waiter(op.handle(), how);
    manual.complete(undefined, EIO, 100);
    expect(await answer).toEqual({ error: EIO, transferredBytes: 100 });
  });

  it('waits until the operation is its owner’s again, which is after the callback', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const op = fill(pool.allocate());
    const words = new Int32Array(new SharedArrayBuffer(4));
    op.callback = () => void Atomics.store(words, 0, 1);
    pool.submit(op);
    const { answer } = await waiter(op.handle(), 'available');
    manual.complete();
    expect([await answer, words[0]]).toEqual([true, 1]);
  });
});

describe('a handle', () => {
  it('is for one use: of a later one it says ESTALE, and never hears', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const op = start(pool, [], 'a');
    const first = op.handle();
    manual.complete();
    const again = start(pool, [], 'b');
    expect(again).toBe(op);
    const second = again.handle();
    expect(new AioOpWaiter(first).wait(0)).toEqual({ error: 0, transferredBytes: 512 });
    expect(new AioOpWaiter(second).wait(0)).toBe(null);
    expect([new AioOpWaiter(first).done, new AioOpWaiter(second).done]).toEqual([true, false]);
    manual.complete();
    expect(() => new AioOpWaiter(first).wait(0)).toThrow(expect.objectContaining({ code: 'ESTALE' }));
    expect(new AioOpWaiter(second).wait(0)).toEqual({ error: 0, transferredBytes: 512 });
  });

  it('sees the outcome before the callback runs, and the operation is available after', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const op = fill(pool.allocate());
    const handle = op.handle();
    const seen: unknown[] = [];
    op.callback = () => {
      seen.push(new AioOpWaiter(handle).wait(0), new AioOpWaiter(handle).waitAvailable(0));
    };
    pool.submit(op);
    manual.complete();
    expect(seen).toEqual([{ error: 0, transferredBytes: 512 }, false]);
    expect(new AioOpWaiter(handle).waitAvailable(0)).toBe(true);
  });

  it('hears of synchronous operations, cancelled ones, and of those that nobody has reaped', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const op = fill(pool.allocate(), { callback: null });
    const handle = op.handle();
    pool.submit(op);
    expect(new AioOpWaiter(handle).wait(0)).toEqual({ error: 0, transferredBytes: 512 });
    op.signal = AbortSignal.abort();
    const aborted = op.handle();
    pool.submit(op);
    expect(new AioOpWaiter(aborted).wait(0)).toEqual({ error: 125, transferredBytes: 0 });
    op.signal = null;
    start(pool, [], 'busy');
    op.callback = queueCompletion;
    pool.submit(op);
    const next = op.handle();
    pool.cancel(op);
    pool.poll();
    expect(new AioOpWaiter(next).wait(0)).toEqual({ error: 125, transferredBytes: 0 });
    const last = op.handle();
    expect(new AioOpWaiter(last).wait(0)).toEqual({ error: 125, transferredBytes: 0 });
    expect(new AioOpWaiter(last).waitAvailable(0)).toBe(false);
    pool.reap();
    expect(new AioOpWaiter(last).waitAvailable(0)).toBe(true);
    expect(new AioOpWaiter(op.handle()).wait(0)).toBe(null);
  });

  it('comes with real primitives: a lock and two conditions', () => {
    const { device, complete } = openManual();
    const pool = new AioServicePool(device);
    const op = start(pool, [], 'a');
    op.mtx.enter();
    let told = false;
    op.delivered.waitCallback(op.mtx, () => {
      told = true;
      op.mtx.exit();
    });
    expect(op.delivered.hasWaiters()).toBe(true);
    complete();
    return new Promise<void>((resolve) => {
      setImmediate(() => {
        expect(told).toBe(true);
        resolve();
      });
    });
  });
});

describe('a completion waits for no thread that has the lock', () => {
  it('neither its own, and who waits hears of it when the lock is free', async () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device, { depth: 1 });
    const log: string[] = [];
    const op = start(pool, log, 'a');
    const waiter = new AioOpWaiter(op.handle());
    const { mtx, delivered } = op;
    mtx.enter();
    // As who has looked at it, and is about to sleep when it ends.
    expect(waiter.done).toBe(false);
    manual.complete();
    expect([log, pool.inFlight, waiter.done, waiter.wait(0)]).toEqual([['a'], 0, true, { error: 0, transferredBytes: 512 }]);
    await delivered.waitAsync(mtx);
    mtx.exit();
    // And once more, with nobody in the way.
    const again = start(pool, log, 'b');
    expect(again).toBe(op);
    manual.complete();
    expect(log).toEqual(['a', 'b']);
  });

  it('nor a dead one, which leaves the lock to the others', async () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const op = start(pool, log, 'a');
    const handle = op.handle();
    const script = `
      const { workerData, parentPort } = require('node:worker_threads');
      import('@biodone/sync').then(({ KMutex }) => {
        new KMutex(workerData.memory, 0).enter();
        parentPort.postMessage('owns it');
        setInterval(() => {}, 1000);
      });`;
    const worker = new Worker(script, { eval: true, workerData: handle });
    await once(worker, 'message');
    const { threadId } = worker;
    expect(op.mtx.tryEnter()).toBe(false);
    await worker.terminate();
    // Where nobody can find out by himself whether a thread is alive.
    op.mtx.ownerExited(threadId);
    manual.complete();
    expect(log).toEqual(['a']);
    await op.mtx.enterAsync();
    if (op.mtx.ownerDied()) op.mtx.makeConsistent();
    op.mtx.exit();
  });

  it('nor for a lock that nobody can take any more', async () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const op = start(pool, log, 'a');
    const script = `
      const { workerData } = require('node:worker_threads');
      import('@biodone/sync').then(({ KMutex }) => {
        new KMutex(workerData.memory, 0).enter();
        process.exit();
      });`;
    const worker = new Worker(script, { eval: true, workerData: op.handle() });
    const { threadId } = worker;
    await once(worker, 'exit');
    op.mtx.ownerExited(threadId);
    expect(op.mtx.enter()).toBe('EOWNERDEAD');
    // Without makeConsistent().
    op.mtx.exit();
    manual.complete();
    start(pool, log, 'b');
    manual.complete();
    expect([log, pool.inFlight]).toEqual([['a', 'b'], 0]);
  });
});

describe('an outcome', () => {
  it('is told in full, however many bytes were moved', () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    for (const bytes of [2 ** 31, 2 ** 32 - 1, 2 ** 33 + 5]) {
      const op = start(pool, [], 'a', { operation: BLOCK_DISCARD, lengthBytes: bytes });
      const handle = op.handle();
      manual.complete();
      expect(new AioOpWaiter(handle).wait(0)).toEqual({ error: 0, transferredBytes: bytes });
    }
    expect(() => new AioOpWaiter({ memory: new SharedArrayBuffer(8), use: 1 })).toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    );
  });
});
