import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BlockDevice,
  formatCrypt,
  openCache,
  openChecksum,
  openCow,
  openDevice,
  openFile,
  openMem,
  openMirror,
  openRaid,
  openSlice,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { read, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();

const SIZE_BYTES = 2 ** 20;
const refusal = /^(ERR_OUT_OF_RANGE|ERR_INVALID_ARG_TYPE|ERR_INVALID_ARG_VALUE|EINVAL)$/;

type Bad = Record<string, unknown>;

/** A driver that writes to its devices when it is created: how, and what of its own options nobody can mean. */
interface Maker {
  readonly devices: number;
  readonly make: (devices: BlockDevice[], bad: Bad) => Promise<BlockDevice>;
  readonly own: readonly Bad[];
}

/** What every device has, wrong. */
const generic: readonly Bad[] = [
  { piecesMax: 0 },
  { piecesMax: 1.5 },
  { retryDelayMs: 0 },
  { retryDelayMs: 60_001 },
  { timeoutMs: -1 },
  { timeoutMs: Number.NaN },
  { timeoutMs: 1_200_001 },
  { onTimeout: 'log' },
  { timers: {} },
  { timers: { now: () => 0 } },
];

const stacked: readonly Bad[] = [{ childrenMax: 0 }, { childrenMax: 65537 }, { closeChildren: 1 }, { nobodyKnows: 1 }];

const makers: Record<string, Maker> = {
  'a raid of level 5': {
    devices: 4,
    make: ([a, b, c, spare], bad) =>
      openRaid([a, b, c] as BlockDevice[], { create: true, level: 5, spares: [spare as BlockDevice], ...bad }),
    own: [
      { level: 4 },
      { stripeBytes: 1000 },
      { regionBytes: 0 },
      { bitmapDelayMs: 0 },
      { rebuildBytesPerSecond: 0 },
      { rebuildBytesPerSecond: Number.NaN },
    ],
  },
  'a raid of level 1': {
    devices: 2,
    make: (devices, bad) => openRaid(devices, { create: true, level: 1, ...bad }),
    own: [{ rebuildBytesPerSecond: -1 }],
  },
  'a raid of level 0': {
    devices: 2,
    make: (devices, bad) => openRaid(devices, { create: true, level: 0, ...bad }),
    own: [{ stripeBytes: 1000 }, { spares: [openMem(SIZE_BYTES)] }],
  },
  'a mirror': {
    devices: 2,
    make: async (devices, bad) => (await openMirror(devices, { create: true, ...bad })).device,
    own: [{ autoRebuild: 1 }],
  },
  'a cache on a device': {
    devices: 2,
    make: ([below, cacheDevice], bad) => openCache(below as BlockDevice, { create: true, cacheDevice, ...bad } as object),
    own: [
      { dirtyMaxBytes: 2 * SIZE_BYTES },
      { readAheadBytes: -1 },
      { writeBackDelayMs: 0 },
      { lineBytes: 3 },
      { cacheBytes: 1 },
    ],
  },
  'a cache with a log': {
    devices: 2,
    make: ([below, log], bad) => openCache(below as BlockDevice, { create: true, log, cacheBytes: 65_536, ...bad } as object),
    own: [{ dirtyMaxBytes: 2 * SIZE_BYTES }, { readAheadBytes: -1 }, { writeBackDelayMs: 0 }],
  },
  checksums: {
    devices: 1,
    make: ([device], bad) => openChecksum(device as BlockDevice, { create: true, ...bad }),
    own: [{ blockBytes: 1000 }, { blockSizeBytes: 3 }, { blockSizeBytes: 8192 }, { cacheBytes: 0 }],
  },
  'an overlay': {
    devices: 2,
    make: async ([base, overlay], bad) => {
      const half = await openSlice(base as BlockDevice, { lengthBytes: SIZE_BYTES / 2, closeChildren: false });
      const made = openCow(half, { create: true, overlay, blockBytes: 4096, ...bad } as object);
      return made.catch(async (error) => {
        await half.close();
        throw error;
      });
    },
    own: [{ blockBytes: 1000 }],
  },
};

const before = Buffer.alloc(SIZE_BYTES, 'what was there before');

async function openFilled(): Promise<BlockDevice> {
  const device = openMem(SIZE_BYTES);
  await write(device, before, 0);
  return device;
}

async function isUntouched(device: BlockDevice): Promise<boolean> {
  const buffer = IoBuffer.allocate(SIZE_BYTES);
  await read(device, buffer, 0);
  return before.equals(buffer.bytes);
}

describe.each(Object.entries(makers))('%s that is to be created', (_name, { devices, make, own }) => {
  it.each([...generic, ...stacked, ...own].map((bad) => [bad]))('is refused with its devices as they were: %o', async (bad) => {
    const disks = await Promise.all(Array.from({ length: devices }, openFilled));
    await expect(make(disks, bad)).rejects.toMatchObject({ code: expect.stringMatching(refusal) });
    for (const disk of disks) expect(await isUntouched(disk)).toBe(true);
    // Neither is a claim left over.
    await (await make(disks, { closeChildren: false })).close();
    expect((await Promise.all(disks.map(isUntouched))).includes(false)).toBe(true);
  });
});

describe('a file that is to be created', () => {
  it.each(generic.map((bad) => [bad]))('is not there when the options are refused: %o', async (bad) => {
    const path = join(folder, 'disk');
    await expect((async () => openFile(path, { create: true, ...bad }))()).rejects.toMatchObject({
      code: expect.stringMatching(refusal),
    });
    expect(existsSync(path)).toBe(false);
    await expect(openDevice({ driver: 'file', path, create: true }, bad)).rejects.toMatchObject({
      code: expect.stringMatching(refusal),
    });
    expect(existsSync(path)).toBe(false);
  });
});

describe('a device that is to be encrypted', () => {
  it.each<[Bad]>([
    [{ sectorBytes: 1000 }],
    [{ dataOffsetBytes: 1 }],
    [{ dataOffsetBytes: Number.NaN }],
    [{ dataOffsetBytes: SIZE_BYTES }],
    [{ scrypt: { N: 3, r: 8, p: 1 } }],
    [{ passphrase: '' }],
    [{ force: 1 }],
    [{ piecesMax: 1 }],
  ])('is as it was when the options are refused: %o', async (bad) => {
    const disk = await openFilled();
    const options = { passphrase: 'correct horse battery staple', dataOffsetBytes: 2 ** 17, ...bad };
    await expect(formatCrypt(disk, options)).rejects.toMatchObject({ code: expect.stringMatching(refusal) });
    expect(await isUntouched(disk)).toBe(true);
  });
});

describe('what is to be created on devices of which one cannot be written', () => {
  it.each<[string, number, (devices: BlockDevice[]) => Promise<unknown>]>([
    ['a raid of level 0', 3, (devices) => openRaid(devices, { create: true, level: 0 })],
    ['a raid of level 1', 2, (devices) => openRaid(devices, { create: true, level: 1 })],
    ['a raid of level 5', 3, (devices) => openRaid(devices, { create: true })],
    ['a raid with a spare', 4, (devices) => openRaid(devices.slice(0, 3), { create: true, spares: devices.slice(3) })],
    ['a mirror', 3, (devices) => openMirror(devices, { create: true })],
  ])('is refused, and the others are as they were: %s', async (_name, count, make) => {
    const disks = await Promise.all(Array.from({ length: count - 1 }, openFilled));
    await expect(make([...disks, openMem(SIZE_BYTES, { readOnly: true })])).rejects.toMatchObject({ code: 'EROFS' });
    for (const disk of disks) expect(await isUntouched(disk)).toBe(true);
  });
});
