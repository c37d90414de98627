import { Worker } from 'node:worker_threads';
import {
  AioServiceClass,
  AioServicePool,
  EBADF,
  LINK_SOFT,
  OrderingKey,
  PoolCloseError,
  type PoolService,
  promises,
  queueCompletion,
  type SpawnServiceThread,
} from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE, openFile, openMem } from '@biodone/blockdev';
import { ECANCELED, EIO, ETIME, IoBuffer } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { GATE, openGate } from './support/gate-driver.mjs';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { openDescriptors, spawnScript, until } from './support/service.js';
import { VirtualTimers } from './support/virtual-timers.js';

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

let folder: Folder;
beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());

function loaded() {
  const timers = new VirtualTimers();
  const manual = openManual({ timers });
  const pool = new AioServicePool(manual.device, { timers, inFlightMax: 1 });
  const log: string[] = [];
  const orderingKey = new OrderingKey();
  start(pool, log, 'a', { operation: BLOCK_WRITE, orderingKey });
  start(pool, log, 'b', { operation: BLOCK_WRITE, orderingKey });
  start(pool, log, 'c');
  start(pool, log, 'f', { operation: BLOCK_FLUSH, lengthBytes: 0 });
  return { timers, manual, pool, log };
}

function errorOf(call: () => void): PoolCloseError {
  try {
    call();
  } catch (error) {
    return error as PoolCloseError;
  }
  throw new Error('nothing was thrown');
}

