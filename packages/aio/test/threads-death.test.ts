import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { openMem, openStripe, wrapDescriptor } from '@biodone/blockdev';
import { EIO, IoBuffer, probe } from '@biodone/uring';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { EXIT, EXIT_WITH_LOCK, GATE, NOTHING, OUT_OF_MEMORY, openGate, THROW } from './support/gate-driver.mjs';
import { openDescriptors, opOf, run, spawnScript, type TestOp, until, watch } from './support/service.js';

const { available, reason } = probe();
const linux = process.platform === 'linux';
if (!available) console.warn(`the tests of rings that die are skipped: ${reason}`);
if (!linux) console.warn('the tests that count descriptors are skipped: this is not Linux');

const GATE_THREADS = { script: './gate-worker.mjs', worker: { resourceLimits: { maxOldGenerationSizeMb: 16 }, stderr: true } };

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

let folder: Folder;
/** The messages of warnings: each death makes one. */
let warnings: string[] = [];
const onWarning = (warning: Error): void => {
  if ((warning as NodeJS.ErrnoException).code === 'BIODONE_SERVICE_THREAD') warnings.push(warning.message);
};

beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());
beforeEach(() => {
  warnings = [];
  process.on('warning', onWarning);
});
afterEach(() => {
  process.off('warning', onWarning);
});

describe.each([
  ['process.exit()', EXIT, /exit code 3/],
  ['no memory left', OUT_OF_MEMORY, /memory/],
  ['process.exit() with the lock owned', EXIT_WITH_LOCK, /exit code 4/],
])('a service thread that dies by %s', (_, offset, message) => {
  it('fails what it had begun with EIO, and what it had not is done by the one that replaces it', async () => {
    const { device } = openGate();
    const { service } = watch(device, GATE_THREADS);
    expect((await run(service, opOf({ offset: NOTHING }))).error).toBe(0);
    const ops = [NOTHING, offset, NOTHING, NOTHING].map((where) => opOf({ offset: where }));
    await Promise.all(ops.map((op) => run(service, op)));
    expect(ops.map(({ error }) => error)).toEqual([0, EIO, 0, 0]);
    expect(ops.map(({ completions }) => completions)).toEqual([1, 1, 1, 1]);
    const { died, started, lastError } = service.statistics();
    expect({ died, started }).toEqual({ died: 1, started: 2 });
    expect(lastError).toMatch(message);
    await until(() => warnings.length > 0);
    expect(warnings[0]).toMatch(message);
    await service.close();
    await device.close();
  });

  it('is noticed and replaced by an owner that blocks', async () => {
    const { device } = openGate();
    const { service } = watch(device, GATE_THREADS);
    const ops = [NOTHING, offset, NOTHING].map((where) => opOf({ offset: where }));
    for (const op of ops) void run(service, op);
    while (service.statistics().inFlight > 0) service.wait(Number.POSITIVE_INFINITY);
    expect(ops.map(({ error }) => error)).toEqual([0, EIO, 0]);
    await service.close();
    await device.close();
  });
});

describe('a driver that throws', () => {
  it('ends its request alone, and not the thread', async () => {
    const { device } = openGate();
    const { service } = watch(device, GATE_THREADS);
    expect((await run(service, opOf({ offset: THROW }))).error).toBe(EIO);
    expect((await run(service, opOf())).error).toBe(0);
    expect(service.statistics().died).toBe(0);
    await service.close();
    await device.close();
  });
});

describe('terminate() of a service thread', () => {
  it('in its sleep costs nothing but a replacement', async () => {
    const device = openMem(65536);
    const { service, workers } = watch(device);
    await run(service, opOf());
    await until(() => service.statistics().threads[0]?.state === 'idle');
    await workers[0]?.terminate();
    const op = await run(service, opOf());
    expect([op.error, service.statistics().died]).toEqual([0, 1]);
    await service.close();
    await device.close();
  });

  it('while it blocks in a driver fails that request, and the rest goes to another thread', async () => {
    const { device, words } = openGate();
    const { service, workers } = watch(device, GATE_THREADS);
    await run(service, opOf());
    const blocked = run(service, opOf({ offset: GATE }));
    await until(() => Atomics.load(words, 1) === 1);
    const behind = run(service, opOf());
    service.flush();
    await workers[0]?.terminate();
    expect([(await blocked).error, (await behind).error]).toEqual([EIO, 0]);
    await service.close();
    await device.close();
  });

  it.skipIf(!available)('while it waits in the kernel ends its I/O there first, and leaves nothing open', async () => {
    const fifo = join(folder.path, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const fd = openSync(fifo, 'r+');
    const device = wrapDescriptor(fd);
    const cycle = async (): Promise<void> => {
      const { service, workers } = watch(device);
      // Nobody writes to it.
      const read = run(service, opOf());
      await until(() => service.statistics().threads[0]?.state === 'in kernel');
      expect(device.state.channels.isUsed()).toBe(true);
      await workers[0]?.terminate();
      expect((await read).error).toBe(EIO);
      expect([service.statistics().died, device.state.channels.isUsed()]).toEqual([1, false]);
      await service.close();
    };
    await cycle();
    const before = openDescriptors();
    for (let round = 0; round < 2; round++) await cycle();
    expect(openDescriptors()).toBe(before);
    await device.close();
    closeSync(fd);
  });

  it('leaves no channel behind, of no device of a stack', async () => {
    const parts = [openMem(65536), openMem(65536)];
    const device = openStripe(parts);
    const { service, workers } = watch(device, { threads: 2 });
    await run(service, opOf());
    const channels = (): boolean[] => [device, ...parts].map(({ state }) => state.channels.isUsed());
    expect(channels()).toEqual([true, true, true]);
    await workers[0]?.terminate();
    await until(() => service.statistics().died === 1);
    expect(channels()).toEqual([false, false, false]);
    await service.close();
    await device.close();
  });

  it('again and again loses no operation and no wake-up, and completes none twice', async () => {
    const device = openMem(65536);
    const { service, workers } = watch(device, { threads: 2 });
    const ops: TestOp[] = [];
    for (let round = 0; round < 12; round++) {
      const batch = Array.from({ length: 40 }, () => opOf({ buffer: IoBuffer.allocate(512) }));
      const done = Promise.all(batch.map((op) => run(service, op)));
      service.flush();
      // One that lives, in the middle of whatever it does.
      void workers.at(-1)?.terminate();
      await done;
      ops.push(...batch);
    }
    expect(ops.every(({ completions, error }) => completions === 1 && (error === 0 || error === EIO))).toBe(true);
    expect(service.statistics().inFlight).toBe(0);
    await service.close();
    await device.close();
  });
});

describe('service threads that cannot be started', () => {
  it('fail operations with EIO, name the error, and are not tried without end', async () => {
    const device = openMem(65536);
    let tries = 0;
    let broken = true;
    const start = spawnScript();
    const { service } = watch(device, {
      spawn: (data, name) => {
        tries += 1;
        if (broken) throw new Error('no threads today');
        return start(data, name);
      },
    });
    const ops = await Promise.all([run(service, opOf()), run(service, opOf())]);
    expect(ops.map(({ error }) => error)).toEqual([EIO, EIO]);
    expect(tries).toBe(3);
    expect(service.statistics().lastError).toBe('no threads today');
    // At once, until it is time to try again.
    expect((await run(service, opOf())).error).toBe(EIO);
    expect(tries).toBe(3);
    broken = false;
    let op = await run(service, opOf());
    while (op.error !== 0) op = await run(service, opOf());
    expect(tries).toBe(4);
    await service.close();
    await device.close();
  });
});
