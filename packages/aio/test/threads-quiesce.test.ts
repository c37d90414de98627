import { AioServicePool } from '@biodone/aio';
import { attachDevice, BLOCK_RESET, BLOCK_WRITE, openMem } from '@biodone/blockdev';
import { ECANCELED } from '@biodone/uring';
import { describe, expect, it, vi } from 'vitest';
import { GATE, openGate } from './support/gate-driver.mjs';
import { fill, start } from './support/operations.js';
import { abort, opOf, run, spawnScript, until, watch } from './support/service.js';

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

function openTheGate(words: Int32Array): void {
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
}

/** A service whose thread is in the device with an operation, until the gate is opened. */
async function blockedService() {
  const { device, words } = openGate();
  const { service } = watch(device, { script: './gate-worker.mjs' });
  const op = opOf({ offset: GATE });
  const blocked = run(service, op);
  await until(() => Atomics.load(words, 1) === 1);
  return { device, words, service, op, blocked };
}

/** Whether a promise is settled when all that is scheduled has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('quiesce of a device that service threads serve', () => {
  it('waits for what they have, and holds back what is started from then on', async () => {
    const { device, words, service, blocked } = await blockedService();
    const quiet = device.quiesce();
    const held = opOf();
    const later = run(service, held);
    service.flush();
    expect(await isSettled(quiet)).toBe(false);
    openTheGate(words);
    await quiet;
    await blocked;
    expect([service.flush(), await isSettled(later)]).toEqual([0, false]);
    const before = Atomics.load(words, 1);
    device.resume();
    expect([(await later).error, before]).toEqual([0, 1]);
    await service.close();
    await device.close();
  });

  it('can be nested, is there for a service that comes later, and is over with the last resume', async () => {
    const device = openMem(65536);
    await Promise.all([device.quiesce(), device.quiesce()]);
    const { service, workers } = watch(device);
    const op = opOf();
    const done = run(service, op);
    device.resume();
    expect([await isSettled(done), workers.length]).toEqual([false, 0]);
    device.resume();
    expect((await done).error).toBe(0);
    await service.close();
    await device.close();
  });

  it('lets what it holds back be cancelled, and ends it when the device is closed', async () => {
    const device = openMem(65536);
    const { service } = watch(device);
    await device.quiesce();
    const ops = [opOf(), opOf()] as const;
    const done = ops.map((op) => run(service, op));
    expect(abort(service, ops[0])).toBe('cancelled');
    expect((await (done[0] as (typeof done)[0])).error).toBe(ECANCELED);
    const closing = device.close();
    expect((await (done[1] as (typeof done)[0])).error).toBe(ECANCELED);
    await service.close();
    await closing;
  });

  it('makes a wait that would last for ever EDEADLK', async () => {
    const device = openMem(65536);
    const pool = new AioServicePool(device, { service: 'threads', threads: 1 });
    await device.quiesce();
    const log: string[] = [];
    start(pool, log, 'held');
    expect(() => pool.wait(10_000)).toThrow(
      expect.objectContaining({ code: 'EDEADLK', message: expect.stringContaining('resume') }),
    );
    device.resume();
    while (pool.inFlight > 0) pool.wait(10_000);
    expect(log).toEqual(['held']);
    await pool.close();
    await device.close();
  });

  it('does not reach other channels of the device, which are their owners’', async () => {
    const device = openMem(65536);
    const channel = attachDevice(device.handle());
    const pool = new AioServicePool(channel);
    await device.quiesce();
    const log: string[] = [];
    start(pool, log, 'channel');
    while (pool.inFlight > 0) pool.wait(1000);
    expect(log).toEqual(['channel']);
    await pool.close();
    await channel.close();
    await device.close();
  });
});

describe('a reset by BLOCK_RESET through service threads', () => {
  it('ends what no thread has begun, waits for the rest, and lets nothing new in until then', async () => {
    const { device, words, service, op, blocked } = await blockedService();
    const order: string[] = [];
    const note = (name: string, done: Promise<{ error: number }>): Promise<void> =>
      done.then(({ error }) => void order.push(`${name}:${error}`));
    const queued = [opOf(), opOf()].map((one) => note('queued', run(service, one)));
    service.flush();
    const ends = [...queued, note('unknown', run(service, opOf())), note('blocked', blocked)];
    const reset = opOf({ operation: BLOCK_RESET });
    const done = note('reset', run(service, reset));
    expect(abort(service, reset)).toBe('in-progress');
    ends.push(note('new', run(service, opOf())), note('second', run(service, opOf({ operation: BLOCK_RESET }))));
    expect(await isSettled(done)).toBe(false);
    openTheGate(words);
    await Promise.all([...ends, done]);
    expect([...order].sort()).toEqual([
      'blocked:0',
      `new:${ECANCELED}`,
      `queued:${ECANCELED}`,
      `queued:${ECANCELED}`,
      'reset:0',
      `second:${ECANCELED}`,
      `unknown:${ECANCELED}`,
    ]);
    expect([order.at(-1), op.completions]).toEqual(['reset:0', 1]);
    // Then it goes on.
    expect((await run(service, opOf())).error).toBe(0);
    await service.close();
    await device.close();
  });

  it('with nothing under way completes at once, also while the device is quiesced', async () => {
    const device = openMem(65536);
    const { service, workers } = watch(device);
    expect((await run(service, opOf({ operation: BLOCK_RESET }))).error).toBe(0);
    await device.quiesce();
    const held = run(service, opOf());
    expect((await run(service, opOf({ operation: BLOCK_RESET }))).error).toBe(0);
    expect([(await held).error, workers.length]).toEqual([ECANCELED, 0]);
    await service.close();
    await device.close();
  });

  it('is an operation of a pool as any other, and can be waited for', async () => {
    const { device, words } = openGate();
    const pool = new AioServicePool(device, { service: 'threads', threads: 1, spawn: spawnScript('./gate-worker.mjs') });
    const log: string[] = [];
    start(pool, log, 'gate', { offset: GATE });
    while (Atomics.load(words, 1) === 0) pool.wait(1);
    start(pool, log, 'queued', { operation: BLOCK_WRITE });
    const reset = fill(pool.allocate(), { callback: ({ error }) => void log.push(`reset:${error}`) });
    reset.operation = BLOCK_RESET;
    pool.submit(reset);
    while (log.length === 0) pool.wait(1);
    expect(log).toEqual([`queued:${ECANCELED}`]);
    openTheGate(words);
    while (pool.inFlight > 0) pool.wait(1000);
    expect(log).toEqual([`queued:${ECANCELED}`, 'gate', 'reset:0']);
    await pool.close();
    await device.close();
  });
});
