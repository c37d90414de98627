import { constants } from 'node:os';
import {
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockOperation,
  type CacheDevice,
  type CacheOptions,
  openCache,
  openDevice,
  openMem,
} from '@biodone/blockdev';
import {
  type FaultDevice,
  flushRequest,
  openFault,
  openManual,
  readRequest,
  request,
  run,
  runSync,
  turn,
  VirtualTime,
  writeRequest,
} from '@biodone/testkit';
import { describe, expect, it } from 'vitest';

const { EBUSY, ECANCELED, EIO } = constants.errno;
const ENODEV = constants.errno.ENODEV;
const LINE = 4096;
const SIZE_BYTES = 2 ** 20;
/** Behind its label, the cache device has its map, of a page here, and then lines. */
const LINES_AT = 65_536;
const FAST_BYTES = LINES_AT + 16 * LINE;
const NEVER_MS = 3_600_000;
const forEver = Number.POSITIVE_INFINITY;

const line = (tag: number, lines = 1): Uint8Array => new Uint8Array(lines * LINE).fill(tag);
const writeLine = (index: number, tag: number, flags = 0) => writeRequest(index * LINE, line(tag), flags);
const fails = (operation: BlockOperation, times = 1, errno = EIO) => ({
  operations: [operation],
  action: { kind: 'error', errno } as const,
  times,
});

async function byteAt(device: BlockDevice, offset: number): Promise<number | undefined> {
  const io = readRequest(offset, 1);
  expect((await run(device, io)).error).toBe(0);
  return io.buffer?.bytes[0];
}

function copyOf(device: BlockDevice): BlockDevice {
  const sizeBytes = device.limits.sizeBytes as number;
  const io = readRequest(0, sizeBytes);
  expect(runSync(device, io).error).toBe(0);
  const copy = openMem(sizeBytes);
  expect(runSync(copy, writeRequest(0, io.buffer?.bytes.subarray(0, sizeBytes) ?? new Uint8Array())).error).toBe(0);
  return copy;
}

interface Rig {
  readonly device: CacheDevice;
  readonly below: FaultDevice;
  readonly fast: FaultDevice;
  readonly belowMem: BlockDevice;
  readonly fastMem: BlockDevice;
  readonly time: VirtualTime;
}

const shape: CacheOptions = { readAheadBytes: 0, writeBackDelayMs: NEVER_MS, deviceName: 'it', closeChildren: false };

/** A cache on a device, both of which fail when a test says so, on a clock that stands. */
async function openRig(options: CacheOptions = {}): Promise<Rig> {
  const [belowMem, fastMem, time] = [openMem(SIZE_BYTES), openMem(FAST_BYTES), new VirtualTime()];
  const [below, fast] = [openFault(belowMem), openFault(fastMem)];
  const device = await openCache(below, { ...shape, timers: time, cacheDevice: fast, create: true, ...options });
  return { device, below, fast, belowMem, fastMem, time };
}

/** What is there when the process has crashed at this moment. */
async function afterCrash({ belowMem, fastMem }: Rig, options: CacheOptions = {}): Promise<CacheDevice> {
  return openCache(copyOf(belowMem), { ...shape, cacheDevice: copyOf(fastMem), ...options });
}