describe('closing a pool by blocking', () => {
  it('lets nothing in, and waits for what is queued, ordered and covered: their callbacks run inside', async () => {
    const { pool, log } = loaded();
    const told: number[] = [];
    pool.whenAvailable((error) => told.push(error), 0, 256);
    pool.closeSync();
    expect([...log].sort()).toEqual(['a', 'b', 'c', 'f']);
    expect([log.at(-1), pool.inFlight, pool.closed, told]).toEqual(['f', 0, true, [EBADF]]);
    expect(pool.submit(fill(pool.allocate(), { callback: () => {} }))).toBe(EBADF);
    expect([...pool.file.users]).toEqual([]);
    pool.closeSync();
    await pool.close();
  });

  it('with nothing under way tells who waits for the room that completions have which nobody reaps', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 1 });
    pool.submit(fill(pool.allocate(), { callback: queueCompletion }));
    pool.wait(0);
    const told: number[] = [];
    pool.whenAvailable((error) => told.push(error));
    expect([pool.inFlight, pool.unreapedCount]).toEqual([0, 1]);
    pool.closeSync();
    expect(told).toEqual([EBADF]);
  });

  it('can cancel first: what waits ends with ECANCELED and the normal notification', () => {
    const { pool, log } = loaded();
    pool.closeSync({ cancel: true });
    expect([...log].sort()).toEqual(['a', ...['b', 'c', 'f'].map((name) => `${name}:${ECANCELED}`)]);
  });

  it('waits for timeouts and for chains behind them, and tells at its deadline what has not ended', async () => {
    const { manual, timers, pool } = loaded();
    manual.completeAll();
    const log: string[] = [];
    const callback = ({ private: name, error }: { private: unknown; error: number }): void => void log.push(`${name}:${error}`);
    const timeout = Object.assign(pool.allocate(), { private: 'timeout', callback, timer: { timeoutMs: 50 }, link: 2 as const });
    const behind = fill(pool.allocate(), { private: 'behind', callback });
    expect(pool.submitAll([timeout, behind])).toBe(2);
    const error = errorOf(() => pool.closeSync({ deadlineMs: 30 }));
    expect(error).toBeInstanceOf(PoolCloseError);
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'close' });
    expect(error.operations.map(({ phase }) => phase).sort()).toEqual(['linked', 'timing']);
    expect(error.message).toMatch(/^ETIMEDOUT: .*2 operations have not ended in 30 ms: .*timeout /);
    expect([log, timers.slept]).toEqual([[], 30]);
    pool.closeSync({ deadlineMs: 30 });
    expect([log, timers.slept]).toEqual([[`timeout:${ETIME}`, 'behind:0'], 50]);
    await pool.close();
    expect(timers.pending).toBe(0);
  });

  it('does not block with a deadline of 0, and leaves what the kernel has to its end', async () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const { id } = start(pool, log, 'a');
    expect(errorOf(() => pool.closeSync({ deadlineMs: 0, cancel: true })).operations).toMatchObject([{ id, phase: 'started' }]);
    manual.complete();
    await pool.close();
    expect(log).toEqual(['a']);
    expect(() => pool.closeSync({ deadlineMs: -1 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('in a callback, whose operation submits itself again, ends', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const refused: number[] = [];
    for (let count = 0; count < 3; count++) {
      const op = fill(pool.allocate());
      op.callback = () => {
        pool.closeSync();
        refused.push(pool.submit(op));
      };
      pool.submit(op);
    }
    pool.closeSync();
    expect([refused, pool.inFlight]).toEqual([[EBADF, EBADF, EBADF], 0]);
  });

  it('that gives up tells of no completion that is only not reaped, as the close of the event loop', async () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    const kept = fill(pool.allocate(), { callback: queueCompletion });
    pool.submit(kept);
    manual.complete();
    pool.poll();
    const { id } = start(pool, [], 'a');
    const late: PoolCloseError[] = [errorOf(() => pool.closeSync({ deadlineMs: 0 }))];
    late.push(await pool.close({ deadlineMs: 0 }).catch((error) => error));
    expect(late.map(({ operations }) => operations.map((operation) => operation.id))).toEqual([[id], [id]]);
    manual.complete();
    pool.closeSync();
    expect(pool.reap()).toBe(kept);
  });

  it('keeps completions, which can be reaped after it', () => {
    const pool = new AioServicePool(openManual().device);
    const op = fill(pool.allocate(), { callback: queueCompletion });
    pool.submit(op);
    pool.closeSync();
    expect([pool.reap(), pool.reap()]).toEqual([op, null]);
  });

  it('is refused where only the event loop can complete what is in flight; the pool is closed all the same', async () => {
    const device = openFile(`${folder.path}/loop`, { create: true, growable: true, engine: 'fs' });
    const pool = new AioServicePool(device, { service: 'inline' });
    const written = promises.write(pool, IoBuffer.allocate(512), 0);
    expect(errorOf(() => pool.closeSync())).toMatchObject({ code: 'EDEADLK', syscall: 'wait' });
    expect(await promises.read(pool, IoBuffer.allocate(512), 0).catch(({ code }) => code)).toBe('EBADF');
    expect(await written).toBe(512);
    await pool.close();
    pool.closeSync();
    await device.close();
  });
});

