import { AioServicePool, OrderingKey, promises } from '@biodone/aio';
import { openFile, openMem } from '@biodone/blockdev';
import { EIO, IoBuffer } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { openManual } from './support/manual-device.js';

let folder: Folder;

beforeAll(() => {
  folder = makeFolder();
});

afterAll(() => folder.remove());

describe('promises', () => {
  it('write, flush and read parts of buffers', async () => {
    const device = openFile(`${folder.path}/new`, { create: true, growable: true });
    const pool = new AioServicePool(device);
    const buffer = IoBuffer.allocate(8192);
    buffer.bytes.fill(7, 100, 200);
    expect(await promises.write(pool, buffer, 0, { bufferOffset: 100, lengthBytes: 100 })).toBe(100);
    await promises.flush(pool);
    const target = IoBuffer.allocate(8192);
    // The file ends after 100 bytes, so the read is short.
    expect(await promises.read(pool, target, 50, { bufferOffset: 10 })).toBe(50);
    expect(target.bytes.subarray(0, 61)).toEqual(
      Uint8Array.from({ length: 61 }, (_, index) => (index >= 10 && index < 60 ? 7 : 0)),
    );
    await pool.close();
    await device.close();
  });

  it('reject with the error of the I/O', async () => {
    const pool = new AioServicePool(openMem(4096));
    await expect(promises.read(pool, IoBuffer.allocate(512), 4096)).rejects.toMatchObject({
      code: 'EINVAL',
      errno: -22,
      syscall: 'read',
    });
  });

  it('reject at once with EAGAIN when the pool is full, and with EBADF when it is closed', async () => {
    const pool = new AioServicePool(openMem(4096), { depth: 1 });
    const first = promises.read(pool, IoBuffer.allocate(512), 0);
    await expect(promises.read(pool, IoBuffer.allocate(512), 0)).rejects.toMatchObject({ code: 'EAGAIN' });
    expect(await first).toBe(512);
    await pool.close();
    await expect(promises.read(pool, IoBuffer.allocate(512), 0)).rejects.toMatchObject({ code: 'EBADF' });
  });

  it('append one behind the other in the order of the calls, and tell where', async () => {
    const device = openFile(`${folder.path}/appended`, { create: true, growable: true });
    const pool = new AioServicePool(device);
    const key = new OrderingKey({ appendOffset: 10 });
    const buffer = IoBuffer.allocate(100);
    const lengths = [100, 1, 50];
    const places = await Promise.all(lengths.map((lengthBytes) => promises.append(pool, key, buffer, { lengthBytes })));
    expect(places).toEqual([
      { offset: 10, bytes: 100 },
      { offset: 110, bytes: 1 },
      { offset: 111, bytes: 50 },
    ]);
    expect(key.appendOffset).toBe(161);
    await pool.close();
    await device.close();
  });

  it('append in the place of a write that has failed', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const key = new OrderingKey({ appendOffset: 0 });
    const buffer = IoBuffer.allocate(100);
    const ends = Promise.allSettled([0, 1, 2].map(() => promises.append(pool, key, buffer)));
    manual.complete(undefined, EIO, 0);
    // It was short: the next one begins where it has ended.
    manual.complete(undefined, 0, 40);
    manual.complete();
    expect(await ends).toMatchObject([
      { status: 'rejected', reason: { code: 'EIO', syscall: 'write' } },
      { value: { offset: 0, bytes: 40 } },
      { value: { offset: 40, bytes: 100 } },
    ]);
  });
});