describe('a cache on a device', () => {
  it('is done with a write, and with a flush, when the cache device has it, and finds it there again', async () => {
    const rig = await openRig();
    const { below, belowMem, device } = rig;
    expect((await run(device, flushRequest())).error).toBe(0);
    const { seen } = below;
    for (const index of [1, 2, 5]) expect((await run(device, writeLine(index, index))).error).toBe(0);
    expect((await run(device, flushRequest())).error).toBe(0);
    expect((await run(device, writeLine(7, 7, BLOCK_FUA))).error).toBe(0);
    expect(below.seen).toBe(seen);
    expect(device.cacheStatistics()).toMatchObject({ dirtyBytes: 4 * LINE, writesBack: 4, writesThrough: 0 });
    expect(device.describe()).toMatchObject({ namedBytes: 4 * LINE });
    const again = await afterCrash(rig);
    expect(again.cacheStatistics()).toMatchObject({ dirtyBytes: 4 * LINE, usedBytes: 4 * LINE });
    for (const index of [1, 2, 5, 7]) expect(await byteAt(again, index * LINE)).toBe(index);
    expect(await byteAt(again, 3 * LINE)).toBe(0);
    await again.close();
    await device.close();
    expect(await byteAt(belowMem, 5 * LINE)).toBe(5);
  });

  it('has written everything back when it is closed: it names nothing then, and is cold when it is opened again', async () => {
    const { belowMem, device, fastMem } = await openRig();
    for (let index = 0; index < 8; index++) await run(device, writeLine(index, index + 1));
    await run(device, flushRequest());
    await device.close();
    for (let index = 0; index < 8; index++) expect(await byteAt(belowMem, index * LINE)).toBe(index + 1);
    const again = await openCache(belowMem, { ...shape, cacheDevice: fastMem });
    expect(again.cacheStatistics()).toMatchObject({ dirtyBytes: 0, usedBytes: 0 });
    expect(again.describe()).toMatchObject({ namedBytes: 0 });
    await again.close();
  });

  it('reads once from below what several ask for, keeps it, and reads it from the cache device then', async () => {
    const below = openManual(SIZE_BYTES);
    const fast = openMem(FAST_BYTES);
    const device = await openCache(below, { ...shape, cacheDevice: fast, create: true });
    const reads = Array.from({ length: 5 }, (_, index) => run(device, readRequest(100 * index, 50)));
    await turn();
    expect(below.started.map(({ offset, lengthBytes }) => [offset, lengthBytes])).toEqual([[0, LINE]]);
    below.complete();
    for (const { error } of await Promise.all(reads)) expect(error).toBe(0);
    expect((await run(device, readRequest(0, LINE))).error).toBe(0);
    expect(below.started).toEqual([]);
    expect(device.cacheStatistics()).toMatchObject({ readHits: 1, readMisses: 5, usedBytes: LINE });
    const closed = device.close();
    await turn();
    below.completeAll();
    await closed;
  });

  it('reads what is left of a line of which a part is written, and writes nothing if it cannot', async () => {
    const { below, belowMem, device } = await openRig();
    await run(belowMem, writeRequest(0, line(5, 2)));
    below.addFault(fails(BLOCK_READ));
    expect(await run(device, writeRequest(100, new Uint8Array(10)))).toEqual({ error: EIO, transferredBytes: 0 });
    expect(await run(device, writeRequest(100, new Uint8Array(10)))).toEqual({ error: 0, transferredBytes: 10 });
    const at = async (...offsets: number[]) => Promise.all(offsets.map((offset) => byteAt(device, offset)));
    expect(await at(99, 100, 109, 110, LINE)).toEqual([5, 0, 0, 5, 5]);
    // What is there already is written in place.
    const { seen } = below;
    expect((await run(device, writeRequest(LINE - 5, new Uint8Array(5).fill(9)))).error).toBe(0);
    expect(below.seen).toBe(seen);
    expect(await at(LINE - 6, LINE - 5, LINE - 1)).toEqual([5, 9, 9]);
    await device.close();
  });

  it('reads ahead of who reads sequentially', async () => {
    const { device } = await openRig({ readAheadBytes: 4 * LINE });
    for (let index = 0; index < 12; index++) await run(device, readRequest(index * LINE, LINE));
    const { readAheadBytes, readMisses } = device.cacheStatistics();
    expect(readAheadBytes).toBeGreaterThan(8 * LINE);
    expect(readMisses).toBeLessThan(5);
    await device.close();
  });

  it('bounds what is dirty, and has room for ever new lines', async () => {
    const rig = await openRig({ dirtyMaxBytes: 4 * LINE, writeBackDelayMs: 10 });
    const { belowMem, device } = rig;
    for (let round = 0; round < 30; round++) {
      const writes = Array.from({ length: 8 }, (_, at) => run(device, writeLine((round * 7 + at * 3) % 256, round + 1)));
      for (const { error } of await Promise.all(writes)) expect(error).toBe(0);
      expect(device.cacheStatistics().dirtyBytes).toBeLessThanOrEqual(4 * LINE);
      expect((await run(device, flushRequest())).error).toBe(0);
    }
    expect(device.cacheStatistics().evictions).toBeGreaterThan(0);
    const again = await afterCrash(rig);
    for (let at = 0; at < 8; at++) expect(await byteAt(again, ((29 * 7 + at * 3) % 256) * LINE)).toBe(30);
    await again.close();
    await device.close();
    for (let at = 0; at < 8; at++) expect(await byteAt(belowMem, ((29 * 7 + at * 3) % 256) * LINE)).toBe(30);
  });

  it('works for a thread that never returns to its event loop', async () => {
    const below = openMem(SIZE_BYTES);
    const sizes = { cacheBytes: 8 * LINE, dirtyMaxBytes: 2 * LINE };
    const device = await openCache(below, { ...shape, ...sizes, cacheDevice: openMem(FAST_BYTES), create: true });
    for (let index = 0; index < 20; index++) expect(runSync(device, writeLine(index, index + 1)).error).toBe(0);
    expect(runSync(device, writeRequest(100, new Uint8Array(7).fill(99))).error).toBe(0);
    expect(device.cacheStatistics().dirtyBytes).toBeLessThanOrEqual(2 * LINE);
    expect(runSync(device, flushRequest()).error).toBe(0);
    const io = readRequest(0, 20 * LINE);
    expect(runSync(device, io).error).toBe(0);
    expect(Array.from({ length: 20 }, (_, index) => io.buffer?.bytes[index * LINE])).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    expect(io.buffer?.bytes[103]).toBe(99);
    await device.close();
    expect(await byteAt(below, 103)).toBe(99);
  });

  it('lets a synchronous write go before lines that a read is still putting on the cache device, which are not kept', async () => {
    const below = openMem(SIZE_BYTES);
    const fast = openManual(FAST_BYTES);
    const device = await pumped(fast, openCache(below, { ...shape, cacheDevice: fast, create: true, mode: 'write-through' }));
    // The reader has its bytes before they are on the cache device.
    expect((await run(device, readRequest(0, LINE))).error).toBe(0);
    expect(fast.started.map(({ operation }) => operation)).toEqual([BLOCK_WRITE]);
    const io = request(BLOCK_WRITE_ZEROES, { offset: 0, lengthBytes: LINE });
    expect(runSync(device, io).error).toBe(0);
    fast.completeAll();
    await turn();
    expect(device.cacheStatistics().usedBytes).toBe(0);
    // Not so for what somebody waits for.
    const writing = run(device, writeLine(3, 3));
    await turn();
    expect(runSync(device, writeLine(3, 4)).error).toBe(EBUSY);
    fast.completeAll();
    expect((await writing).error).toBe(0);
    await pumped(fast, device.close());
  });

  it('does not keep what a synchronous read has got of lines that were being written, also if that is over', async () => {
    const below = openManual(SIZE_BYTES);
    const options: CacheOptions = { ...shape, mode: 'write-through', cacheDevice: openMem(FAST_BYTES), create: true };
    const device = await openCache(below, options);
    const writing = run(device, writeRequest(100, new Uint8Array(50).fill(7)));
    await turn();
    const { strategySync } = below;
    // As a device does that waits meanwhile.
    below.strategySync = (io) => {
      strategySync.call(below, io);
      below.completeAll();
    };
    const io = readRequest(0, LINE);
    expect(runSync(device, io).error).toBe(0);
    below.strategySync = strategySync;
    expect((await writing).error).toBe(0);
    expect(await pumped(below, byteAt(device, 100))).toBe(7);
    await pumped(below, device.close());
  });

  it('lets only so many reads go whose lines are still to be put on the cache device', async () => {
    const fast = openManual(LINES_AT + 128 * LINE);
    const options: CacheOptions = { ...shape, cacheDevice: fast, create: true, readAheadBytes: 4 * LINE };
    const device = await pumped(fast, openCache(openMem(SIZE_BYTES), options));
    let done = 0;
    const read = (index: number): Promise<void> =>
      run(device, readRequest(index * LINE, LINE)).then(({ error }) => {
        expect(error).toBe(0);
        done += 1;
      });
    // The last of them are sequential, and read ahead of besides.
    const indexes = [...Array.from({ length: 62 }, (_, at) => 2 * at), 200, 201, 202, 230, 240, 250];
    const reads = indexes.map(read);
    await turn();
    expect(done).toBe(64);
    await pumped(fast, Promise.all(reads));
    expect(done).toBe(indexes.length);
    await pumped(fast, device.close());
  });

  it('ends a write, or a flush, that waits when it is aborted', async () => {
    const [below, fast] = [openManual(SIZE_BYTES), openManual(FAST_BYTES)];
    const device = await pumped(fast, openCache(below, { ...shape, cacheDevice: fast, create: true, dirtyMaxBytes: LINE }));
    await pumped(fast, run(device, writeLine(0, 1)));
    const io = writeLine(5, 2);
    const waiting = run(device, io);
    await turn();
    expect(device.cacheStatistics().waits).toBe(1);
    expect(device.abort(io)).toBe('cancelled');
    expect((await waiting).error).toBe(ECANCELED);
    const first = run(device, flushRequest());
    const last = flushRequest();
    const second = run(device, last);
    expect(device.abort(last)).toBe('cancelled');
    expect((await second).error).toBe(ECANCELED);
    expect((await pumped([fast, below], first)).error).toBe(0);
    await pumped([fast, below], device.close());
    expect(below.contents[0]).toBe(1);
  });
});

