import { constants } from 'node:os';
import {
  BLOCK_FLUSH,
  BLOCK_WRITE,
  type BlockIo,
  type CacheDevice,
  type CacheOptions,
  openCache,
  openMem,
} from '@biodone/blockdev';
import { flushRequest, type ManualDevice, openManual, readRequest, run, turn, VirtualTime, writeRequest } from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { bytesOf } from './support/contents.js';

const { ECANCELED } = constants.errno;
const LINE = 4096;
const SIZE_BYTES = 64 * LINE;
/** Behind its label, a cache device has its map, of a page here, and then lines. */
const LABEL_BYTES = 4096;
const MAP_BYTES = 4096;
const LINES_AT = 65_536;
const NEVER_MS = 3_600_000;

const lines = (first: number, count: number, tag: number) => writeRequest(first * LINE, new Uint8Array(count * LINE).fill(tag));

/** Completes what devices have been given, but for what is held, until there is nothing left of it. */
async function pump(devices: readonly ManualDevice[], isHeld: (io: BlockIo) => boolean = () => false): Promise<void> {
  for (let idle = 0; idle < 5; idle++) {
    for (const device of devices) {
      for (const io of [...device.started]) {
        if (isHeld(io) || !device.started.includes(io)) continue;
        device.complete(io);
        idle = 0;
      }
    }
    await turn();
  }
}

async function pumped<T>(
  devices: readonly ManualDevice[],
  promise: Promise<T>,
  isHeld: (io: BlockIo) => boolean = () => false,
): Promise<T> {
  let isSettled = false;
  const settled = (): void => {
    isSettled = true;
  };
  promise.then(settled, settled);
  for (let turns = 0; !isSettled && turns < 100; turns++) await pump(devices, isHeld);
  return promise;
}

interface Rig {
  readonly device: CacheDevice;
  readonly below: ManualDevice;
  readonly time: VirtualTime;
}

async function openRig(options: CacheOptions): Promise<Rig> {
  const [below, time] = [openManual(SIZE_BYTES), new VirtualTime()];
  const opening = openCache(below, { readAheadBytes: 0, writeBackDelayMs: NEVER_MS, timers: time, ...options });
  return { device: await pumped([below], opening), below, time };
}

describe.each<[string, () => CacheOptions]>([
  ['in memory', () => ({ cacheBytes: 32 * LINE })],
  ['on a device', () => ({ cacheDevice: openMem(LINES_AT + 32 * LINE), create: true })],
])('what is dirty of a cache %s', (_name, where) => {
  /** What is written, all at once, before the device below has taken anything. */
  const workloads: [string, (device: CacheDevice) => BlockIo[]][] = [
    ['by many writes of a line', () => Array.from({ length: 12 }, (_, at) => lines(2 * at, 1, at + 1))],
    ['by one write of many new lines', () => [lines(0, 12, 7)]],
    ['by one write over many lines that are clean', () => [lines(40, 12, 8)]],
    ['by many writes over lines that are clean', () => Array.from({ length: 12 }, (_, at) => lines(40 + at, 1, at + 1))],
    ['by many writes of parts of lines that are clean', () => Array.from({ length: 12 }, (_, at) => part(40 + at, at + 1))],
    ['by many writes of parts of new lines', () => Array.from({ length: 12 }, (_, at) => part(2 * at, at + 1))],
  ];
  const part = (line: number, tag: number) => writeRequest(line * LINE + 512, new Uint8Array(512).fill(tag));

  it.each(workloads)('is never more than is allowed: %s', async (_workload, requests) => {
    const { device, below } = await openRig({ ...where(), dirtyMaxBytes: 4 * LINE });
    expect((await pumped([below], run(device, readRequest(40 * LINE, 12 * LINE)))).error).toBe(0);
    const ios = requests(device);
    let left = ios.length;
    const writes = ios.map(async (io) => {
      expect((await run(device, io)).error).toBe(0);
      left -= 1;
    });
    let most = 0;
    for (let turns = 0; turns < 200 && left > 0; turns++) {
      // Reads of the rest of lines do not have to wait.
      await pump([below], ({ operation }) => operation === BLOCK_WRITE);
      const { dirtyBytes } = device.cacheStatistics();
      most = Math.max(most, dirtyBytes);
      expect(dirtyBytes).toBeLessThanOrEqual(4 * LINE);
      // As long as nothing is written back, nobody goes on who has found no room.
      if (turns === 0) expect(left).toBeGreaterThan(0);
      const oldest = below.started[0];
      if (oldest === undefined) break;
      below.complete(oldest);
      await turn();
    }
    await pumped([below], Promise.all(writes));
    expect(most).toBe(4 * LINE);
    expect(device.cacheStatistics().waits).toBeGreaterThan(0);
    await pumped([below], device.close());
    for (const { offset, lengthBytes, buffer } of ios) {
      const written = (buffer?.bytes ?? new Uint8Array()).subarray(0, lengthBytes);
      expect(Buffer.compare(below.contents.subarray(offset, offset + lengthBytes), written)).toBe(0);
    }
  });
});

