import { AioServicePool, promises } from '@biodone/aio';
import { openFile, openMem } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';

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
});
