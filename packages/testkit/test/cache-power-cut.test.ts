import { type BlockDevice, type CacheOptions, openCache, openCow, openMem } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { BLOCK, BLOCKS, type CutTarget, cutEverywhere, workloads } from './support/power-cut.js';

const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const SIZE_BYTES = BLOCKS * BLOCK;
/** Nothing is written back by the clock: what is, is by a flush or for want of room. */
const SMALL = { cacheBytes: 4 * BLOCK, dirtyMaxBytes: BLOCK, writeBackDelayMs: 60_000 };

/** Everything of it is found again: the device, and the log. */
function logged(options: CacheOptions): CutTarget {
  const named = { ...options, deviceName: 'the device' };
  return {
    media: [SIZE_BYTES, 65_536 + SIZE_BYTES],
    open: ([device, log]) => openCache(device as BlockDevice, { ...named, log: log as BlockDevice, create: true }),
    reopen: ([device, log]) => openCache(device as BlockDevice, { ...named, log: log as BlockDevice }),
  };
}

/** The lines lie on a device: it is found again with the one below. */
function onDevice(options: CacheOptions): CutTarget {
  const named = { ...options, deviceName: 'the device' };
  return {
    media: [SIZE_BYTES, 65_536 + SIZE_BYTES],
    open: ([device, fast]) => openCache(device as BlockDevice, { ...named, cacheDevice: fast as BlockDevice, create: true }),
    reopen: ([device, fast]) => openCache(device as BlockDevice, { ...named, cacheDevice: fast as BlockDevice }),
  };
}

const targets: readonly [name: string, target: CutTarget][] = [
  [
    'a write-back cache with room for all',
    {
      media: [SIZE_BYTES],
      open: ([device]) => openCache(device as BlockDevice, { cacheBytes: SIZE_BYTES, writeBackDelayMs: 60_000 }),
      reopen: ([device]) => device as BlockDevice,
    },
  ],
  [
    'a write-back cache with next to no room',
    {
      media: [SIZE_BYTES],
      open: ([device]) => openCache(device as BlockDevice, SMALL),
      reopen: ([device]) => device as BlockDevice,
    },
  ],
  [
    'a write-through cache',
    {
      media: [SIZE_BYTES],
      open: ([device]) => openCache(device as BlockDevice, { mode: 'write-through', cacheBytes: SIZE_BYTES }),
      reopen: ([device]) => device as BlockDevice,
    },
  ],
  ['a write-back cache with a log', logged({ cacheBytes: SIZE_BYTES, dirtyMaxBytes: SIZE_BYTES / 2, writeBackDelayMs: 60_000 })],
  ['a write-back cache with a log and next to no room', logged(SMALL)],
  ['a write-back cache on a device', onDevice({ cacheBytes: SIZE_BYTES, writeBackDelayMs: 60_000 })],
  ['a write-back cache on a device with next to no room', onDevice(SMALL)],
  ['a write-through cache on a device', onDevice({ mode: 'write-through', cacheBytes: SIZE_BYTES })],
  [
    'an overlay that is kept',
    {
      media: [SIZE_BYTES + 65_536],
      open: ([overlay]) => openCow(openMem(SIZE_BYTES), { overlay: overlay as BlockDevice, create: true, blockBytes: BLOCK }),
      reopen: ([overlay]) => openCow(openMem(SIZE_BYTES), { overlay: overlay as BlockDevice }),
    },
  ],
];

describe.each(targets)('%s that the power fails for after each I/O', (_name, target) => {
  it('has what was flushed, and of the rest each sector old or new', async () => {
    console.log(`power cuts: BIODONE_SEED=${seed}`);
    let cuts = 0;
    for (const kinds of workloads()) {
      try {
        cuts += await cutEverywhere(target, kinds, seed);
      } catch (error) {
        if (error instanceof Error) error.message += `\n(BIODONE_SEED=${seed})`;
        throw error;
      }
    }
    console.log(`${cuts} cuts`);
    expect(cuts).toBeGreaterThan(258);
  }, 120_000);
});