describe('a slot that the map of a cache device names', () => {
  const isFlush = ({ operation }: BlockIo): boolean => operation === BLOCK_FLUSH;
  const shape = { deviceName: 'it', dirtyMaxBytes: 4 * LINE };

  /** A cache of four lines, which its map names, and which have been written back; the device below has not been flushed since. */
  async function openFull() {
    const fast = openManual(LINES_AT + 4 * LINE);
    const [below, time] = [openManual(SIZE_BYTES), new VirtualTime()];
    const options = { ...shape, timers: time, readAheadBytes: 0, writeBackDelayMs: 100, cacheDevice: fast, create: true };
    const device = await pumped([below, fast], openCache(below, options));
    const both = [below, fast];
    // Before any of them has been written back, they are flushed.
    const isWriteBack = (io: BlockIo): boolean => io.operation === BLOCK_WRITE && below.started.includes(io);
    expect((await pumped(both, run(device, lines(0, 4, 1)), isWriteBack)).error).toBe(0);
    expect((await pumped(both, run(device, flushRequest()), isWriteBack)).error).toBe(0);
    const stable = Uint8Array.from(fast.contents);
    time.advance(200);
    // The flush of the device below begins, and does not end.
    await pump(both, isFlush);
    expect(device.describe()).toMatchObject({ dirtyBytes: 0, namedBytes: 4 * LINE });
    expect(below.started.filter(isFlush)).toHaveLength(1);
    return { device, below, fast, both, stable, time };
  }

  /** The power fails: nothing of what was written below since is there; of the cache device what is given. */
  async function tagsAfterCut(fast: Uint8Array): Promise<Set<number>> {
    const found = openMem(fast.length);
    expect((await run(found, writeRequest(0, fast))).error).toBe(0);
    const again = await openCache(openMem(SIZE_BYTES), { ...shape, cacheDevice: found });
    const tags = new Set(bytesOf(again).subarray(0, 4 * LINE));
    await again.close();
    return tags;
  }

  it('is not used for another line before the device below has its own stably', async () => {
    const { device, below, fast, both } = await openFull();
    const writes = Array.from({ length: 6 }, (_, at) => run(device, lines(10 + 2 * at, 1, 2)));
    await pump(both, isFlush);
    expect(await tagsAfterCut(fast.contents)).toEqual(new Set([1]));
    for (const { error } of await pumped(both, Promise.all(writes))) expect(error).toBe(0);
    // They have gone to the device below, and now there is room.
    expect(device.cacheStatistics().writesThrough + device.cacheStatistics().writesBack).toBeGreaterThanOrEqual(6);
    await pumped(both, device.close());
    for (let at = 0; at < 6; at++) expect(below.contents[(10 + 2 * at) * LINE]).toBe(2);
  });

  it('is not used for another line before the map without its own is stable', async () => {
    const { device, fast, both, stable, below } = await openFull();
    below.complete(below.started.find(isFlush));
    // The map is written, and not flushed.
    await pump(both, isFlush);
    expect(fast.started.filter(isFlush)).toHaveLength(1);
    const writes = Array.from({ length: 6 }, (_, at) => run(device, lines(10 + 2 * at, 1, 2)));
    await pump(both, isFlush);
    // Of what was not stable, the cache device has written lines, and not the map; of the one below nothing but what was flushed.
    const cut = Uint8Array.from(fast.contents);
    cut.set(stable.subarray(LABEL_BYTES, LABEL_BYTES + MAP_BYTES), LABEL_BYTES);
    expect(await tagsAfterCut(cut)).toEqual(new Set([1]));
    for (const { error } of await pumped(both, Promise.all(writes))) expect(error).toBe(0);
    await pumped(both, device.close());
  });

  it('is used again although the flush that was to let it go was cancelled', async () => {
    const { device, below, both, time } = await openFull();
    below.complete(below.started.find(isFlush), ECANCELED);
    await pump(both);
    // Who finds no slot goes below, and asks for them once more.
    expect((await pumped(both, run(device, lines(10, 1, 2)))).error).toBe(0);
    expect(below.contents[10 * LINE]).toBe(2);
    await pump(both);
    expect(device.describe()).toMatchObject({ namedBytes: 0 });
    expect((await pumped(both, run(device, lines(11, 1, 3)))).error).toBe(0);
    expect(device.cacheStatistics()).toMatchObject({ dirtyBytes: LINE });
    expect(below.contents[11 * LINE]).toBe(0);
    time.advance(200);
    await pumped(both, device.close());
    expect(below.contents[11 * LINE]).toBe(3);
  });
});
