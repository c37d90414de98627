import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import {
  attachDevice,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockIo,
  biowait,
  ExtentList,
  openConcat,
  openFile,
  openMem,
  openNull,
  openSlice,
  openStripe,
  type StackOptions,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { engines } from './support/available.js';
import { type FaultDevice, openFaulty } from './support/fault-device.js';
import { seededRandom } from './support/random.js';
import { Model, runWorkload } from './support/random-workload.js';
import { bufferOf, flush, makeIo, read, runSync, start, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { EBADF, EBUSY, ECANCELED, EINVAL, EIO, ENODEV, ENOSPC, ENOTSUP, EPERM } = constants.errno;
const folder = temporaryFolder();
const order = seededRandom('the order of completions');
let files = 0;

/** A child of so many bytes. */
type Child = (sizeBytes: number) => BlockDevice;

const children: [string, Child][] = [
  ['mem', openMem],
  ...engines.map((engine): [string, Child] => [
    `files, engine ${engine}`,
    (sizeBytes) => {
      files += 1;
      const path = join(folder, `file-${files}`);
      writeFileSync(path, Buffer.alloc(sizeBytes));
      return openFile(path, { engine });
    },
  ]),
  [
    'devices that end their requests in any order',
    (sizeBytes) => openFaulty({ memory: Buffer.alloc(sizeBytes), pick: order }).device,
  ],
];

const stacks: [string, (child: Child, options?: StackOptions) => BlockDevice][] = [
  ['slice', (child, options) => openSlice(child(70_000), { offsetBytes: 1000, lengthBytes: 60_000, ...options })],
  ['concat', (child, options) => openConcat([child(10_000), child(30_001), child(19_999)], options)],
  ['stripe', (child, options) => openStripe([child(20_000), child(21_000), child(20_000)], { stripeBytes: 1000, ...options })],
  [
    'stripe of slices and concats',
    (child) => {
      const disk = child(60_000);
      const slices = [0, 20_000].map((offsetBytes) => openSlice(disk, { offsetBytes, lengthBytes: 20_000 }));
      return openStripe([...slices, openConcat([child(7000), child(13_000)])], { stripeBytes: 4000 });
    },
  ],
];

describe.each(stacks)('a %s', (_name, open) => {
  it.each(children)('on %s holds what an array holds', async (name, child) => {
    const random = seededRandom(name);
    for (const childrenMax of [1, 2, 3, 1024]) {
      for (const depth of [0, 1, 16]) {
        const device = open(child, { childrenMax });
        expect(device.limits.sizeBytes).toBe(60_000);
        const model = new Model(Buffer.alloc(60_000));
        await runWorkload({ device, model, random, operations: 60, depth });
        const whole = IoBuffer.allocate(60_000);
        expect(await read(device, whole, 0)).toEqual({ error: 0, transferredBytes: 60_000 });
        expect(model.difference(0, whole.bytes)).toBe(-1);
        await device.close();
      }
    }
  });

  it('has the ends that every device has', async () => {
    const device = open(openMem);
    for (const run of [start, async (on: BlockDevice, io: ReturnType<typeof makeIo>) => runSync(on, io)]) {
      expect(await run(device, makeIo({ offset: 59_999, lengthBytes: 1 }))).toEqual({ error: 0, transferredBytes: 1 });
      expect(await run(device, makeIo({ offset: 60_000, lengthBytes: 0 }))).toEqual({ error: 0, transferredBytes: 0 });
      expect(await run(device, makeIo({ offset: 59_999, lengthBytes: 2 }))).toEqual({ error: EINVAL, transferredBytes: 0 });
      expect(await run(device, makeIo({ operation: 77 }))).toEqual({ error: ENOTSUP, transferredBytes: 0 });
    }
    await device.close();
    expect(await run(device)).toBe(EBADF);
  });

  it('is done when strategy returns, on devices of which that is true', async () => {
    const device = open(openMem);
    expect(device.capabilities.progress).toBe('none');
    const io = makeIo({ operation: BLOCK_WRITE, buffer: IoBuffer.allocate(60_000) });
    device.strategy(io);
    expect([io.state, io.error, io.transferredBytes]).toEqual([2, 0, 60_000]);
    await device.close();
  });

  it('can be waited for', async () => {
    const device = open((sizeBytes) => openFaulty({ memory: Buffer.alloc(sizeBytes), pick: () => 0, running: false }).device);
    const io = makeIo({ operation: BLOCK_WRITE, buffer: IoBuffer.allocate(60_000) });
    device.strategy(io);
    expect(io.state).toBe(1);
    biowait(io, 10_000);
    expect([io.error, io.transferredBytes]).toEqual([0, 60_000]);
    await device.close();
  });

  it('is the same device in another thread, by its handle', async () => {
    const device = open(openMem);
    await write(device, 'from here', 29_996);
    const channel = attachDevice(structuredClone(device.handle()));
    const seen = IoBuffer.allocate(9);
    expect(await read(channel, seen, 29_996)).toEqual({ error: 0, transferredBytes: 9 });
    expect(Buffer.from(seen.bytes).toString()).toBe('from here');
    // By the right of the stack's claims.
    expect((await write(channel, 'from there', 9_995)).error).toBe(0);
    expect(channel.limits.sizeBytes).toBe(60_000);
    await channel.close();
    const back = IoBuffer.allocate(10);
    await read(device, back, 9_995);
    expect(Buffer.from(back.bytes).toString()).toBe('from there');
    await device.close();
  });

  it('fails as its devices do, with the error of the lowest offset, and hangs never', async () => {
    const random = seededRandom('faults');
    for (const sync of [false, true]) {
      for (let nth = 1; nth <= 12; nth++) {
        for (const forEver of [false, true]) {
          let requests = 0;
          const faulty: FaultDevice[] = [];
          const device = open((sizeBytes) => {
            const fault = openFaulty({ memory: Buffer.alloc(sizeBytes), pick: random });
            fault.fail = () => {
              requests += 1;
              return requests === nth || (forEver && requests > nth) ? EIO : 0;
            };
            faulty.push(fault);
            return fault.device;
          });
          const model = new Model(Buffer.alloc(60_000));
          // After a failed flush all later ones fail, and stable writes with them: they are not counted.
          let plainFailures = 0;
          const done = (io: BlockIo): void => {
            if (io.error !== 0 && io.operation !== BLOCK_FLUSH && io.flags === 0) plainFailures += 1;
          };
          const depth = sync ? 0 : 8;
          const failures = await runWorkload({ device, model, random, operations: 25, depth, mayFail: true, done });
          if (requests >= nth) expect(failures).toBeGreaterThan(0);
          if (!forEver) expect(plainFailures).toBeLessThan(3);
          await device.close();
          expect(faulty.map(({ state }) => state.closed)).toEqual(faulty.map(() => 1));
        }
      }
    }
  });
});

async function run(device: BlockDevice): Promise<number> {
  return (await start(device, makeIo({ lengthBytes: 1 }))).error;
}

/** Children whose requests end when the test says so, and a stripe of them. */
function manualStripe(
  count: number,
  options: StackOptions & { stripeBytes: number },
): { faulty: FaultDevice[]; device: BlockDevice } {
  const faulty = Array.from({ length: count }, () => openFaulty({ memory: Buffer.alloc(40_000), running: false }));
  return {
    faulty,
    device: openStripe(
      faulty.map(({ device }) => device),
      options,
    ),
  };
}

describe('a request to several devices', () => {
  it.each([false, true])('has the error of the lowest offset, and the bytes before it (synchronous: %s)', async (sync) => {
    const faulty = [0, 1, 2].map(() => openFaulty({ memory: Buffer.alloc(40_000), pick: (count) => count - 1 }));
    const device = openStripe(
      faulty.map((each) => each.device),
      { stripeBytes: 1000 },
    );
    const [, second, third] = faulty as [FaultDevice, FaultDevice, FaultDevice];
    second.fail = (io) => (io.offset === 1000 ? ENOSPC : 0);
    second.moved = () => 123;
    third.fail = (io) => (io.offset === 1000 ? EIO : 0);
    const io = makeIo({ operation: BLOCK_WRITE, buffer: IoBuffer.allocate(9000) });
    // The stripes 4 and 5 fail: the former is the lower one, and 4123 bytes are before it.
    expect(sync ? runSync(device, io) : await start(device, io)).toEqual({ error: ENOSPC, transferredBytes: 4123 });
    await device.close();
  });

  it('ends where a device is short', async () => {
    const faulty = [0, 1].map(() => openFaulty({ memory: Buffer.alloc(40_000), pick: () => 0 }));
    const short = openFaulty({ memory: Buffer.alloc(40_000) });
    const path = join(folder, 'shrinks');
    writeFileSync(path, Buffer.alloc(2000, 1));
    const file = openFile(path, { engine: engines[0] as 'fs' });
    const device = openConcat([file, ...faulty.map((each) => each.device)]);
    writeFileSync(path, Buffer.alloc(1500, 1));
    (faulty[0] as FaultDevice).fail = () => EIO;
    expect(await start(device, makeIo({ buffer: IoBuffer.allocate(5000) }))).toEqual({ error: 0, transferredBytes: 1500 });
    expect(runSync(device, makeIo({ buffer: IoBuffer.allocate(5000) }))).toEqual({ error: 0, transferredBytes: 1500 });
    await Promise.all([device.close(), short.device.close()]);
  });

  it('flushes every device, also when one fails', async () => {
    for (const sync of [false, true]) {
      const faulty = [0, 1, 2].map(() => openFaulty({ memory: Buffer.alloc(40_000), pick: () => 0 }));
      const device = openStripe(faulty.map((each) => each.device));
      const io = makeIo({ operation: BLOCK_FLUSH, buffer: null });
      (faulty[0] as FaultDevice).fail = () => EIO;
      expect(sync ? runSync(device, io) : await start(device, io)).toEqual({ error: EIO, transferredBytes: 0 });
      expect(faulty.map(({ state }) => state.flushes)).toEqual([1, 1, 1]);
      // Poisoned, like every device.
      (faulty[0] as FaultDevice).fail = () => 0;
      expect((await flush(device)).error).toBe(EIO);
      await device.close();
    }
  });

  it('passes on what its devices make stable themselves, and has the others do it', async () => {
    const native = openFaulty({ memory: Buffer.alloc(40_000), capabilities: { fua: 'native' } });
    const plain = openFaulty({ memory: Buffer.alloc(40_000) });
    const flags: number[] = [];
    native.fail = (io) => {
      flags.push(io.flags);
      return 0;
    };
    const device = openStripe([native.device, plain.device], { stripeBytes: 1000 });
    expect(device.capabilities.fua).toBe('native');
    const io = makeIo({ operation: BLOCK_WRITE, buffer: IoBuffer.allocate(2000) });
    io.flags = BLOCK_FUA;
    expect((await start(device, io)).error).toBe(0);
    expect([flags, native.state.flushes, plain.state.flushes]).toEqual([[BLOCK_FUA], 0, 1]);
    await device.close();
    const none = openSlice(openFaulty({ memory: Buffer.alloc(40_000), capabilities: { fua: 'none' } }).device);
    expect(none.capabilities.fua).toBe('none');
    await none.close();
  });

  it('waits in line for child requests, and none is left behind', async () => {
    const { faulty, device } = manualStripe(2, { stripeBytes: 1000, childrenMax: 2 });
    const ends: string[] = [];
    const long = start(device, makeIo({ buffer: IoBuffer.allocate(10_000) })).then(() => ends.push('long'));
    const short = start(device, makeIo({ lengthBytes: 10 })).then(() => ends.push('short'));
    expect(faulty.map(({ started }) => started.length)).toEqual([1, 1]);
    for (let left = 100; left > 0 && ends.length < 2; left--) {
      for (const each of faulty) each.complete(0);
      await turn();
    }
    await Promise.all([long, short]);
    // The one that came later needs one child request, and does not wait for the end of the long one.
    expect(ends).toEqual(['short', 'long']);
    await device.close();
  });

  it('is aborted on the way, and then hands nothing more out', async () => {
    const { faulty, device } = manualStripe(2, { stripeBytes: 1000, childrenMax: 4 });
    const io = makeIo({ buffer: IoBuffer.allocate(20_000) });
    const ended = start(device, io);
    const waiting = makeIo({ lengthBytes: 10 });
    const waited = start(device, waiting);
    expect(device.abort(waiting)).toBe('cancelled');
    expect(await waited).toEqual({ error: ECANCELED, transferredBytes: 0 });
    expect(device.abort(io)).toBe('in-progress');
    for (let left = 4; left > 0; left--) for (const each of faulty) each.complete(0);
    expect(await ended).toEqual({ error: ECANCELED, transferredBytes: 4000 });
    expect(faulty.map(({ started }) => started.length)).toEqual([0, 0]);
    expect(device.abort(io)).toBe('done');
    await device.close();
  });

  it('that is one device’s alone is aborted there', async () => {
    const faulty = openFaulty({ memory: Buffer.alloc(4096), running: false, limits: { maxInFlight: 1 } });
    const device = openSlice(faulty.device);
    const first = start(device, makeIo({ lengthBytes: 10 }));
    const io = makeIo({ lengthBytes: 20 });
    const second = start(device, io);
    // It waits for room on the child.
    expect(device.abort(io)).toBe('cancelled');
    expect((await second).error).toBe(ECANCELED);
    faulty.complete(0);
    expect((await first).error).toBe(0);
    await device.close();
  });

  it('tells holes from data, in order', async () => {
    const capabilities = { extents: true };
    const holes = (sizeBytes: number): BlockDevice =>
      openFaulty({ memory: Buffer.alloc(sizeBytes), capabilities, pick: () => 0 }).device;
    const full = (sizeBytes: number): BlockDevice => openFaulty({ memory: Buffer.alloc(sizeBytes) }).device;
    for (const [device, expected] of [
      [openSlice(holes(40_960), { offsetBytes: 4096 }), ['4096 hole', '4096 data', '1808 hole']],
      [openConcat([full(5000), holes(40_960)]), ['9096 data', '904 hole']],
      [openStripe([holes(40_960), full(40_960)], { stripeBytes: 8192 }), ['4096 data', '4096 hole', '1808 data']],
    ] as const) {
      expect(device.capabilities.extents).toBe(true);
      for (const sync of [false, true]) {
        const io = makeIo({ operation: BLOCK_EXTENTS, buffer: null, lengthBytes: 10_000 });
        io.extents = new ExtentList();
        expect(sync ? runSync(device, io) : await start(device, io)).toEqual({ error: 0, transferredBytes: 10_000 });
        const list = io.extents;
        const seen = Array.from(
          { length: list.count },
          (_, index) => `${list.lengthBytes(index)} ${list.kind(index) === 0 ? 'data' : 'hole'}`,
        );
        expect(seen).toEqual(expected);
        io.extents = new ExtentList(1);
        const first = Number((expected[0] as string).split(' ')[0]);
        expect(sync ? runSync(device, io) : await start(device, io)).toEqual({ error: 0, transferredBytes: first });
      }
      await device.close();
    }
  });

  it('discards and makes zeros where its devices can', async () => {
    const capable = { discard: true, zeroes: 'fast' } as const;
    const faulty = [0, 1].map(() => openFaulty({ memory: Buffer.alloc(8000, 7), capabilities: capable }));
    const device = openStripe(
      faulty.map((each) => each.device),
      { stripeBytes: 1000 },
    );
    expect(device.capabilities).toMatchObject({ discard: true, zeroes: 'fast' });
    expect(await start(device, makeIo({ operation: BLOCK_DISCARD, buffer: null, offset: 500, lengthBytes: 3000 }))).toEqual({
      error: 0,
      transferredBytes: 3000,
    });
    expect(await start(device, makeIo({ operation: BLOCK_WRITE_ZEROES, buffer: null, offset: 500, lengthBytes: 3000 }))).toEqual({
      error: 0,
      transferredBytes: 3000,
    });
    expect(faulty.map(({ state }) => state.writes)).toEqual([0, 0]);
    const seen = IoBuffer.allocate(4000);
    await read(device, seen, 0);
    expect(Buffer.compare(seen.bytes, Buffer.concat([Buffer.alloc(500, 7), Buffer.alloc(3000), Buffer.alloc(500, 7)]))).toBe(0);
    await device.close();
    const mixed = openConcat([capable, {}].map((capabilities) => openFaulty({ memory: Buffer.alloc(100), capabilities }).device));
    expect(mixed.capabilities).toMatchObject({ discard: false, zeroes: 'native' });
    await mixed.close();
  });
});

describe('the devices of a stack', () => {
  it('are its own to write, and everybody’s to read', async () => {
    const disks = [openMem(4096), openMem(4096)] as const;
    const device = openStripe(disks, { stripeBytes: 512, closeChildren: false });
    expect((await write(disks[0], 'x', 0)).error).toBe(EPERM);
    expect((await read(disks[0], IoBuffer.allocate(1), 0)).error).toBe(0);
    expect(() => openConcat([openMem(512), disks[1]])).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    expect((await write(device, 'x', 0)).error).toBe(0);
    await device.close();
    expect((await write(disks[0], 'x', 0)).error).toBe(0);
    await Promise.all(disks.map((disk) => disk.close()));
  });

  it('have slices that do not overlap, and close with the last of them', async () => {
    const disk = openMem(4096);
    const slices = [openSlice(disk, { lengthBytes: 1024 }), openSlice(disk, { offsetBytes: 1024, lengthBytes: 1024 })] as const;
    for (const range of [{ offsetBytes: 1023, lengthBytes: 1 }, { offsetBytes: 2047 }, {}]) {
      expect(() => openSlice(disk, range)).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    }
    expect(() => openSlice(disk, { offsetBytes: 4000, lengthBytes: 97 })).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
    );
    await write(slices[0], 'first', 1019);
    expect((await write(slices[0], 'x', 1024)).error).toBe(EINVAL);
    await write(slices[1], 'second', 0);
    const seen = IoBuffer.allocate(11);
    await read(disk, seen, 1019);
    expect(Buffer.from(seen.bytes).toString()).toBe('firstsecond');
    await slices[0].close();
    expect(disk.closed).toBe(false);
    await openSlice(disk, { lengthBytes: 1024 }).close();
    await slices[1].close();
    expect(disk.closed).toBe(true);
  });

  it('take the stack with them when they go, or become too small', async () => {
    for (const lose of [(fault: FaultDevice) => fault.events().removed(), (fault: FaultDevice) => fault.events().resized(4095)]) {
      const fault = openFaulty({ memory: Buffer.alloc(4096) });
      const device = openConcat([openMem(10), fault.device]);
      const heard: string[] = [];
      device.on('remove', () => heard.push('remove'));
      fault.events().resized(5000);
      expect([heard, await run(device)]).toEqual([[], 0]);
      lose(fault);
      expect([heard, await run(device)]).toEqual([['remove'], ENODEV]);
      await device.close();
    }
  });

  it('are refused where they do not fit', async () => {
    const grows = openFile(join(folder, 'grows'), { create: true, growable: true });
    const same = openMem(4096);
    expect(() => openConcat([grows])).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => openSlice(grows)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    expect(() => openStripe([])).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
    expect(() => openStripe([same, same])).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
    const blocks = openFaulty({ memory: Buffer.alloc(8192), limits: { blockSizeBytes: 512 } }).device;
    expect(() => openStripe([blocks], { stripeBytes: 1000 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    expect(() => openStripe([blocks], { childrenMax: 0 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    // What failed to open has claimed nothing.
    const device = openStripe([blocks, same], { stripeBytes: 512 });
    expect(device.limits).toMatchObject({ blockSizeBytes: 512, sizeBytes: 8192 });
    await Promise.all([device.close(), grows.close()]);
  });

  it('are told by describe and config', async () => {
    const device = openStripe([openMem(100), openSlice(openNull(1000), { offsetBytes: 8, lengthBytes: 100 })], {
      stripeBytes: 10,
      childrenMax: 5,
    });
    const devices = [
      { driver: 'mem', sizeBytes: 100 },
      { driver: 'slice', offsetBytes: 8, lengthBytes: 100, device: { driver: 'null', sizeBytes: 1000 } },
    ];
    expect(device.config()).toMatchObject({ driver: 'stripe', stripeBytes: 10, childrenMax: 5, devices });
    expect(device.describe()).toMatchObject({
      driver: 'stripe',
      sizeBytes: 200,
      devices: [{ driver: 'mem' }, { driver: 'slice' }],
    });
    await device.close();
  });

  it('make a synchronous request wait for nobody', async () => {
    const fault = openFaulty({ memory: Buffer.alloc(4096) });
    const device = openSlice(fault.device);
    void fault.device.quiesce();
    expect(runSync(device, makeIo({ operation: BLOCK_READ, buffer: bufferOf('x') })).error).toBe(EBUSY);
    fault.device.resume();
    await device.close();
  });
});
