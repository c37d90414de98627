import { constants } from 'node:os';
import {
  BLOCK_DISCARD,
  BLOCK_FAST_ONLY,
  BLOCK_FUA,
  BLOCK_NO_UNMAP,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockCapabilities,
  type BlockDevice,
  type BlockIo,
  openMem,
  openRaid,
  type RaidDevice,
  type RaidLevel,
  raidOf,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { ask, modes } from './support/ask.js';
import { type FaultDevice, openFaulty } from './support/fault-device.js';
import { read, write } from './support/requests.js';

const { EIO, ENOTSUP } = constants.errno;
const STRIPE = 4096;
const ROWS = 8;
const SIZE = ROWS * STRIPE + 8192;
const raid = (device: BlockDevice): RaidDevice => raidOf(device) as RaidDevice;

/** A component, and what it has been asked for behind the labels: operation, offset, length and flags. */
interface Disk extends FaultDevice {
  readonly asked: [operation: number, offset: number, lengthBytes: number, flags: number][];
}

function openDisk(capabilities: Partial<BlockCapabilities>): Disk {
  const asked: Disk['asked'] = [];
  const disk = openFaulty({ memory: Buffer.alloc(SIZE), capabilities: { fua: 'native', ...capabilities } });
  disk.fail = ({ operation, offset, lengthBytes, flags }) => {
    if (operation !== 0 && offset < ROWS * STRIPE && lengthBytes > 0) asked.push([operation, offset, lengthBytes, flags]);
    return 0;
  };
  return Object.assign(disk, { asked });
}

const FAST: Partial<BlockCapabilities> = { zeroes: 'fast', discard: true };

/** An array that is full of bytes that are not zero. */
async function openFilled(level: RaidLevel, capabilities: Partial<BlockCapabilities> = FAST) {
  const disks = Array.from({ length: level === 1 ? 2 : 3 }, () => openDisk(capabilities));
  const options = { level, create: true, assumeClean: true, stripeBytes: STRIPE, regionBytes: 2 * STRIPE };
  const device = await openRaid(
    disks.map((disk) => disk.device),
    options,
  );
  const bytes = Buffer.from(Array.from({ length: device.limits.sizeBytes as number }, (_, index) => (index % 251) + 1));
  expect((await write(device, bytes, 0)).error).toBe(0);
  for (const { asked } of disks) asked.length = 0;
  return { disks, device, bytes };
}

async function contents(device: BlockDevice): Promise<Buffer> {
  const buffer = IoBuffer.allocate(device.limits.sizeBytes as number);
  expect(await read(device, buffer, 0)).toMatchObject({ error: 0 });
  return Buffer.from(buffer.bytes);
}

/** That the array holds these bytes, with all its components and without any one of them. */
async function expectWhole(device: BlockDevice, bytes: Buffer): Promise<void> {
  expect(await raid(device).scrub()).toMatchObject({ mismatches: 0, repaired: 0 });
  expect((await contents(device)).equals(bytes)).toBe(true);
  for (let index = 0; index < raid(device).components().length; index++) {
    raid(device).fail(index);
    expect((await contents(device)).equals(bytes), `without component ${index}`).toBe(true);
    await raid(device).rebuild(index);
  }
}

const writes = (disks: readonly Disk[]): number =>
  disks.reduce((sum, { asked }) => sum + asked.filter(([operation]) => operation === BLOCK_WRITE).length, 0);

describe.each(modes)('zeros and discards, by %s,', (mode) => {
  const zeroes = (device: BlockDevice, offset: number, lengthBytes: number, flags = 0): Promise<BlockIo> =>
    ask(device, mode, { operation: BLOCK_WRITE_ZEROES, offset, lengthBytes, flags });
  const discard = (device: BlockDevice, offset: number, lengthBytes: number): Promise<BlockIo> =>
    ask(device, mode, { operation: BLOCK_DISCARD, offset, lengthBytes });

  it('of whole rows are zeros on all components of level 5, which write nothing', async () => {
    const { disks, device, bytes } = await openFilled(5);
    expect(device.capabilities).toMatchObject({ zeroes: 'native', discard: true });
    const row = device.limits.physicalBlockSizeBytes;
    expect(row).toBe(2 * STRIPE);
    expect(await zeroes(device, row, 2 * row)).toMatchObject({ error: 0, transferredBytes: 2 * row });
    const each = [1, 2].map((at) => [BLOCK_WRITE_ZEROES, at * STRIPE, STRIPE, 0]);
    expect(disks.map(({ asked }) => asked)).toEqual([each, each, each]);
    expect(await discard(device, 4 * row, row)).toMatchObject({ error: 0, transferredBytes: row });
    expect(writes(disks)).toBe(0);
    bytes.fill(0, row, 3 * row).fill(0, 4 * row, 5 * row);
    await expectWhole(device, bytes);
    await device.close();
  });

  it('of parts of rows are written with their parity, or left as they are', async () => {
    const { device, bytes, disks } = await openFilled(5);
    const row = device.limits.physicalBlockSizeBytes;
    // From the middle of a stripe to the beginning of another one, over two rows.
    const [begin, end] = [1500, 3 * row - 700];
    expect(await zeroes(device, begin, end - begin)).toMatchObject({ error: 0, transferredBytes: end - begin });
    bytes.fill(0, begin, end);
    await expectWhole(device, bytes);
    for (const { asked } of disks) asked.length = 0;
    // The last bytes of a row, one whole row, and a part of the next.
    expect(await discard(device, 4 * row - 512, row + 1024)).toMatchObject({ error: 0, transferredBytes: row + 1024 });
    const each = [[BLOCK_WRITE_ZEROES, 4 * STRIPE, STRIPE, 0]];
    expect(disks.map(({ asked }) => asked)).toEqual([each, each, each]);
    bytes.fill(0, 4 * row, 5 * row);
    // Within one row, and over the seam of two: there is nothing to do.
    for (const offset of [6 * row + 512, 6 * row - 512]) {
      expect(await discard(device, offset, 1024)).toMatchObject({ error: 0, transferredBytes: 1024 });
    }
    await expectWhole(device, bytes);
    await device.close();
  });

  it('of level 1 are zeros on both, wherever they begin', async () => {
    const { device, bytes, disks } = await openFilled(1);
    expect(device.capabilities).toMatchObject({ zeroes: 'native', discard: true });
    expect(await discard(device, 512, STRIPE)).toMatchObject({ error: 0, transferredBytes: STRIPE });
    expect(await zeroes(device, 3 * STRIPE + 512, 1024)).toMatchObject({ error: 0, transferredBytes: 1024 });
    const each = [
      [BLOCK_WRITE_ZEROES, 512, STRIPE - 512, 0],
      [BLOCK_WRITE_ZEROES, STRIPE, 512, 0],
      [BLOCK_WRITE_ZEROES, 3 * STRIPE + 512, 1024, 0],
    ];
    expect(disks.map(({ asked }) => asked)).toEqual([each, each]);
    bytes.fill(0, 512, STRIPE + 512).fill(0, 3 * STRIPE + 512, 3 * STRIPE + 1536);
    await expectWhole(device, bytes);
    await device.close();
  });

  it('take BLOCK_NO_UNMAP and BLOCK_FUA along, and no more haste than components have', async () => {
    const { device, disks } = await openFilled(5);
    const flags = BLOCK_NO_UNMAP | BLOCK_FUA;
    expect(await zeroes(device, 0, 2 * STRIPE, flags)).toMatchObject({ error: 0 });
    expect(disks.map(({ asked }) => asked)).toEqual(disks.map(() => [[BLOCK_WRITE_ZEROES, 0, STRIPE, flags]]));
    expect(await zeroes(device, 0, 2 * STRIPE, BLOCK_FAST_ONLY)).toMatchObject({ error: ENOTSUP });
    await device.close();
  });

  it('without a component, are what the others have', async () => {
    for (const level of [1, 5] as const) {
      const { device, bytes } = await openFilled(level);
      raid(device).fail(0);
      expect(await zeroes(device, 0, 4 * STRIPE)).toMatchObject({ error: 0 });
      expect(await zeroes(device, 6 * STRIPE + 512, 1024)).toMatchObject({ error: 0 });
      expect((await contents(device)).equals(bytes.fill(0, 0, 4 * STRIPE).fill(0, 6 * STRIPE + 512, 6 * STRIPE + 1536))).toBe(
        true,
      );
      await raid(device).rebuild(0);
      await expectWhole(device, bytes);
      await device.close();
    }
  });

  it('take a component out that cannot make them', async () => {
    const { device, bytes, disks } = await openFilled(5);
    (disks[1] as Disk).fail = ({ operation }) => (operation === BLOCK_WRITE_ZEROES ? EIO : 0);
    expect(await discard(device, 0, 4 * STRIPE)).toMatchObject({ error: 0 });
    expect(raid(device).state).toBe('degraded');
    expect((await contents(device)).equals(bytes.fill(0, 0, 4 * STRIPE))).toBe(true);
    await device.close();
  });

  it('are zeros that components write which know nothing else, and discards are refused then', async () => {
    const { device, bytes } = await openFilled(5, {});
    expect(device.capabilities).toMatchObject({ zeroes: 'native', discard: false });
    expect(await discard(device, 0, 2 * STRIPE)).toMatchObject({ error: ENOTSUP });
    expect(await zeroes(device, 0, 2 * STRIPE)).toMatchObject({ error: 0 });
    await expectWhole(device, bytes.fill(0, 0, 2 * STRIPE));
    await device.close();
  });
});

it('a discard gives the components’ memory back', async () => {
  const mems = Array.from({ length: 3 }, () => openMem(2 ** 20 + 8192));
  const device = await openRaid(mems, { create: true, level: 5, stripeBytes: 65536 });
  const allocated = (): number => mems.reduce((sum, mem) => sum + (mem.describe()['allocatedBytes'] as number), 0);
  await write(device, Buffer.alloc(2 ** 20, 7), 0);
  const before = allocated();
  expect(await ask(device, 'strategy', { operation: BLOCK_DISCARD, lengthBytes: 2 ** 20 })).toMatchObject({ error: 0 });
  expect(before - allocated()).toBe(1.5 * 2 ** 20);
  await device.close();
});

it('data and zeros that wait for one row stay what they are', async () => {
  const { device, bytes } = await openFilled(5);
  const data = IoBuffer.allocate(STRIPE);
  data.bytes.fill(7);
  const asked: Promise<BlockIo>[] = [];
  // A whole row between them that is in work, then neighbours of both kinds.
  asked.push(ask(device, 'strategy', { operation: BLOCK_WRITE_ZEROES, lengthBytes: 2 * STRIPE }));
  asked.push(ask(device, 'strategy', { operation: BLOCK_WRITE, buffer: data, lengthBytes: STRIPE }));
  asked.push(ask(device, 'strategy', { operation: BLOCK_WRITE_ZEROES, offset: STRIPE, lengthBytes: 1024 }));
  asked.push(ask(device, 'strategy', { operation: BLOCK_WRITE_ZEROES, offset: STRIPE + 1024, lengthBytes: 1024 }));
  asked.push(ask(device, 'strategy', { operation: BLOCK_WRITE, buffer: data, offset: STRIPE + 2048, lengthBytes: 1024 }));
  for (const io of await Promise.all(asked)) expect(io.error).toBe(0);
  bytes
    .fill(0, 0, 2 * STRIPE)
    .fill(7, 0, STRIPE)
    .fill(7, STRIPE + 2048, STRIPE + 3072);
  await expectWhole(device, bytes);
  await device.close();
});

it('level 0 passes both on to its components', async () => {
  const disks = [openDisk(FAST), openDisk(FAST)];
  const device = await openRaid(
    disks.map((disk) => disk.device),
    { create: true, level: 0, stripeBytes: STRIPE },
  );
  expect(device.capabilities).toMatchObject({ zeroes: 'fast', discard: true });
  for (const operation of [BLOCK_DISCARD, BLOCK_WRITE_ZEROES] as const) {
    for (const { asked } of disks) asked.length = 0;
    expect(await ask(device, 'strategy', { operation, offset: 512, lengthBytes: 2 * STRIPE })).toMatchObject({ error: 0 });
    expect(disks.map(({ asked }) => asked)).toEqual([
      [
        [operation, 512, STRIPE - 512, 0],
        [operation, STRIPE, 512, 0],
      ],
      [[operation, 0, STRIPE, 0]],
    ]);
  }
  await device.close();
});
