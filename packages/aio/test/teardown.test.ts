import { AioServiceClass, AioServicePool, EBADF, OrderingKey, PoolCloseError, type ServiceWorker } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE, openMem } from '@biodone/blockdev';
import { ECANCELED } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

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

describe('closing a pool', () => {
  it('lets nothing in, and waits for what is queued, ordered and covered', async () => {
    const { manual, pool, log } = loaded();
    const closed = pool.close();
    expect(pool.closed).toBe(true);
    expect(pool.submit(fill(pool.allocate(), { callback: () => {} }))).toBe(EBADF);
    expect(pool.submit(fill(pool.allocate(), { callback: null }))).toBe(EBADF);
    manual.completeAll();
    await closed;
    expect([...log].sort()).toEqual(['a', 'b', 'c', 'f']);
    expect(log.at(-1)).toBe('f');
    await pool.close();
  });

  it('can cancel first: what waits ends with ECANCELED and the normal notification', async () => {
    const { manual, pool, log } = loaded();
    const closed = pool.close({ cancel: true });
    await settled();
    expect([...log].sort()).toEqual(['b', 'c', 'f'].map((name) => `${name}:${ECANCELED}`));
    manual.complete();
    await closed;
    expect(log.at(-1)).toBe('a');
  });

  it('tells at its deadline what has not ended, and goes on until it has', async () => {
    const { timers, manual, pool, log } = loaded();
    const id = pool.dump().find(({ phase }) => phase === 'started')?.id;
    await timers.advance(40);
    const closed = pool.close({ deadlineMs: 100, cancel: true });
    const outcome = closed.catch((error) => error);
    await settled();
    await timers.advance(100);
    const error = await outcome;
    expect(error).toBeInstanceOf(PoolCloseError);
    expect(error.name).toBe('PoolCloseError');
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'close' });
    expect(error.operations).toEqual([{ id, operation: 'write', offset: 0, lengthBytes: 512, phase: 'started', ageMs: 140 }]);
    expect(error.message).toContain(`write ${id} (started, 140 ms)`);
    const again = pool.close({ deadlineMs: 50 });
    manual.completeAll();
    await again;
    expect(log.at(-1)).toBe('a');
    expect(timers.pending).toBe(0);
    expect(() => pool.close({ deadlineMs: -1 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('tells at its deadline which threads have not ended, where all operations are done', async () => {
    const exits: ((exitCode: number) => void)[] = [];
    // It does nothing, and does not end before the test says so.
    const spawn = (): ServiceWorker => ({
      threadId: 1,
      postMessage: () => {},
      unref: () => {},
      on: (event: string, listener: (value: never) => void) => {
        if (event === 'exit') exits.push(listener as (exitCode: number) => void);
      },
    });
    const timers = new VirtualTimers();
    const device = openMem(4096);
    for (const makeTarget of [
      () => new AioServicePool(device, { service: 'threads', threads: 1, spawn, timers }),
      () => new AioServiceClass([{ device, service: 'threads', threads: 1, spawn }], { timers }),
    ]) {
      const target = makeTarget();
      const op = fill(target.allocate(), { callback: () => {} });
      target.submit(op);
      await settled();
      expect([exits.length, target.cancel(op)]).toEqual([1, 'cancelled']);
      const outcome = target.close({ deadlineMs: 100 }).catch((error) => error);
      await settled();
      await timers.advance(100);
      const error = await outcome;
      expect(error).toBeInstanceOf(PoolCloseError);
      expect([error.operations, error.threads]).toEqual([[], [expect.objectContaining({ index: 0, state: 'starting' })]]);
      expect(error.message).toMatch(
        /all operations are done, and 1 service threads have not ended in 100 ms: aiod0 \(starting\)/,
      );
      for (const exit of exits.splice(0)) exit(0);
      await target.close();
    }
    await device.close();
  });

  it('while something is submitted again by its callback refuses that, and ends (NB-2)', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const refused: number[] = [];
    for (let count = 0; count < 3; count++) {
      const op = fill(pool.allocate());
      op.callback = () => {
        refused.push(pool.submit(op));
      };
      pool.submit(op);
    }
    const closed = pool.close();
    manual.completeAll();
    await closed;
    expect(refused).toEqual([EBADF, EBADF, EBADF]);
  });

  it('leaves other pools of the file alone', async () => {
    const manual = openManual();
    const pools = [new AioServicePool(manual.device), new AioServicePool(manual.device)] as const;
    const log: string[] = [];
    start(pools[0], log, 'a');
    await pools[1].close();
    start(pools[0], log, 'f', { operation: BLOCK_FLUSH, lengthBytes: 0 });
    manual.completeAll();
    expect(log).toEqual(['a', 'f']);
    expect([...pools[0].file.users]).toEqual([pools[0]]);
  });
});