describe('closing a pool by blocking, with a service', () => {
  /** One that ends an operation when it has been waited for so many times. */
  function stub(waits: (number | 'EINTR' | 'ETIME')[], ends: boolean[]) {
    const started: { error: number; state: number; iodone: ((io: never) => void) | null }[] = [];
    const asked: number[] = [];
    const service: PoolService = {
      start: (op) => void started.push(op),
      abort: () => 'in-progress',
      poll: () => 0,
      wait: () => {
        const ended = waits.shift() ?? 1;
        if (ended !== 1) return ended;
        const op = started.shift();
        Object.assign(op as object, { error: 0, state: 2 });
        op?.iodone?.(op as never);
        return 1;
      },
      close: () => Promise.resolve(),
      closeSync: (timeoutMs) => {
        asked.push(timeoutMs);
        return ends.shift() ?? true;
      },
    };
    return { service, asked };
  }

  it('is ended by a signal, and tells what has not ended; and goes on when it is called again', () => {
    const { service, asked } = stub(['EINTR', 'ETIME'], []);
    const pool = new AioServicePool(openMem(4096), { service });
    const log: string[] = [];
    start(pool, log, 'a');
    const error = errorOf(() => pool.closeSync());
    expect(error).toMatchObject({ name: 'PoolCloseError', code: 'EINTR', operations: [{ operation: 'read', phase: 'started' }] });
    expect(error.message).toMatch(/1 operations have not ended before a signal came: read /);
    expect(asked).toEqual([]);
    pool.closeSync();
    expect([log, asked]).toEqual([['a'], [Number.POSITIVE_INFINITY]]);
  });

  it('tells that its threads have not ended', () => {
    const { service, asked } = stub([], [false, true]);
    const pool = new AioServicePool(openMem(4096), { service, timers: new VirtualTimers() });
    const error = errorOf(() => pool.closeSync({ deadlineMs: 20 }));
    expect(error).toMatchObject({ code: 'ETIMEDOUT', operations: [] });
    expect(error.message).toMatch(/all operations are done, and the service has not ended in 20 ms/);
    pool.closeSync({ deadlineMs: 20 });
    expect(asked).toEqual([20, 20]);
  });

  it('of a class goes on behind a pool that is late, and tells of it when all have had their turn', () => {
    const late = stub([], [false]);
    const other = stub([], []);
    const timers = new VirtualTimers();
    const services = [late.service, other.service].map((service) => ({ device: openMem(4096), service }));
    const pools = new AioServiceClass(services, { sameData: true, timers });
    const error = errorOf(() => pools.closeSync({ deadlineMs: 20 }));
    expect(error).toMatchObject({ code: 'ETIMEDOUT', operations: [] });
    expect(error.message).toMatch(/ended in 20 ms/);
    expect([late.asked, other.asked]).toEqual([[20], [20]]);
    pools.closeSync({ deadlineMs: 20 });
  });

  it('leaves what a service fails to close with to the next close(), and nobody unhandled', async () => {
    const { service } = stub([], []);
    const failing = { ...service, close: () => Promise.reject(new Error('the service cannot')) };
    const pool = new AioServicePool(openMem(4096), { service: failing });
    pool.closeSync();
    await new Promise((resolve) => setImmediate(resolve));
    await expect(pool.close()).rejects.toThrow('the service cannot');
  });

  it.each(['throw new Error("no")', 'process.exit(3)'])('ends a thread that dies while it starts, by %s', async (code) => {
    const device = openFile(`${folder.path}/dies`, { create: true, growable: true });
    const modules = [`data:text/javascript,${code}`];
    const pool = new AioServicePool(device, { service: 'threads', threads: 1, modules });
    const log: string[] = [];
    start(pool, log, 'a', { operation: BLOCK_WRITE });
    const startedAt = performance.now();
    pool.closeSync({ deadlineMs: 25_000 });
    expect(performance.now() - startedAt).toBeLessThan(25_000);
    expect(log).toHaveLength(1);
    await device.close();
  });

  it('ends a thread that has never come to run, as its script is not there, and what waited for it', async () => {
    const device = openMem(4096);
    const spawn: SpawnServiceThread = (workerData, name) => new Worker(new URL('file:///nowhere.mjs'), { workerData, name });
    const pool = new AioServicePool(device, { service: 'threads', threads: 1, spawn });
    const log: string[] = [];
    start(pool, log, 'a');
    // Neither the 'error' event comes here, nor does it take as long as a thread may to start.
    const startedAt = performance.now();
    pool.wait(Number.POSITIVE_INFINITY);
    pool.closeSync();
    expect(performance.now() - startedAt).toBeLessThan(25_000);
    expect(log).toEqual([`a:${EIO}`]);
    await device.close();
  });

  it.each([0, 3])('ends threads, also those that only start, and lets go of the device: after %i operations', async (before) => {
    const device = openFile(`${folder.path}/threads-${before}`, { create: true, growable: true });
    const descriptors = openDescriptors();
    const pool = new AioServicePool(device, { service: 'threads', threads: 2 });
    const log: string[] = [];
    for (let count = 0; count < before; count++) {
      start(pool, log, 'early', { operation: BLOCK_WRITE });
      pool.wait(Number.POSITIVE_INFINITY);
    }
    for (let count = 0; count < 20; count++) start(pool, log, 'late', { operation: BLOCK_WRITE, offset: count * 512 });
    pool.closeSync();
    expect(log).toHaveLength(before + 20);
    expect(pool.stats().threads?.threads).toEqual([]);
    await pool.close();
    await device.close();
    // The socket of the event loop, and the worker itself, end in a turn of it. The device had one.
    await until(() => openDescriptors() < descriptors);
  });

  it('of which one thread blocks tells what it has, and ends when that does', async () => {
    const { device, words } = openGate();
    const spawn = spawnScript('./gate-worker.mjs');
    const pool = new AioServicePool(device, { service: 'threads', threads: 1, spawn });
    const log: string[] = [];
    const { id } = start(pool, log, 'blocked', { offset: GATE });
    pool.poll();
    await until(() => Atomics.load(words, 1) === 1);
    const error = errorOf(() => pool.closeSync({ deadlineMs: 20, cancel: true }));
    expect(error).toMatchObject({ code: 'ETIMEDOUT', operations: [{ id, phase: 'started' }] });
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    pool.closeSync();
    expect(log).toEqual(['blocked']);
    await pool.close();
    await device.close();
  });

  it('while somebody waits for its close in the event loop lets that go too', async () => {
    const device = openMem(4096);
    const pool = new AioServicePool(device, { service: 'threads', threads: 1 });
    await promises.write(pool, IoBuffer.allocate(512), 0);
    const closed = pool.close();
    await null;
    pool.closeSync();
    await closed;
    await device.close();
  });
});