describe('a cache whose device fails', () => {
  it('reads from below what is clean, and never what is dirty', async () => {
    const { below, belowMem, device, fast } = await openRig();
    expect((await run(belowMem, writeRequest(0, line(5, 4)))).error).toBe(0);
    for (const index of [0, 1]) expect(await byteAt(device, index * LINE)).toBe(5);
    await run(device, writeLine(1, 6));
    fast.addFault(fails(BLOCK_READ, 3));
    // The first is read below, the second is nowhere else.
    expect(await run(device, readRequest(0, 2 * LINE))).toEqual({ error: EIO, transferredBytes: LINE });
    expect((await run(device, readRequest(LINE, LINE))).error).toBe(EIO);
    expect(await byteAt(device, LINE)).toBe(6);
    expect(await byteAt(device, 0)).toBe(5);
    expect(below.seen).toBeGreaterThan(0);
    await device.close();
    expect(await byteAt(belowMem, LINE)).toBe(6);
  });

  it('says by every flush that what is dirty cannot be read to be written back, and does not call it written', async () => {
    const { belowMem, device, fast, time } = await openRig({ writeBackDelayMs: 100 });
    for (const index of [1, 2, 3]) await run(device, writeLine(index, index));
    fast.addFault({ ...fails(BLOCK_READ, forEver), fromOffset: LINES_AT + LINE, beforeOffset: LINES_AT + 2 * LINE });
    time.advance(100);
    await turn();
    expect((await run(device, flushRequest())).error).toBe(EIO);
    // By themselves, the others can be.
    time.advance(100);
    await turn();
    expect([await byteAt(belowMem, LINE), await byteAt(belowMem, 2 * LINE), await byteAt(belowMem, 3 * LINE)]).toEqual([1, 0, 3]);
    expect(device.cacheStatistics().dirtyBytes).toBe(LINE);
    expect((await run(device, flushRequest())).error).toBe(EIO);
    // A write of all of the line makes that good.
    expect((await run(device, writeLine(2, 8))).error).toBe(0);
    expect(await byteAt(device, 2 * LINE)).toBe(8);
    await device.close();
    expect(await byteAt(belowMem, 2 * LINE)).toBe(8);
  });

  it('writes below what the cache device does not take, and brings everything there', async () => {
    const rig = await openRig();
    const { belowMem, device, fast } = rig;
    await run(device, writeLine(0, 1));
    await run(device, writeLine(9, 1));
    expect((await run(device, flushRequest())).error).toBe(0);
    await run(device, readRequest(4 * LINE, LINE));
    fast.addFault({ ...fails(BLOCK_WRITE, forEver), fromOffset: LINES_AT });
    // New, clean, and a part of a dirty line that a stable map names.
    expect((await run(device, writeLine(2, 2))).error).toBe(0);
    expect((await run(device, writeLine(4, 4))).error).toBe(0);
    expect((await run(device, writeRequest(100, new Uint8Array(50).fill(3)))).error).toBe(0);
    for (const [offset, tag] of [
      [0, 1],
      [100, 3],
      [150, 1],
      [2 * LINE, 2],
      [4 * LINE, 4],
      [9 * LINE, 1],
    ] as const) {
      expect(await byteAt(device, offset)).toBe(tag);
      expect(await byteAt(belowMem, offset)).toBe(tag);
    }
    expect(device.describe()).toMatchObject({ takesLines: false, dirtyBytes: 0, failure: 0 });
    expect((await run(device, flushRequest())).error).toBe(0);
    // Nothing older comes back.
    const again = await afterCrash(rig);
    expect([await byteAt(again, 100), await byteAt(again, 4 * LINE)]).toEqual([3, 4]);
    expect(again.cacheStatistics().dirtyBytes).toBe(0);
    await again.close();
    await device.close();
  });

  it('keeps nothing of a write that it does not take and that cannot go below either', async () => {
    const [below, fast, timers] = [openManual(SIZE_BYTES), openFault(openMem(FAST_BYTES)), new VirtualTime()];
    below.contents.fill(5);
    const options: CacheOptions = { ...shape, writeBackDelayMs: 100, timers, cacheDevice: fast, create: true };
    const device = await openCache(below, options);
    expect((await pumped(below, run(device, readRequest(0, LINE)))).error).toBe(0);
    await run(device, writeLine(1, 6));
    timers.advance(100);
    await turn();
    // The second line is on its way to the device below, so that nobody may write there; the first is clean.
    expect(below.started.map(({ operation }) => operation)).toEqual([BLOCK_WRITE]);
    fast.addFault({ operations: [BLOCK_WRITE], action: { kind: 'torn', sectors: 1, errno: EIO } });
    expect(runSync(device, writeRequest(0, line(9, 2))).error).toBe(EBUSY);
    const first = readRequest(0, LINE);
    expect(runSync(device, first).error).toBe(0);
    expect([first.buffer?.bytes[0], below.contents[0]]).toEqual([5, 5]);
    await pumped(below, device.close());
    expect([below.contents[0], below.contents[LINE + 512]]).toEqual([5, 6]);
  });

  it('does not let a line that its map still names come back over what was written and flushed since', async () => {
    const rig = await openRig();
    const { device, fast } = rig;
    await run(device, writeLine(0, 1));
    expect((await run(device, flushRequest())).error).toBe(0);
    fast.addFault(fails(BLOCK_WRITE, forEver));
    expect((await run(device, writeLine(0, 2))).error).toBe(0);
    expect(await byteAt(device, 0)).toBe(2);
    // The map cannot be written either: then what is below is not safe from it.
    expect((await run(device, flushRequest())).error).toBe(EIO);
    fast.clearFaults();
    await expect(device.close()).resolves.toBeUndefined();
  });

  it('says at its close that the map still names what has been written back', async () => {
    const { device, fast } = await openRig({ closeChildren: true });
    await run(device, writeLine(0, 1));
    expect((await run(device, flushRequest())).error).toBe(0);
    fast.addFault(fails(BLOCK_WRITE, forEver));
    await expect(device.close()).rejects.toMatchObject({ code: 'EIO', message: expect.stringContaining('still names') });
    expect(fast.closed).toBe(true);
  });

  it('does not trust what a device holds whose flush has failed', async () => {
    const { device, fast } = await openRig();
    await run(device, writeLine(0, 1));
    fast.addFault(fails(BLOCK_FLUSH));
    expect((await run(device, flushRequest())).error).toBe(EIO);
    expect((await run(device, flushRequest())).error).toBe(EIO);
    await expect(device.close()).rejects.toMatchObject({ code: 'EIO' });
  });

  it('goes on without a cache device that is taken away while nothing is dirty', async () => {
    const [below, fast] = [openMem(SIZE_BYTES), openManual(FAST_BYTES)];
    await run(below, writeLine(3, 3));
    const device = await pumped(fast, openCache(below, { ...shape, cacheDevice: fast, create: true }));
    expect(await pumped(fast, byteAt(device, 3 * LINE))).toBe(3);
    fast.remove();
    expect(await byteAt(device, 3 * LINE)).toBe(3);
    expect((await run(device, writeLine(3, 4))).error).toBe(0);
    expect(await byteAt(below, 3 * LINE)).toBe(4);
    expect((await run(device, flushRequest())).error).toBe(0);
    expect(await byteAt(device, 3 * LINE)).toBe(4);
    await device.close();
  });

  it('tells by flushes and its close that what was dirty is gone with the cache device', async () => {
    const [below, fast] = [openMem(SIZE_BYTES), openManual(FAST_BYTES)];
    const device = await pumped(fast, openCache(below, { ...shape, cacheDevice: fast, create: true }));
    await pumped(fast, run(device, writeLine(3, 3)));
    fast.remove();
    expect((await run(device, flushRequest())).error).toBe(ENODEV);
    // Not what is below.
    expect((await run(device, readRequest(3 * LINE, LINE))).error).toBe(ENODEV);
    expect((await run(device, writeLine(5, 5))).error).toBe(0);
    expect(await byteAt(below, 5 * LINE)).toBe(5);
    await expect(device.close()).rejects.toMatchObject({ code: 'ENODEV', message: expect.stringContaining('4096 bytes') });
  });

  it('tells that it cannot take back what the map of a cache device that was taken away names', async () => {
    const [below, fast, timers] = [openMem(SIZE_BYTES), openManual(FAST_BYTES), new VirtualTime()];
    const options: CacheOptions = { ...shape, writeBackDelayMs: 100, timers, cacheDevice: fast, create: true };
    const device = await pumped(fast, openCache(below, options));
    await pumped(fast, run(device, writeLine(3, 3)));
    expect((await pumped(fast, run(device, flushRequest()))).error).toBe(0);
    timers.advance(100);
    for (let turns = 0; device.cacheStatistics().dirtyBytes > 0; turns++) {
      expect(turns).toBeLessThan(100);
      fast.completeAll();
      await turn();
    }
    fast.remove();
    // It is there, and may be written to.
    expect(await byteAt(device, 3 * LINE)).toBe(3);
    expect((await run(device, writeLine(3, 4))).error).toBe(0);
    expect((await run(device, flushRequest())).error).toBe(ENODEV);
    await expect(device.close()).rejects.toMatchObject({ code: 'ENODEV', message: expect.stringContaining('still names') });
    expect(await byteAt(below, 3 * LINE)).toBe(4);
  });

  it('keeps what could not be written back below, says so by each flush, and tries it again', async () => {
    const { below, belowMem, device, time } = await openRig({ writeBackDelayMs: 100 });
    await run(device, writeLine(0, 7));
    below.addFault(fails(BLOCK_WRITE));
    time.advance(100);
    await turn();
    expect((await run(device, flushRequest())).error).toBe(EIO);
    expect([await byteAt(device, 0), await byteAt(belowMem, 0)]).toEqual([7, 0]);
    expect((await run(device, writeLine(1, 8))).error).toBe(0);
    expect(await byteAt(belowMem, LINE)).toBe(8);
    time.advance(100);
    await turn();
    expect(await byteAt(belowMem, 0)).toBe(7);
    expect((await run(device, flushRequest())).error).toBe(EIO);
    await device.close();
  });
});

