import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AioServicePool, promises } from '@biodone/aio';
import { BLOCK_READ, type BlockDevice, openFile, openMem, openNull } from '@biodone/blockdev';
import { IoBuffer, probe } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BLOCK_BYTES, type Folder, makeFolder } from './support/files.js';
import { runChild } from './support/run-child.js';
import { openUnattachable } from './support/unattachable.js';

const BLOCKS = 256;
const { available, reason } = probe();
const linux = process.platform === 'linux';
if (!available) console.warn(`the tests on io_uring are skipped: ${reason}`);
if (!linux) console.warn('the tests that look into /proc are skipped: this is not Linux');

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

let folder: Folder;
let path: string;

beforeAll(() => {
  folder = makeFolder();
  path = folder.numbered('numbered', BLOCKS);
});

afterAll(() => folder.remove());

const FILES: [string, () => BlockDevice][] = [
  ['blocking pread', () => openFile(path, { engine: 'fs' })],
  ...(available ? [['io_uring', () => openFile(path, { engine: 'uring' })] as [string, () => BlockDevice]] : []),
];

describe.each(FILES)('service threads on a file, by %s', (_name, open) => {
  it('serve many operations, each with its own data', async () => {
    const device = open();
    const pool = new AioServicePool(device, { service: 'threads', threads: 2 });
    const buffers = Array.from({ length: 100 }, () => IoBuffer.allocate(BLOCK_BYTES));
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        buffers.map(async (buffer, index) => {
          const block = (index * 7 + round) % BLOCKS;
          expect(await promises.read(pool, buffer, block * BLOCK_BYTES)).toBe(BLOCK_BYTES);
          expect(new DataView(buffer.bytes.buffer, buffer.bytes.byteOffset).getUint32(0, true)).toBe(block);
        }),
      );
    }
    await pool.close();
    await device.close();
  });

  it('deliver to a thread that does not return to its event loop', async () => {
    const device = open();
    const pool = new AioServicePool(device, { service: 'threads', threads: 1 });
    let done = 0;
    for (let index = 0; index < 10; index++) {
      const op = Object.assign(pool.allocate(), {
        operation: BLOCK_READ,
        buffer: IoBuffer.allocate(512),
        lengthBytes: 512,
        offset: 0,
      });
      op.callback = () => {
        done += op.error === 0 ? 1 : 0;
      };
      pool.submit(op);
      while (pool.inFlight > 0) pool.wait(1000);
    }
    expect(done).toBe(10);
    await pool.close();
    await device.close();
  });

  it('report errors as the device does', async () => {
    const device = open();
    const pool = new AioServicePool(device, { service: 'threads', threads: 1 });
    const beyond = (device.limits.sizeBytes ?? 0) + 1;
    await expect(promises.read(pool, IoBuffer.allocate(512), beyond)).rejects.toMatchObject({
      code: 'EINVAL',
      errno: -22,
      syscall: 'read',
    });
    await pool.close();
    await device.close();
  });
});

describe('service threads', () => {
  it('share a memory disk with the thread that opened it', async () => {
    const device = openMem(65536);
    const pool = new AioServicePool(device, { service: 'threads', threads: 2 });
    const written = IoBuffer.allocate(4096);
    written.bytes.fill(42);
    await promises.write(pool, written, 8192);
    const own = new AioServicePool(device);
    const read = IoBuffer.allocate(4096);
    await promises.read(own, read, 8192);
    expect(read.bytes).toEqual(written.bytes);
    await pool.close();
  });

  it('serve 20,000 operations at depth 128 with nothing lost or twice', async () => {
    const device = openNull();
    const pool = new AioServicePool(device, { service: 'threads', threads: 2, depth: 128 });
    const buffer = IoBuffer.allocate(512);
    const total = 20_000;
    let submitted = 0;
    let completed = 0;
    await new Promise<void>((resolve) => {
      const callback = (): boolean => {
        completed += 1;
        if (completed === total) resolve();
        if (submitted < total) submit();
        return false;
      };
      const submit = (): void => {
        submitted += 1;
        const op = Object.assign(pool.allocate(), { buffer, lengthBytes: 512, callback });
        expect(pool.submit(op)).toBe(0);
      };
      while (submitted < 128) submit();
    });
    expect(completed).toBe(total);
    expect(pool.inFlight).toBe(0);
    await pool.close();
  });

  it('do not keep the process alive when idle, and do while something is in flight', async () => {
    expect(await runChild('idle-threads.mjs')).toMatchObject({ status: 0, stdout: '512\n', stderr: '' });
  });

  it.skipIf(!available)('serve others while one operation blocks, and let the process exit then', async () => {
    const fifo = join(folder.path, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const child = await runChild('exit-with-blocked-thread.mjs', [fifo]);
    expect(child).toMatchObject({ status: 7, stdout: 'exiting with 1 in flight\n', stderr: '' });
  });

  it.skipIf(!linux)('leave no descriptor behind', async () => {
    const device = openFile(path, { readOnly: true });
    const cycle = async (): Promise<void> => {
      const pool = new AioServicePool(device, { service: 'threads', threads: 2 });
      await promises.read(pool, IoBuffer.allocate(512), 0);
      await pool.close();
    };
    await cycle();
    const before = readdirSync('/proc/self/fd').length;
    for (let round = 0; round < 5; round++) await cycle();
    // What ends with a worker does so in a turn of the event loop.
    while (readdirSync('/proc/self/fd').length > before) await new Promise((resolve) => setImmediate(resolve));
    await device.close();
  });

  it('that die complete what they had with EIO', async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => {
      warnings.push((warning as NodeJS.ErrnoException).code ?? '');
    };
    process.on('warning', onWarning);
    const cycle = async (): Promise<void> => {
      const pool = new AioServicePool(openUnattachable(), { service: 'threads', threads: 2 });
      const reads = Array.from({ length: 4 }, () => promises.read(pool, IoBuffer.allocate(512), 0));
      for (const result of await Promise.allSettled(reads))
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'EIO' } });
      // Those that come when no thread is left fail too, instead of waiting for ever.
      await expect(promises.read(pool, IoBuffer.allocate(512), 0)).rejects.toMatchObject({ code: 'EIO' });
      await pool.close();
    };
    await cycle();
    expect(warnings).toContain('BIODONE_SERVICE_THREAD');
    process.off('warning', onWarning);
    if (!linux) return;
    const before = readdirSync('/proc/self/fd').length;
    await cycle();
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });
});
