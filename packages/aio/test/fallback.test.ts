import { fileURLToPath } from 'node:url';
import { type AioOp, AioServiceClass, AioServicePool, LINK_HARD, promises, queueCompletion } from '@biodone/aio';
import { attachDevice, BLOCK_READ, type BlockDevice, openFile, openMem, openSlice, openThrottle } from '@biodone/blockdev';
import { EBADF, ECANCELED, IoBuffer } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { runChild } from './support/run-child.js';
import { openUnattachable } from './support/unattachable.js';

const launcher = fileURLToPath(new URL('../../uring/test/support/without-io-uring.mjs', import.meta.url));
const refusal = process.platform === 'linux' ? null : `no seccomp on ${process.platform}`;
if (refusal !== null) console.warn(`tests without io_uring are skipped: ${refusal}`);

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

let folder: Folder;
let path: string;

beforeAll(() => {
  folder = makeFolder();
  path = folder.numbered('numbered', 4);
});

afterAll(() => folder.remove());

const isThreaded = (pool: AioServicePool): boolean => pool.stats().threads !== null;

/** Whether a pool that nothing was said to has service threads. The devices are closed first to last. */
async function hasThreads(...devices: BlockDevice[]): Promise<boolean> {
  const pool = new AioServicePool(devices[0] as BlockDevice);
  const threaded = isThreaded(pool);
  await pool.close();
  for (const device of devices) await device.close();
  return threaded;
}

function submitRead(pool: AioServicePool): ReturnType<AioServicePool['allocate']> {
  const op = Object.assign(pool.allocate(), { operation: BLOCK_READ, buffer: IoBuffer.allocate(512), lengthBytes: 512 });
  op.callback = queueCompletion;
  expect(pool.submit(op)).toBe(0);
  return op;
}

describe('a pool on a device that only the event loop completes', () => {
  it('is served by threads by itself, so that a thread can block for it', async () => {
    const device = openFile(path, { engine: 'fs' });
    const pool = new AioServicePool(device, { threads: 1 });
    expect(isThreaded(pool)).toBe(true);
    const op = submitRead(pool);
    expect([pool.waitComplete(), op.error, op.transferredBytes]).toEqual([op, 0, 512]);
    expect(['cancelled', 'done']).toContain(pool.cancelSync(submitRead(pool)));
    await pool.close();
    await device.close();
  });

  it('does not keep the device from closing by what only counts time', async () => {
    const device = openFile(path, { engine: 'fs' });
    const pool = new AioServicePool(device, { threads: 1 });
    const errors: number[] = [];
    for (const timer of [{ timeoutMs: Number.POSITIVE_INFINITY }, { timeoutMs: 3_600_000 }, { timeoutMs: 3_600_000, shots: 2 }]) {
      const op = Object.assign(pool.allocate(), { timer });
      op.callback = ({ error }) => void errors.push(error);
      pool.submit(op);
    }
    await device.close();
    expect([pool.closed, errors]).toEqual([true, [ECANCELED, ECANCELED, ECANCELED]]);
  });

  it('nor by what will count it when the one before it in its chain has ended', async () => {
    const device = openFile(path, { engine: 'fs' });
    const pool = new AioServicePool(device, { threads: 1 });
    const errors: number[] = [];
    const callback = ({ error }: AioOp): void => void errors.push(error);
    const [read, timeout] = [pool.allocate(), pool.allocate()];
    Object.assign(read, { operation: BLOCK_READ, buffer: IoBuffer.allocate(512), lengthBytes: 512, link: LINK_HARD, callback });
    Object.assign(timeout, { timer: { timeoutMs: 3_600_000 }, callback });
    expect(pool.submitAll([read, timeout])).toBe(2);
    await device.close();
    expect([...errors].sort()).toEqual([0, ECANCELED]);
  });

  it('is served inline where that is asked for, and waiting is refused', async () => {
    const device = openFile(path, { engine: 'fs' });
    const pool = new AioServicePool(device, { service: 'inline' });
    expect(isThreaded(pool)).toBe(false);
    const op = submitRead(pool);
    expect(() => pool.waitComplete()).toThrow(expect.objectContaining({ code: 'EDEADLK' }));
    expect(await pool.completions().next()).toEqual({ done: false, value: op });
    await pool.close();
    await device.close();
  });

  it('is closed with its device: nobody has asked for what would keep that open', async () => {
    const device = openFile(path, { engine: 'fs' });
    const pool = new AioServicePool(device);
    const reading = promises.read(pool, IoBuffer.allocate(512), 0);
    const closing = device.close();
    expect([pool.closed, pool.submit(pool.allocate())]).toEqual([true, EBADF]);
    expect(await reading).toBe(512);
    await closing;
    await pool.close();
  });

  it('is of threads in a class too, on each channel', async () => {
    const device = openFile(path, { engine: 'fs' });
    const channel = attachDevice(device.handle());
    const target = new AioServiceClass([{ device }, { device: channel }, { device, service: 'inline' }]);
    expect(target.pools.map(isThreaded)).toEqual([true, true, false]);
    await target.close();
    await channel.close();
    await device.close();
  });

  it('is of threads on a stack of such devices, and inline where threads cannot have the device', async () => {
    const open = (): BlockDevice => openFile(path, { engine: 'fs', readOnly: true });
    expect(await hasThreads(openSlice(open(), { offsetBytes: 0, lengthBytes: 4096 }))).toBe(true);
    expect(await hasThreads(openThrottle(open(), { bytesPerSecond: 1e9 }))).toBe(false);
    // No thread has its driver without importing something first.
    expect(await hasThreads(openUnattachable('event-loop'))).toBe(false);
    const closed = open();
    await closed.close();
    expect(await hasThreads(closed)).toBe(false);
  });

  it('is inline on what needs no event loop', async () => {
    expect(await hasThreads(openMem(4096))).toBe(false);
    expect(await hasThreads(openFile(path, { engine: 'sync' }))).toBe(false);
  });
});

interface Answer {
  engine: string;
  threads: boolean[];
  reads: string[];
  cancelled: string[];
  warnings: string[];
  heard: string[];
}

async function withoutRing(errno: string, service: string): Promise<Answer> {
  const { status, stdout, stderr } = await runChild('print-fallback.mjs', [service], [launcher, `--errno=${errno}`]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('BIODONE_NO_IO_URING') });
  return JSON.parse(stdout) as Answer;
}

describe.skipIf(refusal !== null)('pools where io_uring is forbidden', () => {
  it.each(['EPERM', 'ENOSYS'])('have service threads, and say so once in the process: %s', async (errno) => {
    const answer = await withoutRing(errno, 'auto');
    expect(answer).toMatchObject({ engine: 'fs', threads: [true, true], reads: ['0 biodone', '0 biodone'] });
    for (const verdict of answer.cancelled) expect(['cancelled', 'done']).toContain(verdict);
    expect(answer.warnings).toEqual(['BIODONE_NO_IO_URING', 'BIODONE_POOL_FALLBACK']);
    expect(answer.heard).not.toContain('BIODONE_POOL_FALLBACK');
  });

  it('are inline, or have threads, without a word about it where the user says which', async () => {
    const inline = await withoutRing('EPERM', 'inline');
    expect(inline).toMatchObject({ threads: [false, false], reads: ['EDEADLK', 'EDEADLK'], warnings: ['BIODONE_NO_IO_URING'] });
    const threads = await withoutRing('EPERM', 'threads');
    expect(threads).toMatchObject({
      threads: [true, true],
      reads: ['0 biodone', '0 biodone'],
      warnings: ['BIODONE_NO_IO_URING'],
    });
  });
});
