import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AioOp, AioServicePool } from '@biodone/aio';
import { openFile } from '@biodone/blockdev';
import { EBADF, ECANCELED, IoBuffer, probe } from '@biodone/uring';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';

// A thread starts in each round: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

const engines = probe().available ? (['fs', 'uring'] as const) : (['fs'] as const);
if (engines.length === 1) console.warn(`the wrong-file race is run through fs alone: ${probe().reason}`);

let folder: Folder;
beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());

it.each(engines)('service threads never read a file that has got the descriptor of a closed one: %s', async (engine) => {
  const ROUNDS = 60;
  const own = join(folder.path, `own-${engine}`);
  const foreign = join(folder.path, `foreign-${engine}`);
  writeFileSync(own, Buffer.alloc(4096, 0x5a));
  writeFileSync(foreign, Buffer.alloc(4096, 0xee));
  const buffers = Array.from({ length: 64 }, () => IoBuffer.allocate(4096));
  let [right, refused, wrong] = [0, 0, 0];
  const count = ({ error, buffer }: AioOp): void => {
    if (error === EBADF || error === ECANCELED) refused += 1;
    else if (error === 0 && buffer?.bytes[100] === 0x5a) right += 1;
    else wrong += 1;
  };
  for (let round = 0; round < ROUNDS; round++) {
    const device = openFile(own, { engine, readOnly: true, lock: false });
    const pool = new AioServicePool(device, { service: 'threads', threads: 1 });
    // In every second round the thread is at work when the device is closed, in the others it has not begun.
    const first = round % 2 === 0 ? 0 : 32;
    const start = (buffer: IoBuffer): void => {
      buffer.bytes[100] = 0;
      const op = pool.allocate();
      op.callback = count;
      pool.read(op, buffer, 0);
    };
    for (const buffer of buffers.slice(0, first)) start(buffer);
    if (first > 0) pool.wait(10_000);
    for (const buffer of buffers.slice(first)) start(buffer);
    const closing = round % 4 < 2 ? [device.close(), pool.close({ cancel: true })] : [pool.close(), device.close()];
    const others = Array.from({ length: 4 }, () => openSync(foreign, 'r'));
    await Promise.all(closing);
    for (const fd of others) closeSync(fd);
  }
  expect(wrong).toBe(0);
  expect(right + refused).toBe(ROUNDS * 64);
  expect(right).toBeGreaterThan(ROUNDS * 16);
});