describe('a cache device that is opened', () => {
  it('has what was found on it written back first where nothing is to be dirty', async () => {
    const rig = await openRig();
    await run(rig.device, writeLine(3, 3));
    await run(rig.device, flushRequest());
    const below = copyOf(rig.belowMem);
    const again = await openCache(below, { ...shape, mode: 'write-through', cacheDevice: copyOf(rig.fastMem) });
    expect(again.cacheStatistics().dirtyBytes).toBe(0);
    expect(await byteAt(below, 3 * LINE)).toBe(3);
    expect((await run(again, request(BLOCK_WRITE_ZEROES, { offset: 3 * LINE, lengthBytes: LINE }))).error).toBe(0);
    expect(await byteAt(again, 3 * LINE)).toBe(0);
    await again.close();
    // What cannot be written below is not to be passed over.
    const readOnly = openMem(SIZE_BYTES, { readOnly: true });
    const found = { ...shape, cacheDevice: copyOf(rig.fastMem) };
    await expect(openCache(readOnly, found)).rejects.toMatchObject({
      code: 'EROFS',
      message: expect.stringContaining('4096 bytes'),
    });
    const fault = openFault(openMem(SIZE_BYTES), { rules: [fails(BLOCK_WRITE, forEver)] });
    await expect(openCache(fault, { ...found, mode: 'write-through' })).rejects.toMatchObject({ code: 'EIO' });
    await rig.device.close();
  });

  it('is refused if it is none, another device’s, a log, of another shape, too small, damaged, or there already', async () => {
    const [below, fast] = [openMem(SIZE_BYTES), openMem(FAST_BYTES)];
    const named: CacheOptions = { ...shape, cacheDevice: fast, deviceName: 'disk one', closeChildren: false };
    const refused = async (device: BlockDevice, options: CacheOptions, code: string, message: string | RegExp) => {
      const expected = typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message);
      await expect(openCache(device, options)).rejects.toMatchObject({ code, message: expected });
    };
    await refused(below, named, 'EINVAL', 'create: true makes one');
    await (await openCache(below, { ...named, create: true })).close();
    await refused(below, { ...named, create: true }, 'EEXIST', 'the cache device of disk one');
    await refused(below, { ...named, deviceName: 'disk two' }, 'EINVAL', /disk one.*disk two/);
    await refused(openMem(2 * SIZE_BYTES), named, 'EINVAL', `${SIZE_BYTES} bytes`);
    await refused(below, { ...named, lineBytes: 8192 }, 'EINVAL', 'say lineBytes: 4096');
    await refused(below, { ...named, cacheBytes: 8 * LINE }, 'EINVAL', `say cacheBytes: ${16 * LINE}`);
    const asLog: CacheOptions = { deviceName: 'disk one', log: fast, closeChildren: false };
    await refused(below, asLog, 'EINVAL', 'name it as cacheDevice');
    const log = openMem(SIZE_BYTES);
    const logged: CacheOptions = { cacheBytes: 8 * LINE, log, deviceName: 'disk one', closeChildren: false };
    await (await openCache(below, { ...logged, create: true })).close();
    await refused(below, { ...named, cacheDevice: log }, 'EINVAL', 'name it as log');
    const fresh = (sizeBytes: number): CacheOptions => ({ ...named, cacheDevice: openMem(sizeBytes), create: true });
    await refused(below, fresh(LINES_AT), 'EINVAL', `${LINES_AT + LINE} are needed`);
    await refused(below, { ...fresh(FAST_BYTES), cacheBytes: 17 * LINE }, 'EINVAL', `a cacheBytes of ${16 * LINE}`);
    await refused(below, { ...named, log }, 'ERR_INVALID_ARG_VALUE', 'log');
    await refused(below, { ...named, cacheDevice: below }, 'ERR_INVALID_ARG_VALUE', 'twice');
    const readOnly = openMem(FAST_BYTES, { readOnly: true });
    await refused(below, { ...named, cacheDevice: readOnly }, 'ERR_INVALID_ARG_VALUE', 'cacheDevice');
    await run(fast, writeRequest(LINE + 20, new Uint8Array(1).fill(1)));
    await refused(below, named, 'EIO', 'damaged');
    // Nothing of all that has kept one of the devices.
    await run(fast, request(BLOCK_WRITE_ZEROES, { offset: LINE, lengthBytes: LINE }));
    const device = await openCache(below, named);
    // As long as it is open, nobody else writes to them.
    await expect(openCache(openMem(SIZE_BYTES), named)).rejects.toMatchObject({ code: 'EBUSY' });
    await device.close();
  });

  it('is not made, or written back, by an opening that fails for its options', async () => {
    const [below, fast, timers] = [openMem(SIZE_BYTES), openMem(FAST_BYTES), new VirtualTime()];
    const options: CacheOptions = { ...shape, timers, writeBackDelayMs: 100, cacheDevice: fast };
    const wrong = { ...options, create: true, dirtyMaxBytes: FAST_BYTES };
    await expect(openCache(below, wrong)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    // What is not a multiple of a line is as good as what is.
    const device = await openCache(below, { ...options, create: true, cacheBytes: 8 * LINE + 100 });
    await run(device, writeLine(3, 3));
    await run(device, flushRequest());
    const found: CacheOptions = { ...options, cacheBytes: 8 * LINE + 100, cacheDevice: copyOf(fast) };
    const other = openMem(SIZE_BYTES);
    await expect(openCache(other, { ...found, piecesMax: 0 })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    timers.advance(1000);
    await turn();
    expect(await byteAt(other, 3 * LINE)).toBe(0);
    const again = await openCache(other, found);
    timers.advance(1000);
    await turn();
    expect(await byteAt(other, 3 * LINE)).toBe(3);
    await again.close();
    await device.close();
  });

  it('has as many lines as fit on it, and says how it is opened again', async () => {
    const device = await openDevice({
      driver: 'cache',
      device: { driver: 'mem', sizeBytes: SIZE_BYTES },
      cacheDevice: { driver: 'mem', sizeBytes: 2 ** 22 },
      create: true,
      lineBytes: 8192,
    });
    expect(device.config()).toMatchObject({
      driver: 'cache',
      cacheBytes: 2 ** 22 - LINES_AT,
      lineBytes: 8192,
      cacheDevice: { driver: 'mem' },
    });
    expect((await run(device, writeLine(0, 1))).error).toBe(0);
    await device.close();
  });
});

async function pumped<T>(media: Pumped | readonly Pumped[], promise: Promise<T>): Promise<T> {
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  promise.then(end, end);
  for (let turns = 0; !ended; turns++) {
    if (turns > 1000) throw new Error('no progress');
    for (const medium of [media].flat() as Pumped[]) medium.completeAll();
    await turn();
  }
  return promise;
}

interface Pumped {
  completeAll(): number;
}
