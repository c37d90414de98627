import { type AioOp, AioServicePool, LINK_HARD, type PoolService, queueCompletion } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE, type BlockDevice, IO_DONE, IO_STARTED, LatencyHistogram, openMem } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

describe('the statistics of a pool', () => {
  it('have the latency by operation, from submit to the callback, what waits and what does not', async () => {
    const timers = new VirtualTimers();
    const { device, complete } = openManual({ timers });
    const pool = new AioServicePool(device, { inFlightMax: 1, timers });
    const log: string[] = [];
    start(pool, log, 'a');
    start(pool, log, 'b');
    start(pool, log, 'w', { operation: BLOCK_WRITE, lengthBytes: 1024 });
    for (let count = 0; count < 3; count++) {
      await timers.advance(2);
      complete();
      await settled();
    }
    const { operations, queueWait, queueWaitTotalUs, completed, errors, bytes } = pool.stats();
    expect({ completed, errors, bytes }).toEqual({ completed: 3, errors: 0, bytes: 2048 });
    expect(Object.keys(operations)).toEqual(['read', 'write']);
    expect(operations['read']).toMatchObject({ completed: 2, errors: 0, bytes: 1024, totalUs: 2000 + 4000 });
    expect(operations['read']?.latency.maxUs).toBe(4000);
    expect(operations['write']).toMatchObject({ completed: 1, errors: 0, bytes: 1024, totalUs: 6000 });
    expect(queueWait.count).toBe(2);
    expect(queueWait.maxUs).toBe(4000);
    expect(queueWaitTotalUs).toBe(2000 + 4000);
    // The device's own are without the wait.
    expect(device.statistics().operations['write']).toMatchObject({ totalUs: 2000 });
  });

  it('have the latency of operations that go straight to the device', async () => {
    const timers = new VirtualTimers();
    const { device, complete } = openManual({ timers });
    const pool = new AioServicePool(device, { timers });
    const log: string[] = [];
    for (let count = 1; count <= 4; count++) {
      start(pool, log, `${count}`);
      await timers.advance(count);
      complete();
      await settled();
    }
    expect(pool.stats().operations['read']).toMatchObject({ completed: 4, totalUs: 1000 + 2000 + 3000 + 4000 });
    expect(pool.stats().queueWait.count).toBe(0);
  });

  it('have the latency of what a thread waits for that never returns to its event loop', () => {
    const timers = new VirtualTimers();
    const { service, device } = sleepingService(timers);
    const pool = new AioServicePool(device, { service, timers });
    for (let count = 0; count < 100; count++) {
      const op = fill(pool.allocate(), { callback: queueCompletion });
      pool.submit(op);
      expect(pool.waitComplete()).toBe(op);
      pool.release(op);
      const timeout = fill(pool.allocate(), { timer: { timeoutMs: 10 }, callback: queueCompletion });
      pool.submit(timeout);
      expect(pool.waitComplete()).toBe(timeout);
      pool.release(timeout);
    }
    const { read, timeout } = pool.stats().operations;
    expect([read?.totalUs, timeout?.totalUs]).toEqual([1_000_000, 1_000_000]);
  });

  it('have timeouts in rows of their own, by the names that they have everywhere', async () => {
    const timers = new VirtualTimers();
    const { device, complete } = openManual({ timers, polled: false });
    const pool = new AioServicePool(device, { timers });
    start(pool, [], 'timeout', { timer: { timeoutMs: 7 } });
    const covered = fill(pool.allocate(), { callback: () => {}, operation: BLOCK_WRITE, link: LINK_HARD });
    const limit = fill(pool.allocate(), { callback: () => {}, timer: { timeoutMs: 9, link: true } });
    expect(pool.submitAll([covered, limit])).toBe(2);
    expect(pool.dump().map(({ operation }) => operation)).toEqual(['timeout', 'write', 'link-timeout']);
    complete();
    await settled();
    await timers.advance(7);
    const { operations, completed, errors } = pool.stats();
    expect({ completed, errors }).toEqual({ completed: 3, errors: 2 });
    expect(Object.keys(operations).sort()).toEqual(['link-timeout', 'timeout', 'write']);
    expect(operations['timeout']).toMatchObject({ completed: 1, errors: 1, bytes: 0, totalUs: 7000 });
    expect(operations['link-timeout']).toMatchObject({ completed: 1, totalUs: 0 });
  });

  it.each([20, 36, 60, 72, 200, 10_000])('know how old an operation is that hangs for %d minutes', async (minutes) => {
    const timers = new VirtualTimers();
    const { device, complete } = openManual({ timers, polled: false });
    const pool = new AioServicePool(device, { timers, inFlightMax: 1 });
    start(pool, [], 'a');
    start(pool, [], 'b');
    timers.nowMs += minutes * 60_000;
    await settled();
    expect(pool.dump().map(({ ageMs }) => ageMs)).toEqual([minutes * 60_000, minutes * 60_000]);
    complete();
    await settled();
    complete();
    const { read } = pool.stats().operations;
    // Latencies are counted up to this one.
    const longestUs = Math.min(minutes * 60e6, 2 ** 31 - 1);
    expect(read).toMatchObject({ completed: 2, totalUs: 2 * longestUs });
    expect([read?.latency.maxUs, pool.stats().queueWait.maxUs]).toEqual([longestUs, longestUs]);
  });

  it('count a flush’s wait for what it covers', async () => {
    const timers = new VirtualTimers();
    const { device, complete } = openManual({ timers });
    const pool = new AioServicePool(device, { timers });
    const log: string[] = [];
    start(pool, log, 'w', { operation: BLOCK_WRITE });
    start(pool, log, 'f', { operation: BLOCK_FLUSH, lengthBytes: 0 });
    await timers.advance(7);
    complete();
    await settled();
    await timers.advance(1);
    complete();
    await settled();
    expect(pool.stats().operations['fsync']).toMatchObject({ completed: 1, totalUs: 8000 });
    expect(pool.stats().queueWaitTotalUs).toBe(7000);
  });

  it('count errors by operation, and those of what is no operation', async () => {
    const { device, complete } = openManual();
    const pool = new AioServicePool(device);
    const log: string[] = [];
    start(pool, log, 'a');
    complete(undefined, 5, 0);
    start(pool, log, 'unknown', { operation: 77 as never });
    await settled();
    const { completed, errors, operations, submitted } = pool.stats();
    expect({ submitted, completed, errors }).toEqual({ submitted: 2, completed: 2, errors: 2 });
    expect(operations['read']).toMatchObject({ completed: 1, errors: 1 });
    expect(Object.keys(operations)).toEqual(['read']);
  });

  it('and the dump count the age of what a service has from when it got it', async () => {
    const timers = new VirtualTimers();
    const started: AioOp[] = [];
    const service: PoolService = {
      start: (op) => void started.push(op),
      abort: () => 'in-progress',
      poll: () => 0,
      wait: () => 0,
      close: async () => {},
    };
    const complete = (): void => {
      const op = started.shift() as AioOp;
      op.transferredBytes = op.lengthBytes;
      op.state = IO_DONE;
      op.iodone?.(op);
    };
    const pool = new AioServicePool(openManual({ timers }).device, { service, inFlightMax: 1, timers });
    const log: string[] = [];
    start(pool, log, 'a');
    start(pool, log, 'b');
    await timers.advance(5);
    expect(pool.dump().map(({ phase, ageMs }) => [phase, ageMs])).toEqual([
      ['started', 5],
      ['queued', 5],
    ]);
    complete();
    await timers.advance(2);
    expect(pool.dump().map(({ phase, ageMs }) => [phase, ageMs])).toEqual([['started', 2]]);
    complete();
    expect(pool.stats()).toMatchObject({ completed: 2, queueWaitTotalUs: 5000 });
    expect(pool.stats().operations['read']?.totalUs).toBe(5000 + 7000);
  });

  it('have the latency of what service threads do', { timeout: 30_000 }, async () => {
    const device = openMem(65536);
    const pool = new AioServicePool(device, { service: 'threads', threads: 1 });
    for (let count = 0; count < 8; count++) {
      await new Promise<void>((resolve) => {
        pool.submit(fill(pool.allocate(), { callback: () => resolve() }));
      });
    }
    const { operations } = pool.stats();
    expect(operations['read']).toMatchObject({ completed: 8, bytes: 8 * 512 });
    expect(operations['read']?.latency.count).toBe(8);
    expect(operations['read']?.totalUs).toBeGreaterThan(0);
    await pool.close();
    await device.close();
  });
});

it('histograms can be added', () => {
  const one = new LatencyHistogram();
  const other = new LatencyHistogram();
  for (const us of [1, 100, 5000]) one.record(us);
  for (const us of [100, 70_000]) other.record(us);
  one.add(other);
  expect(one.count).toBe(5);
  expect(one.maxUs).toBe(70_000);
  expect(one.buckets().map(({ count }) => count)).toEqual([1, 2, 1, 1]);
  expect(other.count).toBe(2);
});

/** What takes 10 ms for each operation, in which the thread sleeps. */
function sleepingService(timers: VirtualTimers): { readonly service: PoolService; readonly device: BlockDevice } {
  const ops: AioOp[] = [];
  const wait = (): number => {
    timers.sleep(10);
    const op = ops.shift() as AioOp;
    op.state = IO_DONE;
    op.iodone?.(op);
    return 1;
  };
  const begin = (op: AioOp): void => {
    op.state = IO_STARTED;
    ops.push(op);
  };
  const service: PoolService = { start: begin, abort: () => 'in-progress', poll: () => 0, wait, close: () => Promise.resolve() };
  return { service, device: openMem(65536) };
}
