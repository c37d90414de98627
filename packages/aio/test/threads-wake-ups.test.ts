import { describe, expect, it, vi } from 'vitest';
import { GATE, openGate, WORK } from './support/gate-driver.mjs';
import { opOf, run, until, watch } from './support/service.js';

const DEPTH = 64;

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

describe("the pool's thread", () => {
  it('is woken for several completions at a time while many operations wait', async () => {
    const { device } = openGate();
    const { service } = watch(device, { script: './gate-worker.mjs', depth: DEPTH });
    await run(service, opOf());
    let awake = false;
    let wakeUps = 0;
    await Promise.all(
      Array.from({ length: DEPTH }, async () => {
        await run(service, opOf({ offset: WORK }));
        if (awake) return;
        awake = true;
        wakeUps += 1;
        setImmediate(() => {
          awake = false;
        });
      }),
    );
    expect(wakeUps).toBeLessThan(DEPTH * 0.75);
    await service.close();
    await device.close();
  });

  it('comes to completions that it has not been woken for, though their thread blocks', async () => {
    const { device, words } = openGate();
    // Time passes when the test says so.
    const due: (() => void)[] = [];
    const after = (_delayMs: number, callback: () => void): (() => void) => {
      due.push(callback);
      return () => {};
    };
    const timers = { now: () => 0, after, sleep: () => {} };
    const { service } = watch(device, { script: './gate-worker.mjs', depth: DEPTH, timers });
    await run(service, opOf());
    const ops = Array.from({ length: DEPTH }, (_, index) => opOf({ offset: index === 5 ? GATE : 0 }));
    const done = Promise.all(ops.map((op) => run(service, op)));
    await until(() => Atomics.load(words, 1) === 1);
    await until(() => {
      for (const callback of due.splice(0)) callback();
      return ops[0]?.completions === 1;
    });
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    expect((await done).every(({ error, completions }) => error === 0 && completions === 1)).toBe(true);
    await service.close();
    await device.close();
  });
});
