import { constants } from 'node:os';
import {
  BLOCK_DISCARD,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_RESET,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  BlockDevice,
  type BlockIo,
  biodone,
  biowait,
  openMem,
  openNull,
  openThrottle,
  type ThrottleDevice,
  type ThrottleLimits,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { seededRandom } from './support/random.js';
import { bufferOf, makeIo, read, runSync, start, write } from './support/requests.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const { EBUSY, ECANCELED, ENODEV } = constants.errno;
const memory = IoBuffer.allocate(2 ** 20);

function open(limits: ThrottleLimits, burstMs = 1): { device: ThrottleDevice; timers: VirtualTimers } {
  const timers = new VirtualTimers();
  return { device: openThrottle(openNull(), limits, { burstMs, timers }), timers };
}

/** Keeps so many requests of a kind waiting, and counts what completes. */
function load(
  device: ThrottleDevice,
  operation: number,
  lengthBytes: number,
  depth = 16,
): { count: number; bytes: number; stop: () => void } {
  let stopped = false;
  const stop = (): void => {
    stopped = true;
  };
  const tally = { count: 0, bytes: 0, stop };
  for (let index = 0; index < depth; index++) {
    const io = makeIo({ operation, buffer: memory, lengthBytes });
    io.iodone = () => {
      if (io.error !== 0) return;
      tally.count += 1;
      tally.bytes += io.transferredBytes;
      // Without a limit that holds, this would go on for ever.
      if (!stopped && tally.count < 100_000) device.strategy(io);
    };
    device.strategy(io);
  }
  return tally;
}

describe('rates', () => {
  it.each([
    ['reads by IOPS', { readIops: 100 }, BLOCK_READ, 4096, 1000],
    ['reads by all IOPS', { iops: 100 }, BLOCK_READ, 4096, 1000],
    ['writes by IOPS', { writeIops: 250 }, BLOCK_WRITE, 4096, 2500],
    ['reads by bytes', { readBytesPerSecond: 2 ** 20 }, BLOCK_READ, 4096, 2560],
    ['writes by bytes', { writeBytesPerSecond: 2 ** 20 }, BLOCK_WRITE, 65536, 160],
    ['writes by all bytes', { bytesPerSecond: 10 ** 6 }, BLOCK_WRITE, 1000, 10_000],
    ['the stricter of two', { iops: 1000, readBytesPerSecond: 409_600 }, BLOCK_READ, 4096, 1000],
    ['less than one a second', { iops: 0.5 }, BLOCK_READ, 1, 5],
    ['requests that are larger than a second', { bytesPerSecond: 2 ** 19 }, BLOCK_WRITE, 2 ** 20, 5],
    ['discards by IOPS', { writeIops: 10 }, BLOCK_DISCARD, 2 ** 20, 100],
    ['zeros by IOPS, not by bytes', { iops: 10, bytesPerSecond: 1 }, BLOCK_WRITE_ZEROES, 2 ** 20, 100],
  ])('are kept within one request: %s', async (_, limits, operation, lengthBytes, expected) => {
    const { device, timers } = open(limits);
    const tally = load(device, operation, lengthBytes);
    await timers.advance(10_000);
    // What has been saved up at the beginning is a millisecond's worth, rounded up to a request.
    expect(tally.count).toBeGreaterThanOrEqual(expected);
    expect(tally.count).toBeLessThanOrEqual(expected + 2);
    tally.stop();
    device.setLimits({
      iops: null,
      readIops: null,
      writeIops: null,
      bytesPerSecond: null,
      readBytesPerSecond: null,
      writeBytesPerSecond: null,
    });
    await device.close();
  });

  it('are kept by random requests of all sizes', async () => {
    const random = seededRandom('throttle');
    const { device, timers } = open({ bytesPerSecond: 10 ** 6, writeBytesPerSecond: 4 * 10 ** 5 }, 10);
    const bytes = [0, 0];
    for (let index = 0; index < 32; index++) {
      const io = makeIo({ operation: index % 2, buffer: memory });
      const next = (): void => {
        io.lengthBytes = 1 + random(65536);
        device.strategy(io);
      };
      io.iodone = () => {
        bytes[index % 2] = (bytes[index % 2] as number) + io.transferredBytes;
        next();
      };
      next();
    }
    for (const seconds of [1, 10, 60]) {
      await timers.advance(seconds * 1000 - (timers.nowMs - 1_000_000));
      const [reads, writes] = bytes as [number, number];
      const burst = 10_000 + 2 * 65536;
      expect(Math.abs(reads + writes - seconds * 10 ** 6)).toBeLessThan(burst);
      expect(writes).toBeLessThan(seconds * 4 * 10 ** 5 + burst);
      expect(writes).toBeGreaterThan(seconds * 3 * 10 ** 5 - burst);
    }
  });

  it('save up for a burst, and no longer', async () => {
    const { device, timers } = open({ iops: 1000 }, 50);
    await timers.advance(60_000);
    const tally = load(device, BLOCK_READ, 4096, 200);
    await settled();
    expect(tally.count).toBe(51);
    await timers.advance(100);
    expect(tally.count).toBe(151);
  });

  it('limit nothing where nothing is set', async () => {
    const { device, timers } = open({ readIops: 1 });
    for (let index = 0; index < 100; index++) expect((await write(device, 'x', 0)).error).toBe(0);
    expect(timers.pending).toBe(0);
  });

  it('let flushes pass at once', async () => {
    const { device } = open({ iops: 1 });
    const tally = load(device, BLOCK_WRITE, 1);
    expect(await start(device, makeIo({ operation: BLOCK_FLUSH, buffer: null }))).toEqual({ error: 0, transferredBytes: 0 });
    expect(tally.count).toBeLessThan(3);
  });
});

describe('the directions', () => {
  it('do not wait for each other', async () => {
    const { device, timers } = open({ writeIops: 1 });
    const writes = load(device, BLOCK_WRITE, 1);
    for (let index = 0; index < 1000; index++) await read(device, memory, 0);
    expect(writes.count).toBeLessThan(3);
    await timers.advance(10_000);
    expect(writes.count).toBeGreaterThanOrEqual(10);
  });

  it('share what they share by age: neither starves, small or large', async () => {
    const { device, timers } = open({ bytesPerSecond: 2 ** 20 });
    const reads = load(device, BLOCK_READ, 512, 64);
    const writes = load(device, BLOCK_WRITE, 2 ** 19, 2);
    await timers.advance(60_000);
    expect(writes.count).toBeGreaterThan(20);
    expect(reads.count).toBeGreaterThan(20);
    expect(writes.bytes + reads.bytes).toBeLessThan(61 * 2 ** 20);
  });

  it('keep the order of their requests', async () => {
    const { device, timers } = open({ iops: 100, readBytesPerSecond: 10_000 });
    const order: number[] = [];
    for (let index = 0; index < 50; index++) {
      const io = makeIo({ operation: BLOCK_READ, buffer: memory, lengthBytes: 1 + ((index * 37) % 400) });
      io.iodone = () => void order.push(index);
      device.strategy(io);
    }
    await timers.advance(60_000);
    expect(order).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });
});

describe('setLimits', () => {
  it('is felt by what waits', async () => {
    const { device, timers } = open({ iops: 0.001 });
    const tally = load(device, BLOCK_READ, 1, 4);
    await timers.advance(1000);
    expect(tally.count).toBeLessThan(3);
    const before = tally.count;
    device.setLimits({ iops: 100 });
    await timers.advance(1000);
    expect(tally.count - before).toBeGreaterThanOrEqual(99);
    expect(tally.count - before).toBeLessThanOrEqual(101);
    device.setLimits({ iops: 10 });
    await timers.advance(1000);
    expect(tally.count - before).toBeLessThanOrEqual(112);
    tally.stop();
    device.setLimits({ iops: null });
    await settled();
    expect(device.inFlight).toBe(0);
    expect(device.throttleLimits).toEqual({});
  });

  it('refuses what is no rate, or no limit, and changes nothing then', () => {
    const { device } = open({ iops: 5 });
    for (const limits of [{ iops: 7, readIops: 0 }, { iops: -1 }, { iops: Number.NaN }, { iops: '7' }, { speed: 7, iops: 7 }]) {
      expect(() => device.setLimits(limits as ThrottleLimits)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    }
    expect(device.throttleLimits).toEqual({ iops: 5 });
    expect(device.config()).toMatchObject({ driver: 'throttle', iops: 5, device: { driver: 'null' } });
  });
});

describe('ending what waits', () => {
  it('is done by abort, and those behind get on', async () => {
    const { device, timers } = open({ readBytesPerSecond: 1000 });
    await read(device, IoBuffer.allocate(1000), 0);
    const ios = [0, 1, 2].map(() => makeIo({ buffer: memory, lengthBytes: 1000 }));
    const outcomes = ios.map((io) => start(device, io));
    expect(device.abort(ios[1] as BlockIo)).toBe('cancelled');
    expect(await outcomes[1]).toEqual({ error: ECANCELED, transferredBytes: 0 });
    await timers.advance(2001);
    expect(await Promise.all([outcomes[0], outcomes[2]])).toEqual(Array(2).fill({ error: 0, transferredBytes: 1000 }));
  });

  it('is done by a reset', async () => {
    const { device } = open({ iops: 1 });
    const outcomes = [0, 1, 2].map(() => start(device, makeIo({ buffer: memory })));
    await start(device, makeIo({ operation: BLOCK_RESET, buffer: null }));
    expect((await Promise.all(outcomes)).filter(({ error }) => error === ECANCELED).length).toBeGreaterThanOrEqual(1);
    expect(device.inFlight).toBe(0);
  });

  it('is not done by close, which lets it pass at its pace', async () => {
    const { device, timers } = open({ iops: 10 });
    const outcomes = Array.from({ length: 20 }, () => start(device, makeIo({ buffer: memory })));
    let closed = false;
    const closing = device.close().then(() => {
      closed = true;
    });
    await timers.advance(1000);
    expect(closed).toBe(false);
    await timers.advance(1100);
    await closing;
    expect((await Promise.all(outcomes)).every(({ error }) => error === 0)).toBe(true);
    expect(timers.pending).toBe(0);
  });

  it('passes an abort on to the device below', async () => {
    const { device: below, started } = openManual();
    const device = openThrottle(below, {});
    const io = makeIo({ lengthBytes: 10 });
    const outcome = start(device, io);
    expect(device.abort(io)).toBe('in-progress');
    expect(started.length).toBe(1);
    below.poll();
    expect((await outcome).error).toBe(0);
  });
});

describe('without the event loop', () => {
  it('biowait sleeps until the request may pass', () => {
    const { device, timers } = open({ iops: 10 });
    for (let index = 0; index < 5; index++) {
      const io = makeIo({ buffer: memory, lengthBytes: 512 });
      device.strategy(io);
      biowait(io);
      expect(io.transferredBytes).toBe(512);
    }
    expect(timers.slept).toBeGreaterThanOrEqual(290);
    expect(timers.slept).toBeLessThan(401);
    expect(timers.pending).toBe(0);
  });

  it('poll looks at the clock', () => {
    const { device, timers } = open({ iops: 10 });
    const done: BlockIo[] = [];
    for (let index = 0; index < 3; index++) {
      const io = makeIo({ buffer: memory });
      io.iodone = () => void done.push(io);
      device.strategy(io);
    }
    device.poll();
    const before = done.length;
    expect(before).toBeLessThan(3);
    for (const _ of [1, 2]) {
      timers.nowMs += 100;
      device.poll();
    }
    expect(done.length).toBe(3);
  });

  it('a wait ends by its time when nothing may pass before', () => {
    const { device, timers } = open({ iops: 0.001 });
    const ios = [0, 1, 2].map(() => makeIo({ buffer: memory }));
    for (const io of ios) device.strategy(io);
    while (device.poll() > 0);
    const before = timers.nowMs;
    expect(device.wait(50)).toBe('ETIME');
    expect(timers.nowMs - before).toBe(50);
  });

  it('strategySync blocks for as long as the limits want', () => {
    const { device, timers } = open({ writeIops: 100 });
    for (let index = 0; index < 11; index++) {
      expect(runSync(device, makeIo({ operation: BLOCK_WRITE, buffer: bufferOf('x') })).error).toBe(0);
    }
    expect(timers.slept).toBeGreaterThan(89);
    expect(timers.slept).toBeLessThan(101);
  });
});

describe('the device below', () => {
  it('is claimed, and closed with this one unless that is not wanted', async () => {
    const below = openMem(4096);
    const device = openThrottle(below, {}, { closeChildren: false });
    expect(() => openThrottle(below, {})).toThrow(expect.objectContaining({ code: 'EBUSY', errno: -EBUSY }));
    expect((await write(below, 'x', 0)).error).toBe(constants.errno.EPERM);
    await device.close();
    expect((await write(below, 'x', 0)).error).toBe(0);
    const again = openThrottle(below, {});
    expect((await write(again, 'y', 0)).error).toBe(0);
    await again.close();
    expect(below.closed).toBe(true);
  });

  it('ends what waits when it is removed', async () => {
    const timers = new VirtualTimers();
    let remove = (): void => {};
    const removable = openRemovable((how) => {
      remove = how;
    });
    const device = openThrottle(removable, { iops: 1 }, { timers, burstMs: 1 });
    let heard = 0;
    device.on('remove', () => {
      heard += 1;
    });
    const outcomes = [0, 1, 2, 3].map(() => start(device, makeIo({ buffer: memory, lengthBytes: 16 })));
    await settled();
    remove();
    const errors = (await Promise.all(outcomes)).map(({ error }) => error);
    expect(errors.slice(-2)).toEqual([ENODEV, ENODEV]);
    expect(heard).toBe(1);
    expect(timers.pending).toBe(0);
    await device.close();
  });

  it('gives no channels to other threads', () => {
    const { device } = open({});
    expect(() => device.handle()).toThrow(expect.objectContaining({ code: 'ENOTSUP' }));
  });
});

function openRemovable(give: (remove: () => void) => void): BlockDevice {
  return new BlockDevice({
    name: 'removable',
    limits: { blockSizeBytes: 1, sizeBytes: 4096, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'any' },
    start: (io) => biodone(io, 0),
    startSync: () => {},
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'removable' }),
    handle: () => ({ driver: 'null' }),
    attached: (events) => give(events.removed),
    close: () => {},
  });
}
