import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AioServicePool, promises } from '@biodone/aio';
import { BLOCK_ATOMIC, BLOCK_WRITE, openFile } from '@biodone/blockdev';
import { EINVAL, IoBuffer, probe, RWF_ATOMIC, threadRing } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AtomicFiles, makeAtomicFiles } from './support/atomic-files.js';
import { makeFolder } from './support/files.js';

const folder = makeFolder();
const made = makeAtomicFiles(folder.path);
if (typeof made === 'string') console.warn(`atomic writes on a file system are not tested: ${made}`);
afterAll(() => {
  if (typeof made !== 'string') made.remove();
  folder.remove();
});

const BLOCK_BYTES = 4096;
const FILE_BYTES = 2 ** 20;
const engines = probe().available ? (['uring', 'sync'] as const) : (['sync'] as const);
const services = ['inline', 'threads'] as const;
const ways = engines.flatMap((engine) => services.map((service) => ({ engine, service })));

describe.skipIf(typeof made === 'string')('a write with BLOCK_ATOMIC on a file system that has them', () => {
  let path: string;
  beforeAll(() => {
    path = join((made as AtomicFiles).path, 'data');
    writeFileSync(path, Buffer.alloc(FILE_BYTES), { flush: true });
  });

  it.each(ways)('is done, by promises and synchronously: engine $engine, $service', async ({ engine, service }) => {
    const device = openFile(path, { engine, direct: true });
    const { atomicWriteMinBytes, atomicWriteMaxBytes } = device.limits;
    expect([atomicWriteMinBytes <= BLOCK_BYTES, atomicWriteMaxBytes >= 16 * BLOCK_BYTES]).toEqual([true, true]);
    const pool = new AioServicePool(device, service === 'threads' ? { service, threads: 1 } : { service });
    const buffer = IoBuffer.allocate(16 * BLOCK_BYTES);
    buffer.bytes.fill(1 + ways.findIndex((way) => way.engine === engine && way.service === service));
    for (const [offset, lengthBytes] of [
      [0, BLOCK_BYTES],
      [2 * BLOCK_BYTES, 2 * BLOCK_BYTES],
      [16 * BLOCK_BYTES, 16 * BLOCK_BYTES],
    ] as const) {
      expect(await promises.write(pool, buffer, offset, { lengthBytes, flags: BLOCK_ATOMIC })).toBe(lengthBytes);
    }
    const op = pool.allocate();
    const lengthBytes = BLOCK_BYTES;
    Object.assign(op, {
      operation: BLOCK_WRITE,
      flags: BLOCK_ATOMIC,
      buffer,
      offset: 40 * BLOCK_BYTES,
      lengthBytes,
      callback: null,
    });
    expect([pool.submit(op), op.error, op.transferredBytes]).toEqual([0, 0, BLOCK_BYTES]);
    pool.release(op);
    await pool.close();
    await device.close();
    expect(readFileSync(path).filter((byte) => byte === buffer.bytes[0]).length).toBe(20 * BLOCK_BYTES);
  });

  it.each(ways)(
    'is refused where it cannot be whole, and moves nothing: engine $engine, $service',
    async ({ engine, service }) => {
      const device = openFile(path, { engine, direct: true });
      const pool = new AioServicePool(device, service === 'threads' ? { service, threads: 1 } : { service });
      const buffer = IoBuffer.allocate(4 * BLOCK_BYTES);
      buffer.bytes.fill(0xee);
      for (const [offset, lengthBytes] of [
        [BLOCK_BYTES, 2 * BLOCK_BYTES],
        [0, 3 * BLOCK_BYTES],
        [0, 512],
      ] as const) {
        const refused = promises.write(pool, buffer, offset, { lengthBytes, flags: BLOCK_ATOMIC });
        await expect(refused).rejects.toMatchObject({ errno: -EINVAL });
      }
      await pool.close();
      await device.close();
      expect(readFileSync(path).includes(0xee)).toBe(false);
    },
  );

  it.skipIf(!probe().available)('is what the kernel is asked for: RWF_ATOMIC', async () => {
    const device = openFile(path, { engine: 'uring', direct: true });
    const pool = new AioServicePool(device);
    const ring = threadRing();
    const start = vi.spyOn(ring, 'start');
    await promises.write(pool, IoBuffer.allocate(BLOCK_BYTES), 0, { flags: BLOCK_ATOMIC });
    const asked = start.mock.calls.map(([{ operationFlags }]) => operationFlags);
    start.mockRestore();
    expect(asked).toEqual([RWF_ATOMIC]);
    await pool.close();
    await device.close();
  });
});
