import { type BlockDevice, type BlockDeviceOptions, openMem } from '@biodone/blockdev';
import { blockDeviceConformance } from '@biodone/testkit';
import { describe, it } from 'vitest';
import { filters, type Leaf, leaves, SIZE_BYTES } from './support/devices.js';

const runner = { describe, it: (name: string, test: () => Promise<void>) => it(name, test, 60_000) };
const rounds = 200;
const mem: Leaf = { name: 'mem', open: () => openMem(SIZE_BYTES) };

/** Every filter over every leaf that keeps what is written, and over every filter over mem: all stacks that are two deep. */
for (const filter of filters) {
  for (const leaf of leaves) {
    if (leaf.keepsData === false) continue;
    const opened: BlockDevice[] = [];
    const child = (): BlockDevice => {
      const device = leaf.open();
      opened.push(device);
      return device;
    };
    const takeAway = (): void => {
      for (const device of opened) if (!device.closed) leaf.remove?.(device);
    };
    const open = (options?: BlockDeviceOptions) => filter.open(child, options);
    const target = { name: `${filter.name} over ${leaf.name}`, rounds, open };
    blockDeviceConformance(runner, leaf.remove === undefined ? target : { ...target, remove: takeAway });
  }
  for (const below of filters) {
    blockDeviceConformance(runner, {
      name: `${filter.name} over ${below.name} over mem`,
      rounds,
      open: async (options) => {
        // As many as a filter could want, since its own opening cannot wait for them.
        const ready = await Promise.all(Array.from({ length: 4 }, () => below.open(() => mem.open())));
        const device = await filter.open(() => ready.pop() ?? mem.open(), options);
        await Promise.all(ready.map((unused) => unused.close()));
        return device;
      },
    });
  }
}
