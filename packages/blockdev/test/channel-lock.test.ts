import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  attachDevice,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_NOWAIT,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockDevice,
  type BlockIo,
  BlockDevice as Device,
  IO_STARTED,
  openCrypt,
  openFile,
  openMem,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it, vi } from 'vitest';
import { answerOf } from './support/answer.js';
import { modes } from './support/ask.js';
import { engines } from './support/available.js';
import { bufferOf, makeIo, runSync, start } from './support/requests.js';
import { Scripted, turn } from './support/scripted-device.js';
import { temporaryFolder } from './support/temporary-folder.js';

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const { EAGAIN, EBUSY } = constants.errno;
const folder = temporaryFolder();

/** Lets threads act on a device at the same time, each by a channel. Returns what went wrong. */
async function together(device: BlockDevice, data: readonly object[]): Promise<unknown[]> {
  const url = new URL('./support/compare-worker.mjs', import.meta.url);
  const workers = data.map((each) => new Worker(url, { workerData: { handle: device.handle(), ...each } }));
  await Promise.all(workers.map((worker) => answerOf(worker)));
  const answers = workers.map((worker) => answerOf(worker));
  for (const worker of workers) worker.postMessage('go');
  return (await Promise.all(answers)).flat();
}

const TIMES = 100;

function numberAt(device: BlockDevice): number {
  const buffer = IoBuffer.allocate(512);
  expect(runSync(device, makeIo({ buffer })).error).toBe(0);
  return new DataView(buffer.bytes.buffer, buffer.bytes.byteOffset).getUint32(0);
}

function newFile(engine: (typeof engines)[number]): BlockDevice {
  const path = join(folder, `compared-${engine}-${Math.random()}`);
  writeFileSync(path, Buffer.alloc(4096));
  return openFile(path, { engine });
}

const DEVICES: [string, () => BlockDevice][] = [
  ['memory', () => openMem(4096)],
  ...engines.map((engine): [string, () => BlockDevice] => [`a file, engine ${engine}`, () => newFile(engine)]),
];

describe.each(DEVICES)('comparing and writing by channels of several threads: %s', (_name, open) => {
  it.each([
    ['both asynchronous', modes[0], modes[0]],
    ['both synchronous', modes[1], modes[1]],
    ['one of each', modes[0], modes[1]],
  ])('is both or nothing for all of them, %s', async (_which, one, other) => {
    const device = open();
    const work = { times: TIMES, act: 'increment' };
    expect(
      await together(device, [
        { mode: one, ...work },
        { mode: other, ...work },
      ]),
    ).toEqual([]);
    expect(numberAt(device)).toBe(2 * TIMES);
    await device.close();
  });
});

describe('parts of a unit', () => {
  it.each(modes)('that several threads write are all there: %s', async (mode) => {
    const key = Uint8Array.from({ length: 64 }, (_, index) => index);
    const device = await openCrypt(openMem(2 ** 16), { key, headerless: true, sectorBytes: 4096, blockSizeBytes: 1 });
    expect(device.limits.transferUnitBytes).toBe(4096);
    const parts = [0, 1, 2].map((at) => ({ mode, times: TIMES, act: 'part', at }));
    expect(await together(device, parts)).toEqual([]);
    await device.close();
  });
});

/** A device of the test's, and another channel of it in this thread. */
function twoChannels(): { one: Scripted; two: Scripted; device: BlockDevice; channel: BlockDevice } {
  const [one, two] = [new Scripted({ capabilities: { nowait: true } }), new Scripted({ capabilities: { nowait: true } })];
  const channel = new Device(two.driver, {}, one.device.handle());
  return { one, two, device: one.device, channel };
}

const compare = (flags = 0): BlockIo =>
  Object.assign(makeIo({ operation: BLOCK_COMPARE_AND_WRITE, lengthBytes: 512 }), { compare: IoBuffer.allocate(512), flags });
const write = (offset: number, flags = 0): BlockIo => makeIo({ operation: BLOCK_WRITE, buffer: bufferOf('part'), offset, flags });

