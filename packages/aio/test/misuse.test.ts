import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { type AioOp, AioServicePool, EBADF, promises } from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE, ExtentList, openFile, openMem, openNull } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BLOCK_BYTES, type Folder, makeFolder } from './support/files.js';
import { openManual } from './support/manual-device.js';
import { start } from './support/operations.js';
import { openUnattachable } from './support/unattachable.js';
import { settled } from './support/virtual-timers.js';

// Threads start, and garbage is collected: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

let folder: Folder;

beforeAll(() => {
  folder = makeFolder();
});

afterAll(() => folder.remove());

function fill(pool: AioServicePool) {
  return Object.assign(pool.allocate(), { buffer: IoBuffer.allocate(512), lengthBytes: 512, offset: 0 });
}

describe('options', () => {
  it.each([{ threads: 0 }, { threads: -1 }, { threads: 1.5 }, { threads: Number.NaN }, { service: 'thread' as 'threads' }])(
    'are refused when wrong: %o',
    (options) => {
      expect(() => new AioServicePool(openNull(), { service: 'threads', ...options })).toThrow(
        expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
      );
    },
  );
});

describe('an operation', () => {
  it('that was taken back, or belongs to another pool, is refused and changes nothing', () => {
    const pool = new AioServicePool(openNull());
    const other = new AioServicePool(openNull());
    const op = fill(pool);
    op.callback = () => {};
    expect(() => other.submit(op)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => other.release(op)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    pool.release(op);
    op.callback = () => {};
    expect(() => pool.submit(op)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => pool.release(op)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect([pool.inFlight, other.inFlight]).toEqual([0, 0]);
  });

  it('that is in flight is not even filled in by the pool’s methods, and what waits for it goes on', async () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device, { inFlightMax: 1, discipline: 'disksort' });
    const [buffer, other, log] = [IoBuffer.allocate(4096), IoBuffer.allocate(512), [] as string[]];
    const ops = Array.from({ length: 10 }, (_, index) =>
      start(pool, log, String(index), { operation: BLOCK_WRITE, offset: index * 512 }),
    );
    for (const op of ops.slice(3, 7)) {
      const { operation, offset, lengthBytes, buffer: mine } = op;
      const calls = [
        () => pool.read(op, other, 999_999, 100, 7),
        () => pool.write(op, buffer, 999_999),
        () => pool.sync(op),
        () => pool.discard(op, 1, 2),
        () => pool.zeroes(op, 1, 2),
        () => pool.extents(op, new ExtentList(), 1, 2),
      ];
      for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: 'EALREADY' }));
      expect(op).toMatchObject({ operation, offset, lengthBytes, bufferOffset: 0, extents: null });
      expect(op.buffer).toBe(mine);
    }
    // As who writes to it all the same would do.
    (ops[5] as AioOp).offset = 999_999;
    for (const _ of ops) {
      manual.complete();
      await settled();
    }
    expect([log.length, pool.inFlight]).toEqual([10, 0]);
  });

  it('that was taken back is not filled in for who gets it next', () => {
    const pool = new AioServicePool(openNull());
    const op = pool.allocate();
    pool.release(op);
    expect(() => pool.write(op, IoBuffer.allocate(512), 4096)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(pool.allocate()).toBe(op);
    expect([op.operation, op.offset, op.buffer]).toEqual([BLOCK_READ, 0, null]);
  });

  it('that its callback has released, and somebody has taken since, is not taken back again', async () => {
    const pool = new AioServicePool(openNull());
    const op = fill(pool);
    const held = await new Promise((resolve) => {
      op.callback = () => {
        pool.release(op);
        resolve(pool.allocate());
      };
      pool.submit(op);
    });
    expect(held).toBe(op);
    expect(pool.allocate()).not.toBe(held);
  });

  it('may be submitted again by its callback, which then polls', async () => {
    const pool = new AioServicePool(openNull());
    const op = fill(pool);
    let calls = 0;
    await new Promise<void>((resolve) => {
      op.callback = () => {
        calls += 1;
        if (calls === 3) {
          resolve();
        } else {
          pool.submit(op);
          pool.poll();
        }
      };
      pool.submit(op);
    });
    expect([calls, pool.inFlight]).toEqual([3, 0]);
  });
});

describe('closing the device before the pool', () => {
  it.each(['inline', 'threads'] as const)('lets nothing reach a file that is opened since: %s', async (service) => {
    const device = openFile(folder.numbered(`first-${service}`, 4));
    const pool = new AioServicePool(device, { service, threads: 1 });
    const buffer = IoBuffer.allocate(BLOCK_BYTES);
    expect(await promises.read(pool, buffer, 0)).toBe(BLOCK_BYTES);
    const closed = device.close();
    // A turn of the event loop, in which the descriptor would be closed.
    await new Promise((resolve) => setImmediate(resolve));
    const precious = `${folder.path}/precious-${service}`;
    writeFileSync(precious, 'precious');
    const reused = openSync(precious, 'r+');
    const op = Object.assign(pool.allocate(), { operation: BLOCK_WRITE, buffer, lengthBytes: BLOCK_BYTES, offset: 0 });
    op.callback = () => {};
    expect(pool.submit(op)).toBe(EBADF);
    expect(readFileSync(precious, 'utf8')).toBe('precious');
    await pool.close();
    await closed;
    closeSync(reused);
  });
});

describe('memory that several objects stand for', () => {
  it('stays with the service threads until the last of them is collected', async () => {
    const pool = new AioServicePool(openMem(65536), { service: 'threads', threads: 1 });
    const handle = IoBuffer.allocate(512).handle();
    for (let round = 0; round < 40; round++) {
      await Promise.all(Array.from({ length: 8 }, () => promises.read(pool, IoBuffer.attach(handle), 0)));
      globalThis.gc?.();
    }
    await pool.close();
  });
});

describe('service threads that cannot start', () => {
  it('are told of to a thread that blocks, as EIO', async () => {
    const pool = new AioServicePool(openUnattachable(), { service: 'threads', threads: 2 });
    const errors: number[] = [];
    for (let count = 0; count < 3; count++) {
      const op = fill(pool);
      op.callback = () => {
        errors.push(op.error);
      };
      pool.submit(op);
    }
    while (pool.inFlight > 0) pool.wait(Number.POSITIVE_INFINITY);
    expect(errors).toEqual([5, 5, 5]);
    await pool.close();
  });
});
