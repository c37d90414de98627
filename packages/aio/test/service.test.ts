import { type AioOp, AioServicePool, type PoolService, promises } from '@biodone/aio';
import { type AbortVerdict, BLOCK_FLUSH, BLOCK_WRITE, IO_DONE, IO_STARTED, openMem } from '@biodone/blockdev';
import { ECANCELED, EIO, IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { start } from './support/operations.js';
import { settled } from './support/virtual-timers.js';

/** A service that completes what it has when it is polled, the last first. */
class Reversing implements PoolService {
  readonly ops: AioOp[] = [];
  closed = 0;
  error = 0;

  start(op: AioOp): void {
    op.state = IO_STARTED;
    this.ops.push(op);
  }

  abort(op: AioOp): AbortVerdict {
    const index = this.ops.indexOf(op);
    if (index < 0) return 'done';
    this.ops.splice(index, 1);
    queueMicrotask(() => this.#complete(op, ECANCELED));
    return 'cancelled';
  }

  poll(): number {
    const op = this.ops.pop();
    if (op === undefined) return 0;
    this.#complete(op, this.error);
    return 1;
  }

  wait(): number {
    return this.poll();
  }

  async close(): Promise<void> {
    this.closed += 1;
  }

  #complete(op: AioOp, error: number): void {
    op.error = error;
    op.transferredBytes = error === 0 ? op.lengthBytes : 0;
    op.state = IO_DONE;
    op.iodone?.(op);
  }
}

describe('a service of one’s own', () => {
  it('is given the operations, at most inFlightMax, and the order is kept as with a device', () => {
    const service = new Reversing();
    const pool = new AioServicePool(openMem(65536), { service, inFlightMax: 2 });
    const log: string[] = [];
    for (const name of ['a', 'b', 'c']) start(pool, log, name, { operation: BLOCK_WRITE });
    start(pool, log, 'flush', { operation: BLOCK_FLUSH, lengthBytes: 0 });
    start(pool, log, 'd');
    expect(service.ops.length).toBe(2);
    while (pool.inFlight > 0) pool.wait(1000);
    expect(log.indexOf('flush')).toBeGreaterThan(log.indexOf('c'));
    expect([...log].sort()).toEqual(['a', 'b', 'c', 'd', 'flush']);
  });

  it('is asked to end what it has, and fails operations as a device does', async () => {
    const service = new Reversing();
    const pool = new AioServicePool(openMem(65536), { service });
    const log: string[] = [];
    const op = start(pool, log, 'a');
    expect(pool.cancel(op)).toBe('cancelled');
    expect(log).toEqual([]);
    await settled();
    expect(log).toEqual([`a:${ECANCELED}`]);
    service.error = EIO;
    const read = promises.read(pool, IoBuffer.allocate(512), 0);
    pool.poll();
    await expect(read).rejects.toMatchObject({ code: 'EIO' });
  });

  it('is closed with the pool, once, when nothing is with it any more', async () => {
    const service = new Reversing();
    const pool = new AioServicePool(openMem(65536), { service });
    start(pool, [], 'a');
    const closed = pool.close();
    await settled();
    expect(service.closed).toBe(0);
    pool.poll();
    await closed;
    await pool.close();
    expect(service.closed).toBe(1);
  });

  it('must be one', () => {
    expect(() => new AioServicePool(openMem(512), { service: {} as PoolService })).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
    );
  });

  it('that throws when it is given the next operation takes nothing from the one that is done', () => {
    class Refusing extends Reversing {
      refuses = false;
      override start(op: AioOp): void {
        if (this.refuses) throw new Error('refused');
        super.start(op);
      }
    }
    const service = new Refusing();
    const pool = new AioServicePool(openMem(65536), { service, inFlightMax: 1 });
    const log: string[] = [];
    start(pool, log, 'a');
    start(pool, log, 'b');
    service.refuses = true;
    expect(() => pool.poll()).toThrow('refused');
    expect(log).toEqual(['a']);
  });
});
