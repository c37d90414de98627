import { openDevice } from '@biodone/blockdev';
import { blockDeviceConformance } from '@biodone/testkit';
import { describe, it } from 'vitest';
import { leaves } from './support/devices.js';

const runner = { describe, it: (name: string, test: () => Promise<void>) => it(name, test, 60_000) };

for (const { persists = false, ...leaf } of leaves) {
  blockDeviceConformance(runner, { ...leaf, ...(persists ? { reopen: (config) => openDevice(config) } : {}) });
}
