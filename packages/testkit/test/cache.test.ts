import { constants } from 'node:os';
import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type CacheDevice,
  type CacheOptions,
  EXTENT_DATA,
  ExtentList,
  openCache,
  openMem,
} from '@biodone/blockdev';
import {
  flushRequest,
  type ManualDevice,
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

const { EBUSY, ECANCELED, EIO, ENOTSUP } = constants.errno;
const LINE = 4096;
const SIZE_BYTES = 2 ** 20;
const NEVER_MS = 3_600_000;

const line = (tag: number, lines = 1): Uint8Array => new Uint8Array(lines * LINE).fill(tag);
const writeLine = (index: number, tag: number, flags = 0) => writeRequest(index * LINE, line(tag), flags);

async function byteAt(device: BlockDevice, offset: number): Promise<number | undefined> {
  const io = readRequest(offset, 1);
  expect((await run(device, io)).error).toBe(0);
  return io.buffer?.bytes[0];
}

/** A cache over a device whose requests end when the test says so, on a clock that stands. */
async function onManual(options: CacheOptions = {}): Promise<{ below: ManualDevice; device: CacheDevice; time: VirtualTime }> {
  const below = openManual(SIZE_BYTES);
  const time = new VirtualTime();
  const device = await openCache(below, { cacheBytes: 32 * LINE, readAheadBytes: 0, timers: time, ...options });
  return { below, device, time };
}

async function completeAll(below: ManualDevice): Promise<void> {
  for (let turns = 0; turns < 20; turns++) {
    below.completeAll();
    await turn();
  }
}

/** Closes it while what it still writes is completed. */
async function close(device: BlockDevice, below: ManualDevice): Promise<void> {
  const closed = device.close();
  for (let turns = 0; turns < 20; turns++) {
    if (below.started.length > 0) below.completeAll();
    await turn();
  }
  await closed;
}

describe('a write-back cache', () => {
  it('is done with a write when it has it, and writes it back after a while, neighbours in one', async () => {
    const { below, device, time } = await onManual({ writeBackDelayMs: 500 });
    for (const index of [3, 1, 2, 9]) expect((await run(device, writeLine(index, index))).error).toBe(0);
    expect(below.started).toEqual([]);
    expect(device.cacheStatistics()).toMatchObject({ dirtyBytes: 4 * LINE, writesBack: 4 });
    time.advance(499);
    expect(below.started).toEqual([]);
    time.advance(1);
    expect(below.started.map(({ operation, offset, lengthBytes }) => [operation, offset, lengthBytes])).toEqual([
      [BLOCK_WRITE, LINE, 3 * LINE],
      [BLOCK_WRITE, 9 * LINE, LINE],
    ]);
    await completeAll(below);
    expect([1, 2, 3, 9].map((index) => below.contents[index * LINE])).toEqual([1, 2, 3, 9]);
    expect(device.cacheStatistics()).toMatchObject({ dirtyBytes: 0, writeBacks: 2, writtenBackBytes: 4 * LINE });
    await close(device, below);
  });

  it('lets writers wait while too much is dirty, and goes on as soon as there is room', async () => {
    const { below, device } = await onManual({ dirtyMaxBytes: 4 * LINE, writeBackDelayMs: NEVER_MS });
    let done = 0;
    const writes = Array.from({ length: 12 }, (_, index) => run(device, writeLine(2 * index, index + 1)).then(() => done++));
    await turn();
    expect(done).toBe(4);
    expect(device.cacheStatistics().waits).toBe(8);
    while (done < 12) {
      expect(device.cacheStatistics().dirtyBytes).toBeLessThanOrEqual(4 * LINE);
      expect(below.started.length).toBeGreaterThan(0);
      below.complete();
      await turn();
    }
    await Promise.all(writes);
    for (let index = 0; index < 12; index++) expect(await byteAt(device, 2 * index * LINE)).toBe(index + 1);
    await close(device, below);
  });

  it('ends a write that waits for room when it is aborted', async () => {
    const { below, device } = await onManual({ dirtyMaxBytes: LINE, writeBackDelayMs: NEVER_MS });
    await run(device, writeLine(0, 1));
    const io = writeLine(5, 2);
    const waiting = run(device, io);
    expect(device.abort(io)).toBe('cancelled');
    expect((await waiting).error).toBe(ECANCELED);
    await close(device, below);
  });

  it('keeps what is written to a line while that is being written back, which sees nothing of it', async () => {
    const { below, device } = await onManual({ writeBackDelayMs: NEVER_MS });
    await run(device, writeLine(0, 1));
    const flushed = run(device, flushRequest());
    expect(below.started.length).toBe(1);
    expect((await run(device, writeLine(0, 2))).error).toBe(0);
    below.complete();
    await turn();
    expect(below.contents[0]).toBe(1);
    // The flush is not about what came later.
    expect(device.cacheStatistics().dirtyBytes).toBe(LINE);
    below.complete();
    expect((await flushed).error).toBe(0);
    expect(await byteAt(device, 0)).toBe(2);
    await close(device, below);
    expect(below.contents[0]).toBe(2);
  });

  it('makes stable what has BLOCK_FUA before that is done, behind what is on its way', async () => {
    const { below, device } = await onManual({ writeBackDelayMs: NEVER_MS });
    await run(device, writeLine(0, 1));
    const flushed = run(device, flushRequest());
    const stable = run(device, writeLine(0, 2, BLOCK_FUA));
    await turn();
    expect(below.started.map(({ flags }) => flags)).toEqual([0]);
    below.complete();
    await turn();
    await completeAll(below);
    expect([(await flushed).error, (await stable).error, below.contents[0]]).toEqual([0, 0, 2]);
    expect(device.cacheStatistics().dirtyBytes).toBe(0);
    await close(device, below);
  });

  it('says by every flush that something could not be written back, keeps it, and tries it again', async () => {
    const below = openMem(SIZE_BYTES);
    const fault = openFault(below);
    const time = new VirtualTime();
    const device = await openCache(fault, { cacheBytes: 8 * LINE, writeBackDelayMs: 100, timers: time });
    await run(device, writeLine(0, 7));
    fault.addFault({ operations: [BLOCK_WRITE], action: { kind: 'error', errno: EIO }, times: 1 });
    time.advance(100);
    expect((await run(device, flushRequest())).error).toBe(EIO);
    expect((await run(device, flushRequest())).error).toBe(EIO);
    expect(await byteAt(device, 0)).toBe(7);
    expect(await byteAt(below, 0)).toBe(0);
    // Nothing new is taken in that might not get out again.
    expect((await run(device, writeLine(1, 8))).error).toBe(0);
    expect(await byteAt(below, LINE)).toBe(8);
    time.advance(100);
    await turn();
    expect(await byteAt(below, 0)).toBe(7);
    expect((await run(device, flushRequest())).error).toBe(EIO);
    await device.close();
  });

  it('says at its close that something is not on the device', async () => {
    const fault = openFault(openMem(SIZE_BYTES));
    const device = await openCache(fault, { cacheBytes: 8 * LINE });
    await run(device, writeLine(0, 7));
    fault.addFault({ operations: [BLOCK_WRITE], action: { kind: 'error', errno: EIO }, times: Number.POSITIVE_INFINITY });
    await expect(device.close()).rejects.toMatchObject({ code: 'EIO', message: expect.stringContaining('4096 bytes') });
    expect(fault.closed).toBe(true);
  });

  it('reads the rest of a line of which a part is written, and writes nothing if it cannot', async () => {
    const below = openMem(SIZE_BYTES);
    await run(below, writeRequest(0, line(5)));
    const fault = openFault(below);
    const device = await openCache(fault, { cacheBytes: 8 * LINE, writeBackDelayMs: NEVER_MS });
    fault.addFault({ operations: [BLOCK_READ], action: { kind: 'error', errno: EIO }, times: 1 });
    expect(await run(device, writeRequest(100, new Uint8Array(10)))).toEqual({ error: EIO, transferredBytes: 0 });
    expect(await run(device, writeRequest(100, new Uint8Array(10)))).toEqual({ error: 0, transferredBytes: 10 });
    expect([await byteAt(device, 99), await byteAt(device, 100), await byteAt(device, 110)]).toEqual([5, 0, 5]);
    await run(device, flushRequest());
    expect([await byteAt(below, 99), await byteAt(below, 100), await byteAt(below, 110)]).toEqual([5, 0, 5]);
    await device.close();
  });

  it('forgets what is zeroed or discarded, and calls data what is dirty', async () => {
    const below = openMem(SIZE_BYTES);
    const device = await openCache(below, { cacheBytes: 64 * LINE, writeBackDelayMs: NEVER_MS });
    for (let index = 0; index < 48; index++) await run(device, writeLine(index, 1));
    await run(device, request(BLOCK_WRITE_ZEROES, { offset: LINE / 2, lengthBytes: 2 * LINE }));
    await run(device, request(BLOCK_DISCARD, { offset: 4 * LINE, lengthBytes: LINE }));
    const found = [];
    for (const at of [0, 0.5, 1, 2, 2.5, 3, 4, 5]) found.push(await byteAt(device, at * LINE));
    expect(found).toEqual([1, 0, 0, 0, 1, 1, 0, 1]);
    const extents = new ExtentList();
    const io = request(BLOCK_EXTENTS, { lengthBytes: 64 * LINE, extents });
    expect(await run(device, io)).toEqual({ error: 0, transferredBytes: 64 * LINE });
    const data = Array.from({ length: extents.count }, (_, index) => index).filter(
      (index) => extents.kind(index) === EXTENT_DATA,
    );
    const isData = (at: number): boolean =>
      data.some((index) => at >= extents.offset(index) && at < extents.offset(index) + extents.lengthBytes(index));
    expect([0, 3, 47, 48, 63].map((index) => isData(index * LINE))).toEqual([true, true, true, false, false]);
    await device.close();
  });

  it('says EBUSY to who would have to wait for what is on its way', async () => {
    const { below, device } = await onManual({ writeBackDelayMs: NEVER_MS });
    await run(device, writeLine(0, 1));
    await run(device, writeLine(9, 1));
    const flushed = run(device, flushRequest());
    expect(runSync(device, flushRequest()).error).toBe(EBUSY);
    expect(runSync(device, writeLine(0, 2, BLOCK_FUA)).error).toBe(EBUSY);
    expect(runSync(device, writeLine(0, 3)).error).toBe(0);
    expect(runSync(device, writeLine(5, 3, BLOCK_FUA)).error).toBe(0);
    await completeAll(below);
    expect((await flushed).error).toBe(0);
    expect(runSync(device, flushRequest()).error).toBe(0);
    expect([below.contents[0], below.contents[5 * LINE], below.contents[9 * LINE]]).toEqual([3, 3, 1]);
    await close(device, below);
  });

  it('works for a thread that never returns to its event loop', async () => {
    const below = openMem(SIZE_BYTES);
    const device = await openCache(below, { cacheBytes: 8 * LINE, dirtyMaxBytes: 2 * LINE });
    for (let index = 0; index < 20; index++) expect(runSync(device, writeLine(index, index + 1)).error).toBe(0);
    expect(runSync(device, writeRequest(100, new Uint8Array(7).fill(99))).error).toBe(0);
    expect(device.cacheStatistics().dirtyBytes).toBeLessThanOrEqual(2 * LINE);
    expect(runSync(device, flushRequest()).error).toBe(0);
    const io = readRequest(0, 20 * LINE);
    expect(runSync(below, io).error).toBe(0);
    expect(Array.from({ length: 20 }, (_, index) => io.buffer?.bytes[index * LINE])).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    expect(io.buffer?.bytes[103]).toBe(99);
    await device.close();
  });
});

describe('a cache', () => {
  it('does not lose what is used again and again to a scan', async () => {
    const device = await openCache(openMem(SIZE_BYTES), { cacheBytes: 64 * LINE, readAheadBytes: 0 });
    const hot = Array.from({ length: 16 }, (_, index) => index * LINE);
    for (let round = 0; round < 4; round++) for (const offset of hot) await byteAt(device, offset);
    for (let index = 16; index < 256; index++) await byteAt(device, index * LINE);
    const { readHits } = device.cacheStatistics();
    for (const offset of hot) await byteAt(device, offset);
    expect(device.cacheStatistics().readHits - readHits).toBe(16);
    await device.close();
  });

  it('reads ahead of who reads sequentially, and not of who does not', async () => {
    const device = await openCache(openMem(SIZE_BYTES), { cacheBytes: 64 * LINE, readAheadBytes: 16 * LINE });
    for (const index of [7, 100, 30, 2, 200]) await byteAt(device, index * LINE);
    expect(device.cacheStatistics().readAheadBytes).toBe(0);
    for (let index = 0; index < 128; index++) await run(device, readRequest(index * LINE, LINE));
    const { readAheadBytes, readMisses } = device.cacheStatistics();
    expect(readAheadBytes).toBeGreaterThan(100 * LINE);
    expect(readMisses).toBeLessThan(10);
    await device.close();
  });

  it('reads once from below what several ask for at the same time', async () => {
    const { below, device } = await onManual();
    const reads = Array.from({ length: 5 }, (_, index) => run(device, readRequest(100 * index, 50)));
    await turn();
    expect(below.started.length).toBe(1);
    below.complete();
    for (const { error } of await Promise.all(reads)) expect(error).toBe(0);
    await close(device, below);
  });

  it('that writes through is never other than the device below', async () => {
    const below = openMem(SIZE_BYTES);
    const fault = openFault(below);
    const device = await openCache(fault, { mode: 'write-through', cacheBytes: 8 * LINE });
    expect((await run(device, writeLine(0, 3))).error).toBe(0);
    expect(await byteAt(below, 0)).toBe(3);
    // It fails in the middle: what is there then is for the device below to say.
    fault.addFault({ operations: [BLOCK_WRITE], action: { kind: 'torn', sectors: 1, errno: EIO }, times: 1 });
    expect((await run(device, writeLine(0, 4))).error).toBe(EIO);
    expect([await byteAt(device, 0), await byteAt(device, 512)]).toEqual([4, 3]);
    expect(device.cacheStatistics()).toMatchObject({ writesThrough: 2, dirtyBytes: 0 });
    await device.close();
  });

  it('is for one thread', async () => {
    const device = await openCache(openMem(SIZE_BYTES));
    expect(() => device.handle()).toThrowError(expect.objectContaining({ errno: -ENOTSUP }));
    await device.close();
  });

  it('refuses options that do not fit, by their names', async () => {
    const mem = openMem(SIZE_BYTES);
    for (const [options, name] of [
      [{ lineBytes: 3000 }, 'lineBytes'],
      [{ cacheBytes: 100 }, 'cacheBytes'],
      [{ cacheBytes: LINE, dirtyMaxBytes: 2 * LINE }, 'dirtyMaxBytes'],
      [{ writeBackDelayMs: 0 }, 'writeBackDelayMs'],
      [{ readAheadBytes: -1 }, 'readAheadBytes'],
      [{ mode: 'unsafe' }, 'mode'],
      [{ mode: 'write-through', log: openMem(SIZE_BYTES) }, 'log'],
    ] as [CacheOptions, string][]) {
      await expect(openCache(mem, options)).rejects.toMatchObject({ message: expect.stringContaining(name) });
    }
    // Nothing of all that has kept the device.
    await (await openCache(mem)).close();
  });
});

describe('a cache with a log', () => {
  const options = { cacheBytes: 16 * LINE, dirtyMaxBytes: 8 * LINE, writeBackDelayMs: NEVER_MS, closeChildren: false };

  it('is done with a flush when the log has what is dirty, and finds it there again', async () => {
    const [below, log] = [openMem(SIZE_BYTES), openMem(SIZE_BYTES)];
    const device = await openCache(below, { ...options, log, create: true });
    for (const index of [1, 2, 5]) await run(device, writeLine(index, index));
    expect((await run(device, flushRequest())).error).toBe(0);
    await run(device, writeLine(2, 99));
    expect(await byteAt(below, LINE)).toBe(0);
    expect(device.describe()).toMatchObject({ loggedBytes: 3 * LINE });
    // As after a crash: nobody closes it. Its log is copied as it is now.
    const copy = readRequest(0, SIZE_BYTES);
    runSync(log, copy);
    const found = openMem(SIZE_BYTES);
    runSync(found, writeRequest(0, copy.buffer?.bytes.subarray(0, SIZE_BYTES) ?? new Uint8Array()));
    const untouched = openMem(SIZE_BYTES);
    const time = new VirtualTime();
    const again = await openCache(untouched, { ...options, log: found, timers: time });
    expect([await byteAt(again, LINE), await byteAt(again, 2 * LINE), await byteAt(again, 5 * LINE)]).toEqual([1, 2, 5]);
    expect(await byteAt(untouched, LINE)).toBe(0);
    time.advance(NEVER_MS);
    expect([await byteAt(untouched, LINE), await byteAt(untouched, 2 * LINE)]).toEqual([1, 2]);
    await again.close();
    await device.close();
    expect(await byteAt(below, 2 * LINE)).toBe(99);
    // It is empty then.
    const empty = await openCache(openMem(SIZE_BYTES), { ...options, log });
    expect(empty.describe()).toMatchObject({ loggedBytes: 0, dirtyBytes: 0 });
    await empty.close();
  });

  it('has room for ever new lines', async () => {
    const [below, log] = [openMem(SIZE_BYTES), openMem(SIZE_BYTES)];
    const device = await openCache(below, { ...options, log, create: true });
    for (let round = 0; round < 40; round++) {
      for (let index = 0; index < 6; index++) await run(device, writeLine((round * 5 + index) % 200, round + 1));
      expect((await run(device, flushRequest())).error).toBe(0);
    }
    expect(await byteAt(device, 199 * LINE)).toBe(40);
    await device.close();
    expect(await byteAt(below, 199 * LINE)).toBe(40);
  });

  it('refuses a log that is none, one of another device, one too small, and to make one anew', async () => {
    const [below, log] = [openMem(SIZE_BYTES), openMem(SIZE_BYTES)];
    const named = { ...options, log, deviceName: 'disk one' };
    await expect(openCache(below, named)).rejects.toMatchObject({ code: 'EINVAL', message: expect.stringContaining('no log') });
    await (await openCache(below, { ...named, create: true })).close();
    await expect(openCache(below, { ...named, create: true })).rejects.toMatchObject({
      code: 'EEXIST',
      message: expect.stringContaining('disk one'),
    });
    await expect(openCache(below, { ...named, deviceName: 'disk two' })).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringMatching(/disk one.*disk two/),
    });
    await expect(openCache(openMem(2 * SIZE_BYTES), named)).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(openCache(below, { ...named, dirtyMaxBytes: 9 * LINE })).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining(`dirtyMaxBytes of ${8 * LINE}`),
    });
    const small = openMem(65_536 + 8 * LINE);
    await expect(openCache(below, { ...named, log: small, create: true })).rejects.toMatchObject({ code: 'EINVAL' });
    await run(log, writeRequest(LINE + 20, new Uint8Array(1).fill(1)));
    await expect(openCache(below, named)).rejects.toMatchObject({ code: 'EIO', message: expect.stringContaining('damaged') });
  });
});
