import { AioServicePool, type DisciplineName } from '@biodone/aio';
import { openMem } from '@biodone/blockdev';
import { expect, it } from 'vitest';
import { openDescriptors } from './support/service.js';

it.runIf(process.platform === 'linux')('a pool that cannot be made holds neither the device nor a descriptor', async () => {
  const device = openMem(65536);
  const make = (): AioServicePool => new AioServicePool(device, { service: 'threads', discipline: 'elevator' as DisciplineName });
  expect(make).toThrow(/elevator/);
  const before = openDescriptors();
  for (let count = 0; count < 3; count++) expect(make).toThrow(/elevator/);
  expect(openDescriptors()).toBe(before);
  // It would wait for service threads.
  await device.close();
});