describe('closing a class by blocking', () => {
  function classOf(polled: boolean) {
    const manuals = [openManual({ polled }), openManual({ polled })];
    const target = new AioServiceClass(
      manuals.map(({ device }) => ({ device, inFlightMax: 1 })),
      { sameData: true, balance: 'round-robin', steal: false },
    );
    return { manuals, target };
  }

  it('waits for all of its pools, what is queued there, and flushes over all of them', async () => {
    const { target } = classOf(true);
    const log: string[] = [];
    for (let count = 0; count < 6; count++) start(target, log, 'w', { operation: BLOCK_WRITE });
    start(target, log, 'f', { operation: BLOCK_FLUSH, lengthBytes: 0 });
    const chain = [LINK_SOFT, 0].map((link) => fill(target.allocate(), { link: link as 0, callback: () => void log.push('c') }));
    target.submitAll(chain);
    target.closeSync();
    expect([[...log].sort().join(''), target.inFlight, target.closed]).toEqual(['ccfwwwwww', 0, true]);
    expect(target.pools.every(({ closed }) => closed)).toBe(true);
    expect(target.submit(fill(target.allocate(), { callback: () => {} }))).toBe(EBADF);
    await target.close();
  });

  it('tells at its deadline what has not ended in all of them', async () => {
    const { manuals, target } = classOf(false);
    const log: string[] = [];
    for (let count = 0; count < 4; count++) start(target, log, `${count}`);
    const error = errorOf(() => target.closeSync({ deadlineMs: 0, cancel: true }));
    expect([error.name, error.operations.map(({ phase }) => phase)]).toEqual(['PoolCloseError', ['started', 'started']]);
    for (const manual of manuals) manual.completeAll();
    target.closeSync();
    await target.close();
    expect(log).toHaveLength(4);
  });

  it('with service threads ends those of all pools', async () => {
    const device = openMem(65536);
    const target = new AioServiceClass([
      { device, service: 'threads', threads: 1 },
      { device, service: 'threads', threads: 1 },
    ]);
    const log: string[] = [];
    for (let count = 0; count < 10; count++) start(target, log, 'w', { operation: BLOCK_WRITE });
    target.closeSync();
    expect([log.length, target.pools.map((pool) => pool.stats().threads?.threads.length)]).toEqual([10, [0, 0]]);
    await device.close();
  });
});