/** Lets the looks at other channels come that are due. */
async function looks(until: () => boolean): Promise<void> {
  while (!until()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('a channel that compares and writes', () => {
  it('waits for what others have under way in the range, and keeps out what comes', async () => {
    const { one, two, device, channel } = twoChannels();
    const before = start(channel, write(0));
    expect(two.log).toEqual(['write 0+4']);
    const compared = start(device, compare());
    await turn();
    expect(one.log).toEqual([]);
    // It waits in a thread that is the same: there nobody sleeps for it.
    expect(runSync(channel, write(8)).error).toBe(EBUSY);
    expect(runSync(channel, write(8, BLOCK_NOWAIT)).error).toBe(EAGAIN);
    const behind = start(channel, write(8));
    const elsewhere = start(channel, write(1024));
    expect(two.log).toEqual(['write 0+4', 'write 1024+4']);
    two.end(two.started[0]);
    await before;
    await looks(() => one.log.length > 0);
    expect([one.log, two.log.length]).toEqual([['read 0+512'], 2]);
    one.end(one.started[0]);
    await looks(() => one.log.length > 1);
    one.end(one.started[0]);
    expect((await compared).error).toBe(0);
    await looks(() => two.log.length > 2);
    expect(two.log).toEqual(['write 0+4', 'write 1024+4', 'write 8+4']);
    await two.endAll();
    expect([(await behind).error, (await elsewhere).error]).toEqual([0, 0]);
  });

  it('is told that a channel has nothing in the range although it is busy', async () => {
    const { one, two, device, channel } = twoChannels();
    const far = start(channel, write(4096));
    const compared = start(device, compare());
    await turn();
    expect(one.log).toEqual([]);
    // It hears of the lock by what it starts next.
    const next = start(channel, write(8192));
    await looks(() => one.log.length > 0);
    await one.endAll();
    expect((await compared).error).toBe(0);
    await two.endAll();
    expect([(await far).error, (await next).error]).toEqual([0, 0]);
  });

  it('gives the range back when it is aborted while it waits', async () => {
    const { two, device, channel } = twoChannels();
    const before = start(channel, write(0));
    const io = compare();
    const compared = start(device, io);
    expect(device.abort(io)).toBe('cancelled');
    expect((await compared).error).toBe(125);
    const behind = start(channel, write(8));
    expect(two.log).toEqual(['write 0+4', 'write 8+4']);
    await two.endAll();
    await Promise.all([before, behind]);
  });

  it('takes turns with another one', async () => {
    const { one, two, device, channel } = twoChannels();
    const all = [device, channel, device, channel].map((each) => start(each, compare()));
    const reads: string[] = [];
    for (let done = 0; done < 4; done++) {
      await looks(() => one.started.length + two.started.length > 0);
      const script = one.started.length > 0 ? one : two;
      // While one is under way, none is of the other channel.
      expect([one, two].filter(({ started }) => started.length > 0).length).toBe(1);
      reads.push(script === one ? 'one' : 'two');
      script.end(script.started[0]);
      await looks(() => script.started.length > 0);
      script.end(script.started[0]);
      await turn();
    }
    expect(reads.sort()).toEqual(['one', 'one', 'two', 'two']);
    for (const each of all) expect((await each).error).toBe(0);
  });

  it('wakes a thread that blocks for what it kept out', async () => {
    const { one, two, device, channel } = twoChannels();
    const compared = start(device, compare());
    const behind = write(8);
    behind.iodone = () => {};
    channel.strategy(behind);
    expect(channel.wait(0)).toBe('ETIME');
    for (let piece = 0; piece < 2; piece++) one.end(one.started[0]);
    // Nothing but the wait looks now.
    expect([two.log, behind.state]).toEqual([[], IO_STARTED]);
    while (two.log.length === 0) channel.wait(10);
    two.end(two.started[0]);
    expect((await compared).error).toBe(0);
  });

  it('began before there were other channels, and those wait for it', async () => {
    const one = new Scripted();
    const compared = start(one.device, compare());
    expect(one.log).toEqual(['read 0+512']);
    const two = new Scripted();
    const channel = new Device(two.driver, {}, one.device.handle());
    const behind = start(channel, write(0));
    const reading = start(channel, makeIo({ operation: BLOCK_READ, offset: 4096 }));
    expect(two.log).toEqual([]);
    await one.endAll();
    expect((await compared).error).toBe(0);
    await looks(() => two.log.length === 2);
    await two.endAll();
    expect([(await behind).error, (await reading).error]).toEqual([0, 0]);
  });
});

describe.each(engines)('a thread that has ended while its channel had the range, engine %s', (engine) => {
  async function withDeadHolder(device = newFile(engine)): Promise<BlockDevice> {
    const workerData = device.handle();
    await once(new Worker(new URL('./support/dead-holder.mjs', import.meta.url), { workerData }), 'exit');
    return device;
  }

  it('keeps no request out that waits in the event loop', async () => {
    const device = await withDeadHolder();
    expect((await start(device, write(0))).error).toBe(0);
    await device.close();
  });

  it('keeps no request out that is not to wait', async ({ skip }) => {
    const device = newFile(engine);
    // A read, of what is in memory: few file systems write without waiting.
    const read = (): number => runSync(device, makeIo({ buffer: IoBuffer.allocate(512), flags: BLOCK_NOWAIT })).error;
    const before = read();
    if (before !== 0) skip(`this file system does not read with RWF_NOWAIT: error ${before}`);
    await withDeadHolder(device);
    expect([read(), read()]).toEqual([0, 0]);
    await device.close();
  });

  it('keeps no request out of a thread that blocks', async () => {
    const device = await withDeadHolder();
    expect(runSync(device, write(0)).error).toBe(0);
    await device.close();
  });

  it('does not leave the lock to the next channel that gets its row', async () => {
    const device = await withDeadHolder();
    const next = attachDevice(device.handle());
    expect((await start(device, write(0))).error).toBe(0);
    await next.close();
    await device.close();
  });
});
