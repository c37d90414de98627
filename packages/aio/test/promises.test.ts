import { AioServicePool, OrderingKey, promises } from '@biodone/aio';
import { openFile, openMem } from '@biodone/blockdev';
import { EIO, IoBuffer, IoVector } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { openManual } from './support/manual-device.js';
import { VirtualTimers } from './support/virtual-timers.js';

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

  it('read and write parts of memory: an IoVector, or buffers', async () => {
    const device = openFile(`${folder.path}/vectors`, { create: true, growable: true });
    const pool = new AioServicePool(device);
    const [one, other] = [IoBuffer.allocate(100), IoBuffer.allocate(50)];
    one.bytes.fill(1);
    other.bytes.fill(2);
    expect(await promises.writev(pool, [one, other], 10)).toBe(150);
    const target = IoBuffer.allocate(200);
    const parts = [
      { memory: target, memoryOffset: 150 },
      { memory: target, lengthBytes: 150 },
    ];
    const vector = new IoVector(parts);
    // The file ends after 160 bytes.
    expect(await promises.readv(pool, vector, 0)).toBe(160);
    expect(await promises.readv(pool, vector, 10)).toBe(150);
    expect([target.bytes[150], target.bytes[199], target.bytes[0], target.bytes[49], target.bytes[50], target.bytes[99]]).toEqual(
      [1, 1, 1, 1, 2, 2],
    );
    await pool.close();
    await device.close();
  });

  it('compare and write: what is the same is written, and else is told where it differs', async () => {
    const device = openMem(4096);
    const pool = new AioServicePool(device);
    const [zeros, ones] = [IoBuffer.allocate(1024), IoBuffer.allocate(512)];
    ones.bytes.fill(1);
    expect(await promises.compareAndWrite(pool, zeros, ones, 512, { compareOffset: 512 })).toBe(512);
    const found = IoBuffer.allocate(1536);
    expect(await promises.read(pool, found, 0)).toBe(1536);
    expect(found.bytes.indexOf(1)).toBe(512);
    expect(found.bytes.lastIndexOf(1)).toBe(1023);
    await expect(promises.compareAndWrite(pool, zeros, ones, 256, { lengthBytes: 512 })).rejects.toMatchObject({
      code: 'EILSEQ',
      syscall: 'compare-and-write',
      message: expect.stringMatching(/'mem': the first difference is at offset 512$/),
    });
    await expect(promises.compareAndWrite(pool, null as unknown as IoBuffer, ones, 0)).rejects.toThrow(/"compare" is wrong/);
    await pool.close();
    await device.close();
  });

  it('of vectors and comparisons end by a signal and a deadline', async () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers });
    const pool = new AioServicePool(manual.device, { timers, inFlightMax: 1 });
    const buffer = IoBuffer.allocate(512);
    void promises.read(pool, buffer, 0);
    const abort = new AbortController();
    const ends = Promise.allSettled([
      promises.readv(pool, [buffer], 0, { signal: abort.signal }),
      promises.writev(pool, [buffer, buffer], 0, { deadlineMs: 10 }),
      promises.compareAndWrite(pool, buffer, buffer, 0, { signal: abort.signal }),
    ]);
    await timers.advance(10);
    abort.abort(new Error('enough'));
    const reasons = (await ends).map((end) => (end as PromiseRejectedResult).reason);
    expect(reasons.map(({ code }) => code)).toEqual(['ABORT_ERR', 'ETIMEDOUT', 'ABORT_ERR']);
    expect([reasons[0].cause.message, reasons[1].message]).toEqual([
      'enough',
      expect.stringContaining("write 'manual': its deadline"),
    ]);
    expect([pool.inFlight, manual.started.length]).toEqual([1, 1]);
    manual.complete();
    await pool.close();
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
