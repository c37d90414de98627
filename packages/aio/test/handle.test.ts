import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type AioOpHandle, AioOpWaiter, AioServicePool, queueCompletion } from '@biodone/aio';
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
