import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type BlockDevice, openMem, wrapDescriptor } from '@biodone/blockdev';
import { ECANCELED, probe } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { GATE, openGate } from './support/gate-driver.mjs';
import { abort, opOf, run, until, watch } from './support/service.js';

const { available, reason } = probe();
if (!available) console.warn(`aborting what is in a ring is not tested: ${reason}`);
// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

let folder: Folder;
beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());

function openTheGate(words: Int32Array): void {
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
}

describe('abort of an operation with service threads', () => {
  it('that has not been handed over cancels it, and it completes once, later', async () => {
    const device = openMem(65536);
    const { service, workers } = watch(device);
    const op = opOf();
    const done = run(service, op);
    expect(abort(service, op)).toBe('cancelled');
    expect(op.completions).toBe(0);
    expect([(await done).error, op.transferredBytes, op.completions]).toEqual([ECANCELED, 0, 1]);
    expect([abort(service, op), workers.length]).toEqual(['done', 0]);
    await service.close();
    await device.close();
  });

  it('that no thread has taken cancels it, and those before and behind it are served', async () => {
    const { device, words } = openGate();
    const { service } = watch(device, { script: './gate-worker.mjs' });
    const blocked = run(service, opOf({ offset: GATE }));
    await until(() => Atomics.load(words, 1) === 1);
    const ops = Array.from({ length: 5 }, () => opOf());
    const done = ops.map((op) => run(service, op));
    service.flush();
    expect([ops[0], ops[3]].map((op) => abort(service, op as (typeof ops)[0]))).toEqual(['cancelled', 'cancelled']);
    openTheGate(words);
    expect((await blocked).error).toBe(0);
    expect((await Promise.all(done)).map(({ error }) => error)).toEqual([ECANCELED, 0, 0, ECANCELED, 0]);
    await service.close();
    await device.close();
  });

  it('that a thread has begun and cannot stop changes nothing', async () => {
    const { device, words } = openGate();
    const { service } = watch(device, { script: './gate-worker.mjs' });
    const op = opOf({ offset: GATE });
    const done = run(service, op);
    await until(() => Atomics.load(words, 1) === 1);
    expect(abort(service, op)).toBe('in-progress');
    openTheGate(words);
    expect((await done).error).toBe(0);
    await service.close();
    await device.close();
  });

  it('that a thread has taken and not begun ends it before it begins', async () => {
    const { device, words } = openGate();
    const { service } = watch(device, { script: './gate-worker.mjs' });
    // The thread takes more at a time when they are fast.
    for (let round = 0; round < 8; round++) await Promise.all(Array.from({ length: 16 }, () => run(service, opOf())));
    const blocked = run(service, opOf({ offset: GATE }));
    const behind = Array.from({ length: 40 }, () => opOf());
    const done = behind.map((op) => run(service, op));
    service.flush();
    await until(() => Atomics.load(words, 1) === 1);
    const verdicts = behind.map((op) => abort(service, op));
    openTheGate(words);
    await blocked;
    expect((await Promise.all(done)).every(({ error }) => error === ECANCELED)).toBe(true);
    expect(verdicts.every((verdict) => verdict === 'cancelled' || verdict === 'in-progress')).toBe(true);
    await service.close();
    await device.close();
  });

  it.skipIf(!available)('that waits in the kernel is passed on to it, and ends it', async () => {
    const fifo = join(folder.path, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const fd = openSync(fifo, 'r+');
    const device: BlockDevice = wrapDescriptor(fd);
    const { service } = watch(device);
    const op = opOf();
    // Nobody writes to it.
    const done = run(service, op);
    await until(() => service.statistics().threads[0]?.state === 'in kernel');
    expect(abort(service, op)).toBe('in-progress');
    expect((await done).error).toBe(ECANCELED);
    expect(abort(service, op)).toBe('done');
    await service.close();
    await device.close();
    closeSync(fd);
  });
});

describe.skipIf(!available)('one service thread', () => {
  it('has many operations under way, and is blocked by none of them', async () => {
    const fifo = join(folder.path, 'many');
    execFileSync('mkfifo', [fifo]);
    const fd = openSync(fifo, 'r+');
    const device: BlockDevice = wrapDescriptor(fd);
    const { service, workers } = watch(device, { threads: 1 });
    const ops = Array.from({ length: 8 }, () => opOf());
    const done = ops.map((op) => run(service, op));
    service.flush();
    await until(() => service.statistics().threads[0]?.state === 'in kernel');
    // The last one has been started too, since it is ended while all others go on.
    const [last] = ops.slice(-1) as [(typeof ops)[0]];
    expect(abort(service, last)).toBe('in-progress');
    expect((await (done.at(-1) as (typeof done)[0])).error).toBe(ECANCELED);
    expect(ops.slice(0, -1).map(({ completions }) => completions)).toEqual(new Array(7).fill(0));
    for (const op of ops.slice(0, -1)) abort(service, op);
    expect((await Promise.all(done)).map(({ error }) => error)).toEqual(new Array(8).fill(ECANCELED));
    expect(workers.length).toBe(1);
    await service.close();
    await device.close();
    closeSync(fd);
  });
});
