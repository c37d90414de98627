import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { attachDevice, type BlockDevice, type DeviceHandle, openFile, openMem, openNull } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { engines } from './support/available.js';
import { read, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();

/** What a worker that attaches to the device reads at 10, after which it writes 'from worker' at 50. */
async function visit(device: BlockDevice): Promise<unknown> {
  const worker = new Worker(new URL('./support/attach-worker.mjs', import.meta.url), { workerData: device.handle() });
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  const answer = await answerOf(worker);
  expect(await exit).toBe(0);
  return answer;
}

describe('attachDevice in a worker', () => {
  it('is the same memory disk', async () => {
    const device = openMem(100);
    await write(device, 'from main', 10);
    expect(await visit(device)).toMatchObject({ seen: 'from main', error: 0, limits: device.limits });
    const buffer = IoBuffer.allocate(11);
    await read(device, buffer, 50);
    expect(Buffer.from(buffer.bytes).toString()).toBe('from worker');
  });

  it.each(engines)('is the same file, engine %s', async (engine) => {
    const path = join(folder, engine);
    writeFileSync(path, Buffer.alloc(100));
    const device = openFile(path, { engine });
    await write(device, 'from main', 10);
    const answer = await visit(device);
    expect(answer).toEqual({ seen: 'from main', error: 0, limits: device.limits, describe: device.describe() });
    // The worker has closed its channel, and this one is still open.
    const buffer = IoBuffer.allocate(11);
    expect(await read(device, buffer, 50)).toEqual({ error: 0, transferredBytes: 11 });
    expect(Buffer.from(buffer.bytes).toString()).toBe('from worker');
    await device.close();
  });

  it('keeps a read-only file read-only', async () => {
    const path = join(folder, 'read-only');
    writeFileSync(path, Buffer.alloc(100));
    const device = openFile(path, { readOnly: true });
    expect(await visit(device)).toMatchObject({ error: 30 });
    await device.close();
  });

  it('is a null device of the same size', async () => {
    const device = openNull(1000);
    expect(await visit(device)).toMatchObject({ error: 0, describe: { driver: 'null', sizeBytes: 1000 } });
  });
});

describe('attachDevice', () => {
  it('refuses drivers that it does not know', () => {
    for (const driver of ['tape', 'constructor', '__proto__']) {
      const handle = { driver } as unknown as DeviceHandle;
      expect(() => attachDevice(handle)).toThrow(expect.objectContaining({ code: 'EINVAL', syscall: 'attach' }));
    }
  });

  it('is given handles that can be cloned', () => {
    for (const device of [openNull(), openMem(10)]) {
      const { driver } = structuredClone(device.handle());
      expect(driver).toBe(device.describe()['driver']);
    }
  });
});
