import { BLOCK_WRITE, openMem, openMirror, openRaid, type RaidDevice, raidOf } from '@biodone/blockdev';
import { EIO } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { openFaulty } from './support/fault-device.js';
import { flush } from './support/requests.js';

const SIZE_BYTES = 2 ** 18;
const refusal = /^(ERR_OUT_OF_RANGE|ERR_INVALID_ARG_TYPE|ERR_INVALID_ARG_VALUE)$/;

const bad: Record<string, unknown>[] = [
  { bytesPerSecond: 0 },
  { bytesPerSecond: Number.NaN },
  { bytesPerSecond: '1m' },
  { onProgress: 1 },
  { signal: {} },
  { bytesPerSec: 1000 },
];

const refused = { code: expect.stringMatching(refusal) };

describe('a device that is to take the place of another one, with options that cannot be', () => {
  it.each(bad.map((options) => [options]))('of a raid takes nothing out: %o', async (options) => {
    const disks = [openMem(SIZE_BYTES), openMem(SIZE_BYTES), openMem(SIZE_BYTES)];
    const device = await openRaid(disks, { create: true });
    const raid = raidOf(device) as RaidDevice;
    const fresh = openMem(SIZE_BYTES);
    await expect(raid.replace(0, fresh, options)).rejects.toMatchObject(refused);
    await expect(raid.rebuild(0, options)).rejects.toMatchObject(refused);
    await expect(raid.scrub(options)).rejects.toMatchObject(refused);
    expect(raid.state).toBe('optimal');
    expect(disks.map(({ closed }) => closed)).toEqual([false, false, false]);
    await raid.replace(0, fresh, { bytesPerSecond: Number.POSITIVE_INFINITY });
    expect(raid.components()[0]?.device).toBe(fresh);
    await device.close();
  });

  it.each([...bad, { pieceBytes: 0 }].map((options) => [options]))('of a mirror takes nothing out: %o', async (options) => {
    const halves = [openMem(SIZE_BYTES), openMem(SIZE_BYTES)];
    const mirror = await openMirror(halves, { create: true, halvesAreEqual: true });
    const fresh = openMem(SIZE_BYTES);
    await expect(mirror.replace(0, fresh, options)).rejects.toMatchObject(refused);
    await expect(mirror.rebuild(0, options)).rejects.toMatchObject(refused);
    expect(mirror.halves().map(({ state }) => state)).toEqual(['good', 'good']);
    expect(halves.map(({ closed }) => closed)).toEqual([false, false]);
    await mirror.replace(0, fresh, { pieceBytes: 4096 });
    expect(mirror.halves().map(({ state }) => state)).toEqual(['good', 'good']);
    await mirror.close();
  });
});

describe('a spare whose label cannot be written', () => {
  it('is not kept, and not claimed any more', async () => {
    const device = await openRaid([openMem(SIZE_BYTES), openMem(SIZE_BYTES), openMem(SIZE_BYTES)], { create: true });
    const raid = raidOf(device) as RaidDevice;
    const spare = openFaulty({ memory: Buffer.alloc(SIZE_BYTES), pick: () => 0 });
    spare.fail = ({ operation }) => (operation === BLOCK_WRITE ? EIO : 0);
    await expect(raid.addSpare(spare.device)).rejects.toMatchObject({ code: 'EIO' });
    spare.device.claim('read-many-write-one').release();
    spare.fail = () => 0;
    await raid.addSpare(spare.device);
    expect((await flush(device)).error).toBe(0);
    await device.close();
  });
});
