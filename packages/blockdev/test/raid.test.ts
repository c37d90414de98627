import { constants } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import {
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockDevice,
  type BlockIo,
  openDevice,
  openMem,
  openRaid,
  openStripe,
  type RaidDevice,
  type RaidOptions,
  raidOf,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { type FaultDevice, openFaulty } from './support/fault-device.js';
import { flush, makeIo, read, runSync, write } from './support/requests.js';
import { VirtualTimers } from './support/virtual-timers.js';

const { EIO, ENODEV } = constants.errno;
const STRIPE = 4096;
const ROWS = 8;
const SIZE = ROWS * STRIPE + 8192;
const code = (name: string): unknown => expect.objectContaining({ code: name });
const saying = (name: string, ...words: RegExp[]): unknown =>
  expect.objectContaining({
    code: name,
    message: expect.stringMatching(new RegExp(words.map(({ source }) => source).join('.*'), 's')),
  });

/** Components in memory. */
function disks(count: number): FaultDevice[] {
  return Array.from({ length: count }, () => openFaulty({ memory: Buffer.alloc(SIZE), capabilities: { fua: 'native' } }));
}

/** The same, as another process finds them. */
function again(found: readonly FaultDevice[]): FaultDevice[] {
  return found.map(({ memory }) => openFaulty({ memory: Buffer.from(memory), capabilities: { fua: 'native' } }));
}

const devicesOf = (faulty: readonly (FaultDevice | null)[]): (BlockDevice | null)[] => faulty.map((disk) => disk?.device ?? null);
const created: RaidOptions = { create: true, assumeClean: true, stripeBytes: STRIPE, regionBytes: 2 * STRIPE };
const raid = (device: BlockDevice): RaidDevice => raidOf(device) as RaidDevice;
const states = (device: BlockDevice): string[] =>
  raid(device)
    .components()
    .map(({ state }) => state);

function create(faulty: readonly FaultDevice[], options: RaidOptions = {}): Promise<BlockDevice> {
  return openRaid(devicesOf(faulty), { ...created, ...options });
}

/** Bytes that are different in each block of 512. */
function pattern(lengthBytes: number, first = 0): Buffer {
  return Buffer.from(Array.from({ length: lengthBytes }, (_, index) => (first + Math.floor(index / 512) * 7 + 1) & 255));
}

async function contents(device: BlockDevice): Promise<Buffer> {
  const buffer = IoBuffer.allocate(device.limits.sizeBytes as number);
  expect(await read(device, buffer, 0)).toMatchObject({ error: 0 });
  return Buffer.from(buffer.bytes);
}

async function filled(
  faulty: readonly FaultDevice[],
  options: RaidOptions = {},
): Promise<{ device: BlockDevice; bytes: Buffer }> {
  const device = await create(faulty, options);
  const bytes = pattern(device.limits.sizeBytes as number);
  expect((await write(device, bytes, 0)).error).toBe(0);
  expect((await flush(device)).error).toBe(0);
  return { device, bytes };
}

describe('opening', () => {
  it('finds the components by their labels, in any order', async () => {
    const faulty = disks(4);
    const { device, bytes } = await filled(faulty);
    await device.close();
    const [a, b, c, d] = again(faulty) as [FaultDevice, FaultDevice, FaultDevice, FaultDevice];
    const opened = await openRaid(devicesOf([d, b, a, c]));
    expect(
      raid(opened)
        .components()
        .map(({ device: each }) => each),
    ).toEqual(devicesOf([a, b, c, d]));
    expect(raid(opened).state).toBe('optimal');
    expect((await contents(opened)).equals(bytes)).toBe(true);
    await opened.close();
  });

  it('by its name makes an array, with a spare', async () => {
    const device = await openDevice('raid(5, 4k, mem:64k, mem:64k, mem:64k, spare=mem:64k, create=1)');
    expect(device.limits).toMatchObject({ sizeBytes: 2 * 14 * STRIPE, physicalBlockSizeBytes: 2 * STRIPE });
    expect(raid(device).spares()).toHaveLength(1);
    expect(device.config()).toMatchObject({ driver: 'raid', level: 5, stripeBytes: STRIPE, spare: [{ driver: 'mem' }] });
    await device.close();
    await expect(openDevice('raid(3, mem:64k, mem:64k, mem:64k, create=1)')).rejects.toThrow(/0, 1 or 5/);
  });

  it.each([
    ['too few devices for level 5', 2, {}, saying('ERR_INVALID_ARG_VALUE', /at least 3 devices/)],
    ['too many for level 1', 3, { level: 1 }, saying('ERR_INVALID_ARG_VALUE', /two devices/, /openMirror/)],
    ['a level that there is not', 3, { level: 4 }, code('ERR_OUT_OF_RANGE')],
    ['stripes that are no multiple of 512', 3, { stripeBytes: 1000 }, code('ERR_OUT_OF_RANGE')],
    ['stripes that take too much memory', 3, { stripeBytes: 2 ** 23 }, code('ERR_OUT_OF_RANGE')],
    ['an option that there is not', 3, { spare: [] }, saying('ERR_INVALID_ARG_VALUE', /spares/)],
  ])('refuses %s', async (_, count, options, error) => {
    await expect(create(disks(count as number), options as RaidOptions)).rejects.toEqual(error);
  });

  it('refuses to make one of devices that belong to one already, unless forced', async () => {
    const faulty = disks(3);
    await (await create(faulty)).close();
    await expect(create(again(faulty))).rejects.toEqual(saying('EEXIST', /device 0/, /component 0 of the array/, /force/));
    await (await create(again(faulty), { force: true })).close();
  });

  it('refuses a level and a stripe that the labels do not have', async () => {
    const faulty = disks(3);
    await (await create(faulty)).close();
    await expect(openRaid(devicesOf(again(faulty)), { level: 1 })).rejects.toEqual(saying('EINVAL', /level 5, not 1/));
    await expect(openRaid(devicesOf(again(faulty)), { stripeBytes: 8192 })).rejects.toEqual(
      saying('EINVAL', /4096 bytes, not 8192/),
    );
  });

  it('refuses devices of another array, or of none, by their names', async () => {
    const [one, other] = [disks(3), disks(3)];
    await (await create(one)).close();
    await (await create(other)).close();
    const mixed = [...again(one).slice(0, 2), ...again(other).slice(0, 1)];
    await expect(openRaid(devicesOf(mixed))).rejects.toEqual(saying('EINVAL', /device 2/, /another array/, /spare/));
    const blank = [...again(one).slice(0, 2), ...disks(1)];
    await expect(openRaid(devicesOf(blank))).rejects.toEqual(saying('EINVAL', /device 2/, /no label/, /spare/));
    await expect(openRaid(devicesOf(disks(3)))).rejects.toEqual(saying('EINVAL', /none of the devices/, /create/));
    const twice = [...again(one).slice(0, 2), ...again(one).slice(1, 2)];
    await expect(openRaid(devicesOf(twice))).rejects.toEqual(saying('EBUSY', /both component 1/));
  });

  it('refuses to go on without a component that was good, unless degraded; and looking changes nothing', async () => {
    const faulty = disks(3);
    const { device, bytes } = await filled(faulty);
    await device.close();
    const left = (): (FaultDevice | null)[] => [...again(faulty).slice(0, 2), null];
    await expect(openRaid(devicesOf(left()))).rejects.toEqual(saying('ENODEV', /component 2 is missing/, /degraded/));
    const found = left();
    const labels = found.map((disk) => Buffer.from(disk?.memory ?? []));
    const looked = await openRaid(devicesOf(found), { degraded: true });
    expect(raid(looked).state).toBe('degraded');
    expect((await contents(looked)).equals(bytes)).toBe(true);
    expect((await flush(looked)).error).toBe(0);
    await looked.close();
    expect(found.map((disk, index) => disk === null || disk.memory.equals(labels[index] as Buffer))).toEqual([true, true, true]);
    expect((await openRaid(devicesOf(again(faulty)))).closed).toBe(false);
  });

  it('refuses a copy of a disk that is older than the others, and rebuilds it when asked', async () => {
    const faulty = disks(3);
    const first = await create(faulty);
    const old = again(faulty)[2] as FaultDevice;
    await write(first, pattern(STRIPE, 99), 0);
    // Each of these writes the labels.
    raid(first).fail(0);
    await raid(first).settled();
    await raid(first).rebuild(0);
    const bytes = await contents(first);
    await first.close();
    const [a, b] = again(faulty) as [FaultDevice, FaultDevice];
    const devices = devicesOf([a, b, old]);
    const opening = { closeChildren: false };
    await expect(openRaid(devices, opening)).rejects.toEqual(
      saying('ENODEV', /device 2/, /component 2, is stale/, /degraded: true/, /rebuild/),
    );
    const device = await openRaid(devices, { ...opening, degraded: true });
    expect(raid(device).components()[2]).toMatchObject({ state: 'failed', reason: 'stale' });
    expect((await contents(device)).equals(bytes)).toBe(true);
    await raid(device).rebuild(2);
    expect(raid(device).state).toBe('optimal');
    raid(device).fail(0);
    expect((await contents(device)).equals(bytes)).toBe(true);
    await device.close();
  });

  it('refuses two copies that have been used apart from each other', async () => {
    const faulty = disks(2);
    const { device } = await filled(faulty, { level: 1 });
    await device.close();
    const [one, other] = again(faulty) as [FaultDevice, FaultDevice];
    for (const [pair, byte] of [
      [[one, null], 1],
      [[null, other], 2],
    ] as const) {
      const alone = await openRaid(devicesOf(pair), { degraded: true, closeChildren: false });
      expect((await write(alone, Buffer.alloc(STRIPE, byte), 0)).error).toBe(0);
      await alone.close();
    }
    const both = devicesOf([one, other]);
    const apart = saying('EBUSY', /device [01]/, /device [01]/, /apart from each other/, /leave one of them out/);
    await expect(openRaid(both, { closeChildren: false })).rejects.toEqual(apart);
    await expect(openRaid(both, { closeChildren: false, degraded: true })).rejects.toEqual(apart);
    // The way out that the message names.
    other.memory.fill(0, SIZE - 8192);
    const device2 = await openRaid([both[0] as BlockDevice], { degraded: true, spares: [both[1] as BlockDevice] });
    await raid(device2).settled();
    expect(raid(device2).state).toBe('optimal');
    expect((await contents(device2)).subarray(0, STRIPE).equals(Buffer.alloc(STRIPE, 1))).toBe(true);
    await device2.close();
  });

  it('takes a stale component for want of others only if forced', async () => {
    const faulty = disks(3);
    const { device } = await filled(faulty);
    raid(device).fail(2);
    await write(device, pattern(STRIPE, 3), 0);
    await device.close();
    const left = (): (BlockDevice | null)[] => devicesOf([null, ...again(faulty).slice(1)]);
    await expect(openRaid(left(), { degraded: true })).rejects.toEqual(saying('ENODEV', /of 2 components/, /force/));
    const forced = await openRaid(left(), { force: true });
    expect(forced.describe()['doubtfulRegions']).toBeGreaterThan(0);
    expect((await contents(forced)).length).toBe(2 * ROWS * STRIPE);
    await forced.close();
  });

  it('makes the parity of devices that are not zeros, in the background', async () => {
    const faulty = disks(3);
    for (const { memory } of faulty) memory.fill(7, 0, ROWS * STRIPE);
    const device = await create(faulty, { assumeClean: false });
    expect(raid(device).state).toMatch(/^resyncing/);
    await raid(device).settled();
    expect(raid(device).state).toBe('optimal');
    const before = await contents(device);
    raid(device).fail(1);
    expect((await contents(device)).equals(before)).toBe(true);
    await device.close();
  });

  it('takes what a damaged bitmap has the bits of for written to', async () => {
    const faulty = disks(3);
    await (await create(faulty)).close();
    const found = again(faulty);
    for (const { memory } of found) memory[ROWS * STRIPE + 100] = 1;
    const device = await openRaid(devicesOf(found), { autoRebuild: false });
    expect(device.describe()['unknownRegions']).toBe(ROWS / 2);
    await device.close();
  });

  it('of level 0 needs all, and labels them', async () => {
    const faulty = disks(2);
    const device = await create(faulty, { level: 0 });
    const bytes = pattern(device.limits.sizeBytes as number);
    expect(bytes.length).toBe(2 * ROWS * STRIPE);
    expect((await write(device, bytes, 0)).error).toBe(0);
    expect(raidOf(device)).toBeNull();
    await device.close();
    const [a, b] = again(faulty) as [FaultDevice, FaultDevice];
    await expect(openRaid(devicesOf([b, null]), { degraded: true, closeChildren: false })).rejects.toEqual(
      saying('ENODEV', /of 2 components/),
    );
    const opened = await openRaid(devicesOf([b, a]));
    expect((await contents(opened)).equals(bytes)).toBe(true);
    expect(opened.config()).toMatchObject({ driver: 'raid', level: 0 });
    await opened.close();
  });
});

it('a raid of level 0 has the limits of a stripe, those of atomic writes too', async () => {
  const mems = (): BlockDevice[] => [openMem(SIZE, { blockSizeBytes: 512 }), openMem(SIZE, { blockSizeBytes: 512 })];
  const device = await openRaid(mems(), { ...created, level: 0 });
  const stripe = openStripe(mems(), { stripeBytes: STRIPE });
  const { sizeBytes: _, ...limits } = device.limits;
  expect(stripe.limits).toMatchObject(limits);
  expect(limits.atomicWriteMaxBytes).toBe(STRIPE);
  await Promise.all([device.close(), stripe.close()]);
});

describe('writing', () => {
  /** How many reads and writes of components a request takes. */
  async function cost(faulty: readonly FaultDevice[], work: () => Promise<unknown>): Promise<{ reads: number; writes: number }> {
    const count = (what: 'reads' | 'writes'): number => faulty.reduce((sum, { state }) => sum + state[what], 0);
    const before = { reads: count('reads'), writes: count('writes') };
    await work();
    return { reads: count('reads') - before.reads, writes: count('writes') - before.writes };
  }

  it('reads nothing for a whole row, and as little as it can for less', async () => {
    const faulty = disks(6);
    const { device } = await filled(faulty);
    const row = 5 * STRIPE;
    expect(await cost(faulty, () => write(device, pattern(row), row))).toEqual({ reads: 0, writes: 6 });
    // Old data and parity.
    expect(await cost(faulty, () => write(device, pattern(512), 0))).toEqual({ reads: 2, writes: 2 });
    // The rest of the row.
    expect(await cost(faulty, () => write(device, pattern(4 * STRIPE), 0))).toEqual({ reads: 1, writes: 5 });
    raid(device).fail(0);
    expect((await contents(device)).subarray(row, 2 * row).equals(pattern(row))).toBe(true);
    await device.close();
  });

  it('writes parts of a row that come together as one', async () => {
    const faulty = disks(4);
    const { device } = await filled(faulty);
    const parts = Array.from({ length: 12 }, (_, index) => index * 1024);
    const work = (): Promise<unknown> =>
      Promise.all([...parts].reverse().map((offset) => write(device, pattern(1024, offset), offset)));
    expect(await cost(faulty, work)).toEqual({ reads: 0, writes: 4 });
    raid(device).fail(1);
    const found = await contents(device);
    for (const offset of parts) expect(found.subarray(offset, offset + 1024).equals(pattern(1024, offset))).toBe(true);
    await device.close();
  });

  it('sets the bit of a region before the first write to it, and clears it when nobody has written for a while', async () => {
    const timers = new VirtualTimers();
    const faulty = disks(3);
    const device = await create(faulty, { timers, bitmapDelayMs: 1000 });
    const order: string[] = [];
    for (const disk of faulty) {
      disk.fail = (io: BlockIo) => {
        if (io.operation === BLOCK_WRITE) order.push(io.offset >= ROWS * STRIPE ? 'bitmap' : 'data');
        return 0;
      };
    }
    await write(device, pattern(512), 0);
    expect(order).toEqual(['bitmap', 'bitmap', 'bitmap', 'data', 'data']);
    expect(device.describe()['dirtyRegions']).toBe(1);
    order.length = 0;
    await write(device, pattern(512), 0);
    expect(order).toEqual(['data', 'data']);
    await timers.advance(1000);
    expect(device.describe()['dirtyRegions']).toBe(1);
    await timers.advance(1000);
    expect(device.describe()['dirtyRegions']).toBe(0);
    await device.close();
  });
});

describe('a component that fails', () => {
  it('changes the state, and what is read is made of the others', async () => {
    const faulty = disks(4);
    const { device, bytes } = await filled(faulty.slice(0, 4));
    const told: string[] = [];
    raid(device).on('state', (state) => told.push(state));
    (faulty[1] as FaultDevice).fail = () => ENODEV;
    expect((await contents(device)).equals(bytes)).toBe(true);
    await raid(device).settled();
    expect(told).toEqual(['degraded']);
    expect(raid(device).components()[1]).toMatchObject({ state: 'failed', reason: `a read failed: errno ${ENODEV}` });
    expect(device.describe()).toMatchObject({ state: 'degraded', level: 5 });
    for (const offset of [0, 700, STRIPE - 100, 3 * STRIPE - 100]) {
      bytes.set(pattern(5000, offset), offset);
      expect((await write(device, pattern(5000, offset), offset)).error).toBe(0);
    }
    expect((await contents(device)).equals(bytes)).toBe(true);
    expect(runSync(device, makeIo({ offset: 100, lengthBytes: 300, buffer: IoBuffer.allocate(300) })).error).toBe(0);
    await device.close();
  });

  it('is replaced by a spare, which is rebuilt, and the array goes on', async () => {
    const faulty = disks(5);
    const { device, bytes } = await filled(faulty.slice(0, 3), { spares: devicesOf(faulty.slice(3)) as BlockDevice[] });
    const told: string[] = [];
    raid(device).on('state', (state) => told.push(state));
    for (const index of [0, 2]) {
      (faulty[index] as FaultDevice).fail = () => ENODEV;
      expect((await contents(device)).equals(bytes)).toBe(true);
      await write(device, bytes.subarray(0, 512), 0);
      await raid(device).settled();
      expect(raid(device).state).toBe('optimal');
    }
    expect(told).toContain('rebuilding 50 %');
    expect(raid(device).spares()).toEqual([]);
    expect(
      raid(device)
        .components()
        .map(({ device: each }) => each),
    ).toEqual(devicesOf([faulty[3], faulty[1], faulty[4]] as FaultDevice[]));
    expect((await contents(device)).equals(bytes)).toBe(true);
    await device.close();
    const opened = await openRaid(devicesOf(again([faulty[1], faulty[3], faulty[4]] as FaultDevice[])));
    expect(raid(opened).state).toBe('optimal');
    expect((await contents(opened)).equals(bytes)).toBe(true);
    await opened.close();
  });

  it('rests when more has failed than it can do without: labels that cannot be written are not tried for ever', async () => {
    const faulty = disks(3);
    const device = await create(faulty);
    expect((await write(device, pattern(2 * STRIPE), 0)).error).toBe(0);
    for (const disk of faulty) disk.fail = () => EIO;
    expect((await write(device, pattern(2 * STRIPE), 0)).error).toBe(EIO);
    expect(raid(device).state).toBe('failed');
    const requests = (): number => faulty.reduce((sum, { state }) => sum + state.requests, 0);
    for (let turns = 0; turns < 20; turns++) await turn();
    const before = requests();
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(requests()).toBe(before);
    await device.close().catch(() => {});
  });

  it('of two, leaves what the others have to be read', async () => {
    const faulty = disks(4);
    const { device, bytes } = await filled(faulty);
    for (const index of [0, 1]) (faulty[index] as FaultDevice).fail = () => ENODEV;
    const outcomes = [];
    for (let offset = 0; offset < 3 * STRIPE; offset += STRIPE) {
      const buffer = IoBuffer.allocate(STRIPE);
      const { error } = await read(device, buffer, offset);
      if (error === 0) expect(bytes.subarray(offset, offset + STRIPE).equals(buffer.bytes)).toBe(true);
      outcomes.push(error);
    }
    expect(raid(device).state).toBe('failed');
    // In the first row the parity is on the last component.
    expect(outcomes.map((error) => error === 0)).toEqual([false, false, true]);
    expect((await write(device, pattern(512), 2 * STRIPE)).error).toBe(EIO);
    expect((await flush(device)).error).not.toBe(0);
    await device.close().catch(() => {});
  });

  it('at a place is written back there, and stays', async () => {
    const faulty = disks(4);
    const { device, bytes } = await filled(faulty);
    // Two components have a bad place in the first row, at different offsets; each is well when it has been written.
    const bad = new Map([
      [0, 512],
      [1, 3 * 512],
    ]);
    for (const [index, at] of bad) {
      const disk = faulty[index] as FaultDevice;
      disk.fail = (io) => {
        const touches = bad.has(index) && io.offset <= at && at < io.offset + io.lengthBytes;
        if (touches && io.operation === BLOCK_WRITE) bad.delete(index);
        return touches && io.operation === BLOCK_READ ? EIO : 0;
      };
    }
    const buffer = IoBuffer.allocate(512);
    expect((await read(device, buffer, 512)).error).toBe(0);
    expect(bytes.subarray(512, 1024).equals(buffer.bytes)).toBe(true);
    expect(raid(device).repaired).toBe(1);
    expect((await contents(device)).equals(bytes)).toBe(true);
    expect(raid(device)).toMatchObject({ repaired: 2, state: 'optimal' });
    await device.close();
  });
});

describe('a scrub', () => {
  it('finds and repairs what is wrong, and says how much', async () => {
    const faulty = disks(3);
    const { device, bytes } = await filled(faulty);
    expect(await raid(device).scrub()).toEqual({ rows: ROWS, mismatches: 0, repaired: 0, unreadable: 0 });
    // The parity of row 0 is on component 2, that of row 1 on component 1.
    (faulty[2] as FaultDevice).memory.fill(0xee, 10, 20);
    (faulty[1] as FaultDevice).memory.fill(0xee, STRIPE + 10, STRIPE + 20);
    const disk = faulty[0] as FaultDevice;
    let isBad = true;
    disk.fail = (io) => {
      const touches = isBad && io.offset <= 3 * STRIPE && 3 * STRIPE < io.offset + io.lengthBytes;
      if (touches && io.operation === BLOCK_WRITE) isBad = false;
      return touches && io.operation === BLOCK_READ ? EIO : 0;
    };
    expect(await raid(device).scrub()).toEqual({ rows: ROWS, mismatches: 2, repaired: 1, unreadable: 0 });
    expect(await raid(device).scrub()).toEqual({ rows: ROWS, mismatches: 0, repaired: 0, unreadable: 0 });
    raid(device).fail(0);
    expect((await contents(device)).equals(bytes)).toBe(true);
    await expect(raid(device).scrub()).rejects.toEqual(saying('EBUSY', /degraded/));
    await device.close();
  });
});

describe('a rebuild', () => {
  it('keeps to its rate', async () => {
    const timers = new VirtualTimers();
    const faulty = disks(3);
    const { device } = await filled(faulty, { timers, rebuildBytesPerSecond: STRIPE });
    raid(device).fail(1);
    const rebuilt = raid(device).rebuild(1);
    rebuilt.catch(() => {});
    await turn();
    await timers.advance(2500);
    expect(raid(device).state).toBe(`rebuilding ${Math.floor((3 / ROWS) * 100)} %`);
    await timers.advance(20_000);
    await rebuilt;
    expect(raid(device).state).toBe('optimal');
    await device.close();
  });

  it('goes on after the next opening where it was', async () => {
    const timers = new VirtualTimers();
    const faulty = disks(3);
    const { device, bytes } = await filled(faulty, { timers, rebuildBytesPerSecond: STRIPE });
    raid(device).fail(1);
    raid(device)
      .rebuild(1)
      .catch(() => {});
    await turn();
    await timers.advance(4500);
    const { rebuilt } = raid(device).components()[1] as { rebuilt: number };
    expect(rebuilt).toBe(5 / ROWS);
    await device.close();
    const found = again(faulty);
    const written: number[] = [];
    (found[1] as FaultDevice).fail = (io) => {
      if (io.operation === BLOCK_WRITE && io.offset < ROWS * STRIPE) written.push(io.offset / STRIPE);
      return 0;
    };
    const opened = await openRaid(devicesOf(found));
    expect(raid(opened).state).toMatch(/^rebuilding/);
    await raid(opened).settled();
    expect(written).toEqual([5, 6, 7]);
    expect(raid(opened).state).toBe('optimal');
    raid(opened).fail(0);
    expect((await contents(opened)).equals(bytes)).toBe(true);
    await opened.close();
  });

  it('goes on when the power fails before the component has a bitmap', async () => {
    const timers = new VirtualTimers();
    const faulty = disks(4);
    const { device, bytes } = await filled(faulty.slice(0, 3), { timers, rebuildBytesPerSecond: STRIPE, bitmapDelayMs: 500 });
    raid(device).fail(1);
    raid(device)
      .replace(1, faulty[3]?.device as BlockDevice)
      .catch(() => {});
    await turn();
    // What was written is stable by now, so the bits are clear.
    await timers.advance(2500);
    expect(device.describe()).toMatchObject({ state: expect.stringMatching(/^rebuilding/), dirtyRegions: 0 });
    const found = again([faulty[0], faulty[3], faulty[2]] as FaultDevice[]);
    (found[1] as FaultDevice).memory.fill(0, ROWS * STRIPE, ROWS * STRIPE + 4096);
    const opened = await openRaid(devicesOf(found));
    await raid(opened).settled();
    expect(raid(opened).state).toBe('optimal');
    raid(opened).fail(0);
    expect((await contents(opened)).equals(bytes)).toBe(true);
    await opened.close();
    await device.close().catch(() => {});
  });

  it('that cannot read all ends with an error, and what there is can still be read', async () => {
    const faulty = disks(3);
    const { device } = await filled(faulty);
    raid(device).fail(1);
    (faulty[0] as FaultDevice).fail = (io) => (io.operation === BLOCK_READ && io.offset === 5 * STRIPE ? EIO : 0);
    await expect(raid(device).rebuild(1)).rejects.toEqual(saying('EIO', /row 5 cannot be reconstructed/));
    await raid(device).settled();
    expect(states(device)).toEqual(['good', 'failed', 'good']);
    expect((await read(device, IoBuffer.allocate(4 * STRIPE), 0)).error).toBe(0);
    await device.close();
  });

  it('can be cancelled, refused, and done on another device', async () => {
    const faulty = disks(4);
    const { device, bytes } = await filled(faulty.slice(0, 3));
    await expect(raid(device).rebuild(1)).rejects.toEqual(code('EALREADY'));
    raid(device).fail(1);
    expect(() => raid(device).fail(0)).toThrow(expect.objectContaining({ code: 'EBUSY' }) as Error);
    await expect(raid(device).rebuild(1, { signal: AbortSignal.abort() })).rejects.toEqual(code('ECANCELED'));
    await expect(raid(device).replace(1, openMem(4096))).rejects.toEqual(saying('EINVAL', /has room for/));
    await raid(device).replace(1, (faulty[3] as FaultDevice).device);
    expect(raid(device).state).toBe('optimal');
    expect((faulty[1] as FaultDevice).state.closed).toBe(1);
    raid(device).fail(0);
    expect((await contents(device)).equals(bytes)).toBe(true);
    await device.close();
  });
});
