import { constants } from 'node:os';
import { BLOCK_FLUSH, BLOCK_WRITE, type BlockDevice, type CacheDevice, type CacheOptions, openCache } from '@biodone/blockdev';
import { flushRequest, type ManualDevice, openManual, readRequest, run, turn, VirtualTime, writeRequest } from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { memoryWith } from './support/contents.js';
import { pump } from './support/steps.js';

const { ECANCELED } = constants.errno;
const LINE = 4096;
const SIZE_BYTES = 2 ** 18;
/** Behind its label, the log has its map, of less than a page here, and then lines. */
const LINES_AT = 65_536;
const DELAY_MS = 1000;

interface Rig {
  readonly below: ManualDevice;
  readonly log: ManualDevice;
  readonly time: VirtualTime;
  readonly device: CacheDevice;
}

/** A cache with a log over devices whose requests end when the test says so, on a clock that stands. */
async function openRig(options: CacheOptions = {}): Promise<Rig> {
  const below = openManual(SIZE_BYTES);
  const log = openManual(SIZE_BYTES, { abortable: true });
  const time = new VirtualTime();
  const opening = openCache(below, {
    cacheBytes: 16 * LINE,
    readAheadBytes: 0,
    writeBackDelayMs: DELAY_MS,
    timers: time,
    ...options,
    deviceName: 'it',
    log,
    create: true,
  });
  const device = await pump([log], opening);
  return { below, log, time, device };
}

const tagged = (line: number, tag: number) => writeRequest(line * LINE, new Uint8Array(LINE).fill(tag));

async function put(device: BlockDevice, line: number, tag: number): Promise<void> {
  expect((await run(device, tagged(line, tag))).error).toBe(0);
}

async function flush({ device, log }: Rig): Promise<void> {
  expect((await pump([log], run(device, flushRequest()))).error).toBe(0);
}

/** Lets what is dirty be written back. */
async function writeBack({ below, device, time }: Rig): Promise<void> {
  time.advance(DELAY_MS);
  while (below.completeAll() > 0) await turn();
  expect(device.cacheStatistics().dirtyBytes).toBe(0);
}

/** What a line holds when the process has crashed at this moment. */
async function afterCrash({ below, log }: Rig, line: number): Promise<number | undefined> {
  const copies = [below, log].map(({ contents }) => memoryWith(contents));
  const again = await openCache(copies[0] as BlockDevice, {
    cacheBytes: 16 * LINE,
    dirtyMaxBytes: LINE,
    deviceName: 'it',
    log: copies[1] as BlockDevice,
  });
  const io = readRequest(line * LINE, LINE);
  expect((await run(again, io)).error).toBe(0);
  await again.close();
  return io.buffer?.bytes[0];
}

describe('the log of a cache', () => {
  it('does not bring back what was flushed, written back since in a newer version, and then is being written again', async () => {
    const rig = await openRig();
    const { below, device, log } = rig;
    await put(device, 0, 1);
    await flush(rig);
    await put(device, 0, 2);
    await writeBack(rig);
    expect(below.contents[0]).toBe(2);
    // A flush that is about another line, and while that is on its way, the first one changes once more.
    await put(device, 5, 9);
    const second = run(device, flushRequest());
    expect(log.started.map(({ operation }) => operation)).toEqual([BLOCK_WRITE]);
    await put(device, 0, 3);
    expect((await pump([log, below], second)).error).toBe(0);
    expect([2, 3]).toContain(await afterCrash(rig, 0));
    await pump([log, below], device.close());
  });

  it('keeps what was flushed while an older version of it is being written back', async () => {
    const rig = await openRig();
    const { below, device, log, time } = rig;
    await put(device, 0, 1);
    time.advance(DELAY_MS);
    expect(below.started).toHaveLength(1);
    await put(device, 0, 2);
    await flush(rig);
    // The older version arrives below, and what is in the cache is another one again.
    await put(device, 5, 9);
    const second = run(device, flushRequest());
    await put(device, 0, 3);
    below.complete();
    expect((await pump([log, below], second)).error).toBe(0);
    expect([2, 3]).toContain(await afterCrash(rig, 0));
    await pump([log, below], device.close());
  });

  it('has the lines of a flush that was cancelled made stable before its map names them', async () => {
    const rig = await openRig();
    const { below, device, log } = rig;
    await put(device, 0, 1);
    const io = flushRequest();
    const first = run(device, io);
    log.complete();
    await turn();
    expect(log.started.map(({ operation }) => operation)).toEqual([BLOCK_FLUSH]);
    device.abort(io);
    expect((await first).error).toBe(ECANCELED);
    const second = run(device, flushRequest());
    const order: string[] = [];
    while (log.started.length + below.started.length > 0) {
      for (const { offset, operation } of log.started)
        order.push(operation === BLOCK_FLUSH ? 'flush' : offset < LINES_AT ? 'map' : 'line');
      log.completeAll();
      below.completeAll();
      await turn();
    }
    expect((await second).error).toBe(0);
    expect(order).toEqual(['line', 'flush', 'map', 'flush']);
    await pump([log, below], device.close());
  });

  it('that is full is made room in although what was to be logged has been written back meanwhile', async () => {
    const rig = await openRig({ dirtyMaxBytes: 2 * LINE });
    const { below, device, log } = rig;
    // Four lines fill it: three that have been written back, and one that is on its way.
    for (const line of [0, 2, 4]) {
      await put(device, line, 1);
      await flush(rig);
      await writeBack(rig);
    }
    await put(device, 6, 1);
    await flush(rig);
    await put(device, 8, 1);
    expect(below.started.map(({ offset }) => offset)).toEqual([6 * LINE, 8 * LINE]);
    const last = run(device, flushRequest());
    below.complete(below.started.find(({ offset }) => offset === 8 * LINE));
    const only = (operation: number) => below.started.find((io) => io.operation === operation);
    let ended = false;
    void last.then(() => {
      ended = true;
    });
    for (let turns = 0; !ended && turns < 100; turns++) {
      const io = only(BLOCK_FLUSH);
      if (io !== undefined) below.complete(io);
      log.completeAll();
      await turn();
    }
    expect((await last).error).toBe(0);
    expect(await afterCrash(rig, 8)).toBe(1);
    expect(await afterCrash(rig, 6)).toBe(1);
    await pump([log, below], device.close());
  });
});
