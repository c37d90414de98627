import { blockDeviceConformance } from '@biodone/testkit';
import { describe, it } from 'vitest';
import { leaves } from './support/devices.js';

const runner = { describe, it: (name: string, test: () => Promise<void>) => it(name, test, 60_000) };

for (const leaf of leaves) blockDeviceConformance(runner, leaf);
