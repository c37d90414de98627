import { expect, it, vi } from 'vitest';
import { GATE, NOTHING, openGate } from './support/gate-driver.mjs';
import { seededRandom } from './support/random.js';
import { abort, opOf, run, type TestOp, until, watch } from './support/service.js';

// A thread starts: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const ECANCELED = 125;

it('what is cancelled of all that waits ends, from either end and from within, and the rest is served in its order', async () => {
  const random = seededRandom('cancels of what waits for a thread');
  const { device, words } = openGate();
  const { service } = watch(device, { script: './gate-worker.mjs', threads: 1, depth: 256 });
  const ended: TestOp[] = [];
  const ends: Promise<unknown>[] = [];
  const start = (offset: number): TestOp => {
    const op = opOf({ offset });
    ends.push(run(service, op).then((done) => ended.push(done)));
    return op;
  };
  start(GATE);
  await until(() => Atomics.load(words, 1) === 1);
  const handedOver = Array.from({ length: 100 }, () => start(NOTHING));
  service.flush();
  const kept = Array.from({ length: 100 }, () => start(NOTHING));
  const cancelled = new Set<TestOp>();
  for (const ops of [handedOver, kept]) {
    // The first ones, the last ones, and some between.
    const order = [
      ...ops.slice(0, 10),
      ...ops.slice(-10).reverse(),
      ...Array.from({ length: 40 }, () => ops[random(100)] as TestOp),
    ];
    for (const op of new Set(order)) {
      expect(abort(service, op)).toBe('cancelled');
      cancelled.add(op);
    }
  }
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
  await Promise.all(ends);
  const served = [...handedOver, ...kept].filter((op) => !cancelled.has(op));
  expect(ended.filter((op) => op.error === 0 && op.offset === NOTHING)).toEqual(served);
  expect([...cancelled].every((op) => op.error === ECANCELED && op.completions === 1)).toBe(true);
  await service.close();
  await device.close();
});
