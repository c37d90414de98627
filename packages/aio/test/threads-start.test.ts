import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { AioServicePool, promises } from '@biodone/aio';
import { openMem } from '@biodone/blockdev';
import { allowedCpus, IoBuffer } from '@biodone/uring';
import { expect, it, vi } from 'vitest';

// Threads start, and processes too: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const cpus = allowedCpus() ?? [];
if (cpus.length < 2) console.warn('how the threads of several pools share the CPUs is not tested: there is one CPU');

it.runIf(cpus.length > 1)('pools of one thread each are bound to one CPU after the other', async () => {
  const device = openMem(65536);
  const pools = cpus.slice(0, 2).map(() => new AioServicePool(device, { service: 'threads', threads: 1 }));
  for (const pool of pools) await promises.read(pool, IoBuffer.allocate(512), 0);
  const used = pools.map((pool) => pool.stats().threads?.threads[0]?.cpu);
  expect(new Set(used).size).toBe(2);
  for (const pool of pools) await pool.close();
  await device.close();
});

it.each([['--input-type=module'], ['--input-type', 'module'], ['--expose-gc', '--input-type=module']])(
  'threads start in a program that is no file: %s %s',
  (...flags) => {
    const program = `
      import { AioServicePool, promises } from ${JSON.stringify(import.meta.resolve('@biodone/aio'))};
      import { openMem } from ${JSON.stringify(import.meta.resolve('@biodone/blockdev'))};
      import { IoBuffer } from ${JSON.stringify(import.meta.resolve('@biodone/uring'))};
      const device = openMem(65536);
      const pool = new AioServicePool(device, { service: 'threads', threads: 1 });
      console.log(await promises.read(pool, IoBuffer.allocate(512), 0));
      await pool.close();
      await device.close();`;
    expect(execFileSync(process.execPath, [...flags, '--eval', program], { encoding: 'utf8' })).toBe('512\n');
  },
);

it.runIf(cpus.length > 1)('pools of different threads take the CPUs in turns', async () => {
  const device = openMem(65536);
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    Promise.all([import(workerData.aio), import(workerData.blockdev), import(workerData.uring)]).then(async ([aio, blockdev, uring]) => {
      const device = blockdev.openMem(65536);
      const used = [];
      for (const _ of [1, 2]) {
        const pool = new aio.AioServicePool(device, { service: 'threads', threads: 1 });
        await aio.promises.read(pool, uring.IoBuffer.allocate(512), 0);
        used.push(pool.stats().threads.threads[0].cpu);
        await pool.close();
      }
      await device.close();
      parentPort.postMessage(used);
    });`;
  const workerData = {
    aio: import.meta.resolve('@biodone/aio'),
    blockdev: import.meta.resolve('@biodone/blockdev'),
    uring: import.meta.resolve('@biodone/uring'),
  };
  const cpuOf = async (): Promise<number | null | undefined> => {
    const pool = new AioServicePool(device, { service: 'threads', threads: 1 });
    await promises.read(pool, IoBuffer.allocate(512), 0);
    const cpu = pool.stats().threads?.threads[0]?.cpu;
    await pool.close();
    return cpu;
  };
  const first = await cpuOf();
  const [used] = (await once(new Worker(source, { eval: true, workerData }), 'message')) as [number[]];
  const order = [first, ...used, await cpuOf()].map((cpu) => cpus.indexOf(cpu as number));
  // Each is the next one of the one before, whichever thread's that was.
  expect(order.slice(1)).toEqual(order.slice(0, -1).map((place) => (place + 1) % cpus.length));
  await device.close();
});
