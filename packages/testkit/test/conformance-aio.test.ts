import { disciplineNames } from '@biodone/aio';
import { blockDeviceConformance, openPooled } from '@biodone/testkit';
import { describe, it } from 'vitest';
import { leaves } from './support/devices.js';

const runner = { describe, it: (name: string, test: () => Promise<void>) => it(name, test, 60_000) };

/** Every driver, with its requests going through a pool: one that lets all through, and one in which most have to wait. */
for (const [index, leaf] of leaves.entries()) {
  const discipline = disciplineNames[index % disciplineNames.length] as (typeof disciplineNames)[number];
  const pools = { 'an open pool': {}, [`a narrow pool, ${discipline}`]: { depth: 6, inFlightMax: 2, discipline } };
  for (const [name, pool] of Object.entries(pools)) {
    blockDeviceConformance(runner, {
      name: `${name} over ${leaf.name}`,
      keepsData: leaf.keepsData ?? true,
      rounds: 150,
      open: (options) => openPooled(leaf.open(leaf.above), { ...options, pool }),
    });
  }
}
