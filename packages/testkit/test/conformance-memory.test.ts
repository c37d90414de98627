import { openMem } from '@biodone/blockdev';
import { blockDeviceConformance } from '@biodone/testkit';
import { IoBuffer } from '@biodone/uring';
import { describe, it } from 'vitest';
import { filters, SIZE_BYTES } from './support/devices.js';

const runner = { describe, it: (name: string, test: () => Promise<void>) => it(name, test, 60_000) };

// Drivers that work on memory in WebAssembly where it is; all other tests of conformance have memory that they copy.
for (const filter of filters.filter(({ name }) => name === 'checksum' || name === 'raid 5')) {
  blockDeviceConformance(runner, {
    name: `${filter.name} over mem, from memory in WebAssembly`,
    rounds: 150,
    allocate: IoBuffer.inWebAssembly,
    open: (options) => filter.open(() => openMem(SIZE_BYTES), options),
  });
}
