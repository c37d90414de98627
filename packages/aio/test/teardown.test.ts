import { AioServicePool, EBADF, OrderingKey, PoolCloseError } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE } from '@biodone/blockdev';
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
