import { openMem } from '@biodone/blockdev';
import { blockDeviceConformance } from '@biodone/testkit';
import { describe, it } from 'vitest';
import { filters, SIZE_BYTES } from './support/devices.js';

const runner = { describe, it: (name: string, test: () => Promise<void>) => it(name, test, 60_000) };
const rounds = 50;

/** Every filter over every filter. */
for (const filter of filters) {
  for (const below of filters) {
    blockDeviceConformance(runner, {
      name: `${filter.name} over ${below.name} over mem`,
      rounds,
      open: async (options) => {
        // As many as a filter could want, since its own opening cannot wait for them.
        const ready = await Promise.all(Array.from({ length: 4 }, () => below.open(() => openMem(SIZE_BYTES))));
        const device = await filter.open(() => ready.pop() ?? openMem(SIZE_BYTES), options);
        await Promise.all(ready.map((unused) => unused.close()));
        return device;
      },
    });
  }
}
