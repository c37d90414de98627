import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ServiceThreads } from '@biodone/aio';
import { openMem, openThrottle } from '@biodone/blockdev';
import { allowedCpus, EBADF, probe } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { GATE, openGate, removeGate } from './support/gate-driver.mjs';
import { runChild } from './support/run-child.js';
import { openDescriptors, opOf, pathOf, run, until, watch } from './support/service.js';

const { available, reason } = probe();
const linux = process.platform === 'linux';
const cpus = allowedCpus() ?? [];
if (!available) console.warn(`the tests of owners that end with I/O under way are skipped: ${reason}`);
if (!linux) console.warn('the tests that look into /proc, or need poll(2), are skipped: this is not Linux');
const ENODEV = 19;
// Threads start, and processes too: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

let folder: Folder;
beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());

describe('service threads', () => {
  it('are started on need: none, one, and more while operations wait and all are busy', async () => {
    const { device, words } = openGate();
    // Time passes when the test says so.
    const due: (() => void)[] = [];
    const after = (_delayMs: number, callback: () => void): (() => void) => {
      due.push(callback);
      return () => {};
    };
    const timers = { now: () => 0, after, sleep: () => {} };
    const { service, workers } = watch(device, { script: './gate-worker.mjs', threads: 4, timers });
    expect(workers.length).toBe(0);
    await run(service, opOf());
    await run(service, opOf());
    expect(workers.length).toBe(1);
    const blocked = Array.from({ length: 6 }, () => run(service, opOf({ offset: GATE })));
    await until(() => {
      for (const callback of due.splice(0)) callback();
      return Atomics.load(words, 1) === 4;
    });
    expect([workers.length, service.statistics().threads.length]).toEqual([4, 4]);
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    expect((await Promise.all(blocked)).map(({ error }) => error)).toEqual([0, 0, 0, 0, 0, 0]);
    await service.close();
    await device.close();
  });

  it('end when they have had nothing to do for a while, and come again', async () => {
    const device = openMem(65536);
    const { service, workers } = watch(device, { idleMs: 20 });
    await run(service, opOf());
    await until(() => service.statistics().threads.length === 0);
    expect(device.state.channels.isUsed()).toBe(false);
    expect((await run(service, opOf())).error).toBe(0);
    expect([workers.length, service.statistics().died]).toEqual([2, 0]);
    await service.close();
    await device.close();
  });

  it('stay, as many as are asked for', async () => {
    const { device, words } = openGate();
    const { service } = watch(device, { script: './gate-worker.mjs', threads: 3, threadsMin: 1, idleMs: 20 });
    const blocked = Array.from({ length: 3 }, () => run(service, opOf({ offset: GATE })));
    await until(() => Atomics.load(words, 1) === 3);
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    await Promise.all(blocked);
    await until(() => service.statistics().threads.length === 1);
    const [last] = service.statistics().threads;
    expect((await run(service, opOf())).error).toBe(0);
    expect(service.statistics().threads.map(({ task }) => task)).toEqual([last?.task]);
    await service.close();
    await device.close();
  });

  it.skipIf(!linux)('do nothing at all while there is nothing to do', async () => {
    const device = openMem(65536);
    const { service } = watch(device, { idleMs: Number.POSITIVE_INFINITY });
    await run(service, opOf());
    await until(() => service.statistics().threads[0]?.state === 'idle');
    const task = service.statistics().threads[0]?.task;
    /** Its wake-ups, and its CPU time in ticks: utime and stime of proc(5). */
    const activity = (): unknown => {
      const fields = readFileSync(`/proc/self/task/${task}/stat`, 'utf8').split(') ')[1]?.split(' ');
      return [service.statistics().threads, fields?.slice(11, 13)];
    };
    const before = activity();
    // The owner is busy all the time.
    for (let turn = 0; turn < 50_000; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(activity()).toEqual(before);
    await service.close();
    await device.close();
  });
});

describe.skipIf(!linux)('the CPUs of service threads', () => {
  const print = async (prefix: string[], threads: number | null, options: object = {}): Promise<object> => {
    const args = [...prefix, process.execPath, pathOf('./print-affinity.mjs'), JSON.stringify(threads), JSON.stringify(options)];
    return JSON.parse(execFileSync(args[0] as string, args.slice(1), { encoding: 'utf8' }));
  };
  const all = cpus.length === 1 ? `${cpus[0]}` : null;

  it('are one each, the first for the first', async () => {
    const [first] = cpus;
    expect(await print([], cpus.length)).toEqual({ cpu: first, bindError: 0, allowed: `${first}` });
  });

  it('are none in particular with more threads than CPUs, or without bind', async () => {
    for (const free of [await print([], cpus.length + 1), await print([], 1, { bind: false })]) {
      expect(free).toMatchObject({ cpu: null, bindError: 0 });
      if (all === null) expect(free).not.toMatchObject({ allowed: `${cpus[0]}` });
    }
  });

  it('are those that the process may use', async () => {
    const last = cpus.at(-1);
    expect(await print(['taskset', '-c', `${last}`], null)).toEqual({ cpu: last, bindError: 0, allowed: `${last}` });
    expect(availableParallelism()).toBeGreaterThanOrEqual(1);
  });
});

describe('a device that', () => {
  it('cannot be shared is refused, with its name and the way out', async () => {
    const device = openThrottle(openMem(65536), { bytesPerSecond: 1000 });
    expect(() => new ServiceThreads(device, 4, 1)).toThrow(
      expect.objectContaining({ code: 'ENOTSUP', message: expect.stringMatching(/'throttle' device: serve it inline/) }),
    );
    await device.close();
  });

  it('is closed is refused', async () => {
    const device = openMem(65536);
    await device.close();
    expect(() => new ServiceThreads(device, 4, 1)).toThrow(expect.objectContaining({ errno: -EBADF }));
  });

  it('is gone gives ENODEV', async () => {
    const { device } = openGate();
    const { service } = watch(device, { script: './gate-worker.mjs' });
    expect((await run(service, opOf())).error).toBe(0);
    removeGate();
    expect((await run(service, opOf())).error).toBe(ENODEV);
    await service.close();
    await device.close();
  });

  it.each([
    [0, 1, {}],
    [65537, 1, {}],
    [4, 0, {}],
    [4, 1025, {}],
    [4, 2, { threadsMin: 3 }],
    [4, 2, { idleMs: 0 }],
    [4, 2, { idleMs: Number.NaN }],
  ])('is served with wrong numbers is not: depth %d, %d threads, %o', async (depth, threads, options) => {
    const device = openMem(65536);
    expect(() => new ServiceThreads(device, depth, threads, options)).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
    );
    await device.close();
  });
});

