import type { BlockDevice } from '@biodone/blockdev';
import { expect, it, vi } from 'vitest';
import { openAbortable } from './support/abort-driver.mjs';
import { NOTHING, openGate } from './support/gate-driver.mjs';
import { abort, opOf, run, until, watch } from './support/service.js';

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

it('service threads import the modules that register their device’s driver', async () => {
  const device: BlockDevice = openGate().device;
  const modules = [new URL('./support/gate-driver.mjs', import.meta.url).href];
  const { service } = watch(device, { modules });
  const op = await run(service, opOf({ offset: NOTHING }));
  expect(op.error).toBe(0);
  await service.close();
  await device.close();
});

it('refuse what is no list of modules', async () => {
  const device: BlockDevice = openGate().device;
  expect(() => watch(device, { modules: 'driver.mjs' as unknown as string[] })).toThrow(
    expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
  );
  await device.close();
});

it('what a driver ends in an abort is told before its thread blocks again', async () => {
  const { device, words } = openAbortable();
  const modules = [new URL('./support/abort-driver.mjs', import.meta.url).href];
  const { service } = watch(device, { modules });
  const op = opOf();
  const ended = run(service, op);
  // With another one under way the thread goes on waiting for that.
  const other = opOf();
  const otherEnded = run(service, other);
  await until(() => Atomics.load(words, 1) === 2);
  expect(abort(service, op)).toBe('in-progress');
  // Once: it would block for ever the next time.
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
  expect((await ended).error).toBe(125);
  abort(service, other);
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
  expect((await otherEnded).error).toBe(125);
  await service.close();
  await device.close();
});
