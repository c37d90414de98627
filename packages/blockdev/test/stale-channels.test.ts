import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { attachDevice, BLOCK_WRITE, type BlockDevice, openConcat, openFile, openMem, openSlice } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { engines } from './support/available.js';
import { bufferOf, makeIo, runSync, start } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const EBADF = 9;
const folder = temporaryFolder();
const closed = expect.objectContaining({ code: 'EBADF' });

/** Two files: what is opened second gets the descriptor of the first, once that is closed. */
function twoFiles(name: string): { first: string; second: string } {
  const first = join(folder, `${name}-first`);
  const second = join(folder, `${name}-second`);
  for (const path of [first, second]) writeFileSync(path, Buffer.alloc(512));
  return { first, second };
}

async function expectDead(channel: BlockDevice): Promise<void> {
  const order = { operation: BLOCK_WRITE, buffer: bufferOf('astray') };
  expect((await start(channel, makeIo(order))).error).toBe(EBADF);
  expect(runSync(channel, makeIo(order)).error).toBe(EBADF);
  expect(() => channel.handle()).toThrow(closed);
}

describe('a channel of a device that its opener has closed', () => {
  it.each(engines)('does not write to the file that has the descriptor now, engine %s', async (engine) => {
    const { first, second } = twoFiles(engine);
    const device = openFile(first, { engine });
    const handle = device.handle();
    const channel = attachDevice(handle);
    await device.close();
    const other = openFile(second, { engine });
    await expectDead(channel);
    expect(() => attachDevice(handle)).toThrow(closed);
    await channel.close();
    await other.close();
    expect(readFileSync(second).equals(Buffer.alloc(512))).toBe(true);
  });

  it.each(engines)('is refused in a worker too, which finds its requests done, engine %s', async (engine) => {
    const { first, second } = twoFiles(`worker-${engine}`);
    const device = openFile(first, { engine });
    const worker = new Worker(new URL('./support/stale-worker.mjs', import.meta.url), { workerData: device.handle() });
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    expect(await answerOf(worker)).toEqual({ error: 0, syncError: 0, state: 'attached' });
    await device.close();
    const other = openFile(second, { engine });
    worker.postMessage('again');
    expect(await answerOf(worker)).toEqual({ error: EBADF, syncError: EBADF, state: 'EBADF' });
    expect(await exit).toBe(0);
    await other.close();
    expect(readFileSync(second).equals(Buffer.alloc(512))).toBe(true);
  });

  it('is so for memory, and for devices on others, whichever is closed', async () => {
    const below = openMem(1024);
    const slice = openSlice(below, { closeChildren: false });
    const stack = openConcat([slice], { closeChildren: false });
    const handle = stack.handle();
    const channel = attachDevice(handle);
    await stack.close();
    await expectDead(channel);
    expect(() => attachDevice(handle)).toThrow(closed);
    await channel.close();
    const again = openConcat([slice]);
    const last = attachDevice(again.handle());
    await again.close();
    await expectDead(last);
    await last.close();
    await below.close();
  });

  it('closing one channel leaves the others alone', async () => {
    const device = openMem(1024);
    const [one, other] = [attachDevice(device.handle()), attachDevice(device.handle())];
    await one.close();
    expect((await start(other, makeIo({ lengthBytes: 512 }))).error).toBe(0);
    expect((await start(device, makeIo({ lengthBytes: 512 }))).error).toBe(0);
    await other.close();
    await device.close();
  });
});
