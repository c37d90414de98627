import { AioServiceClass, AioServicePool, explain, OrderingKey, promises, queueCompletion } from '@biodone/aio';
import { BLOCK_ATOMIC, BLOCK_FUA, BLOCK_READ, BLOCK_WRITE, openFile, openMem, openNull, openSlice } from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { openManual } from './support/manual-device.js';
import { fill } from './support/operations.js';
import { VirtualTimers } from './support/virtual-timers.js';

let folder: Folder;
beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());

const buffer = IoBuffer.allocate(4096);

function errorOf(promise: Promise<unknown>): Promise<Error & { code?: string; path?: string }> {
  return promise.then(
    () => new Error('it has not failed'),
    (error) => error,
  );
}

describe('the errors of promises', () => {
  it('have the path of the file, also of one below another device', async () => {
    const path = `${folder.path}/with-path`;
    const device = openSlice(openFile(path, { create: true, growable: true }), { offsetBytes: 0, lengthBytes: 4096 });
    const pool = new AioServicePool(device);
    const beyond = await errorOf(promises.read(pool, buffer, 4096));
    expect(beyond).toMatchObject({ code: 'EINVAL', errno: -22, syscall: 'read', path });
    await pool.close();
    expect(await errorOf(promises.read(pool, buffer, 0))).toMatchObject({ code: 'EBADF', path });
    await device.close();
  });

  it('have the driver where there is no path', async () => {
    expect(await errorOf(promises.read(new AioServicePool(openMem(4096)), buffer, 8192))).toMatchObject({ path: 'mem' });
  });

  it('say which is closed: the pool, or the device alone', async () => {
    const device = openMem(4096);
    const pool = new AioServicePool(device);
    await device.close();
    expect((await errorOf(promises.read(pool, buffer, 0))).message).toContain('the device is closed');
    await pool.close();
    expect((await errorOf(promises.read(pool, buffer, 0))).message).toContain('the pool is closed');
  });

  it('of a pool that is full say that what is done has not been reaped', async () => {
    const pool = new AioServicePool(openNull(), { depth: 1 });
    pool.read(Object.assign(pool.allocate(), { callback: queueCompletion }), buffer, 0);
    pool.poll();
    expect((await errorOf(promises.read(pool, buffer, 0))).message).toContain('1 are done and not reaped');
  });

  it('name the deadline that has ended it', async () => {
    const timers = new VirtualTimers();
    const { device } = openManual({ timers });
    const pool = new AioServicePool(device, { inFlightMax: 1, timers });
    void promises.read(pool, buffer, 0);
    const error = errorOf(promises.read(pool, buffer, 0, { deadlineMs: 50 }));
    await timers.advance(50);
    expect((await error).message).toMatch(/^ETIMEDOUT: timed out, read 'manual': its deadline has come$/);
  });

  it.each([
    [
      'an option that there is not',
      () => promises.read(pool(), buffer, 0, { lenghtBytes: 1 } as object),
      /Did you mean 'lengthBytes'/,
    ],
    ['no buffer', () => promises.read(pool(), undefined as unknown as IoBuffer, 0), /"buffer".*IoBuffer.allocate/],
    ['a Buffer', () => promises.write(pool(), Buffer.alloc(8) as unknown as IoBuffer, 0), /"buffer".*IoBuffer.over/],
    ['a priority', () => promises.read(pool(), buffer, 0, { priority: 7 as 0 }), /"options.priority"/],
    ['a deadline', () => promises.read(pool(), buffer, 0, { deadlineMs: -1 }), /"deadlineMs"/],
    ['a key that does not append', () => promises.append(pool(), new OrderingKey(), buffer), /does not append/],
  ])('are rejections that name what is wrong, and nothing is held: %s', async (_, call, message) => {
    const error = await errorOf(call());
    expect(error.message).toMatch(message);
    expect(error.code).toMatch(/^ERR_/);
  });

  it('of a class name an option that there is not, and what is no device', () => {
    const device = openNull();
    const make = (pools: unknown, options = {}) => new AioServiceClass(pools as { device: typeof device }[], options);
    expect(() => make([{ device }], { balanse: 'round-robin' })).toThrow(/Did you mean 'balance'/);
    expect(() => make([new AioServicePool(device)])).toThrow(/pools\[0\].*\{ device, depth: 256 \}/);
    expect(() => make([device])).toThrow(/pools\[0\].*\{ device \}/);
    expect(() => make([{ device: 5 }])).toThrow(/pools\[0\].device/);
  });
});

function pool(): AioServicePool {
  return new AioServicePool(openNull());
}

describe('explain', () => {
  const device = openMem(65536, { blockSizeBytes: 512 });

  it.each([
    [{ buffer: null }, /^buffer must be an IoBuffer/],
    [{ buffer: Buffer.alloc(512) }, /^buffer must be an IoBuffer/],
    [{ offset: '0' }, /^offset must be an integer/],
    [{ offset: -512 }, /^offset must be an integer >= 0. Received -512/],
    [{ offset: 100 }, /^offset must be a multiple of the block size, 512 bytes. Received 100/],
    [{ lengthBytes: 100 }, /^lengthBytes must be a multiple/],
    [{ offset: 65536 }, /end beyond the device, which has 65536 bytes/],
    [{ bufferOffset: 4000 }, /end beyond the buffer, which has 4096 bytes/],
    [{ flags: BLOCK_FUA }, /^flags must be 0, BLOCK_NOWAIT, or/],
    [{ operation: BLOCK_WRITE, flags: 64 }, /^flags must be 0, BLOCK_FUA, BLOCK_SYNC, /],
    [
      { operation: BLOCK_WRITE, flags: BLOCK_ATOMIC, lengthBytes: 1536 },
      /must be a power of two from 512 to 1073741824. Received 1536/,
    ],
    [
      { operation: BLOCK_WRITE, flags: BLOCK_ATOMIC, offset: 512, lengthBytes: 4096 },
      /must be a multiple of its length, 4096 bytes. Received 512/,
    ],
    [{ operation: 77 }, /^operation must be/],
    [{ buffer: null, vector: new IoVector([{ memory: buffer }]) }, /^lengthBytes must be the length of the vector, 4096/],
  ])('says of %o what would be right, where the device says EINVAL or ENOTSUP', async (fields, expected) => {
    const target = new AioServicePool(device);
    const seen = await new Promise<[number, string | null]>((resolve) => {
      const op = fill(target.allocate(), {
        operation: BLOCK_READ,
        callback: (done) => resolve([done.error, explain(done)]),
      });
      target.submit(Object.assign(op, { buffer }, fields));
    });
    expect([22, 95]).toContain(seen[0]);
    expect(seen[1]).toMatch(expected);
    await target.close();
  });

  it('has nothing to say of a request that is right', () => {
    const op = fill(new AioServicePool(device).allocate(), { operation: BLOCK_READ });
    expect(explain(op, device)).toBe(null);
  });
});