describe.skipIf(!linux)('the owner of service threads', () => {
  it('that has no descriptor left gets EMFILE, and nothing is held', async () => {
    const script = `ulimit -n 64; exec "${process.execPath}" "${pathOf('./opening-limit.mjs')}"`;
    const lines = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).trim().split('\n');
    expect(lines.slice(-2)).toEqual(['descriptors 0', 'closed']);
    expect(lines[0]).toMatch(/^EMFILE /);
    expect(lines.slice(0, -2).every((line) => /^(EMFILE |made with 3$)/.test(line))).toBe(true);
  });

  it('that blocks is woken by signals', async () => {
    const child = await runChild('interrupted-wait.mjs');
    expect(child).toMatchObject({ status: 0, stdout: 'before ETIME\ninterrupted EINTR\nerror 0\n', stderr: '' });
  });

  it.skipIf(!available).each(['terminate', 'exit', 'throw'])(
    'may be a worker that ends by %s, with I/O under way',
    async (ending) => {
      const fifo = join(folder.path, `fifo-${ending}`);
      execFileSync('mkfifo', [fifo]);
      const fd = openSync(fifo, 'r+');
      const cycle = async (): Promise<void> => {
        const owner = new Worker(pathOf('./owner-worker.mjs'), { workerData: { fd, ending } });
        owner.on('error', () => {});
        const ended = new Promise((resolve) => owner.once('exit', resolve));
        if (ending === 'terminate') {
          await new Promise((resolve) => owner.once('message', resolve));
          await owner.terminate();
        }
        await ended;
      };
      const tasks = (): number => readdirSync('/proc/self/task').length;
      await cycle();
      const before = { descriptors: openDescriptors(), tasks: tasks() };
      await cycle();
      // The kernel's own threads, and what they hold, go a moment later.
      await until(() => openDescriptors() <= before.descriptors && tasks() <= before.tasks);
      closeSync(fd);
    },
  );
});

describe('without a foreign function interface', () => {
  it('service threads and their owner find other ways to wake each other', async () => {
    const file = join(folder.path, 'without-ffi');
    const child = await runChild('threads-without-ffi.mjs', [file], ['--require', pathOf('./without-ffi.cjs')]);
    expect(child).toMatchObject({ status: 0, stdout: '[0,512,7] 0 null\n', stderr: '' });
  });
});
