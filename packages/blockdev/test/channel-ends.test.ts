import { Worker } from 'node:worker_threads';
import {
  attachDevice,
  BLOCK_COMPARE_AND_WRITE,
  BlockDevice,
  type BlockDriver,
  type BlockIo,
  biodone,
  type DeviceHandle,
  IO_STARTED,
  openMem,
  openStripe,
  registerDriver,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { answerOf } from './support/answer.js';
import { programPath, run } from './support/child.js';
import { makeIo, runSync, start } from './support/requests.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const SIZE = 4096;
const started: BlockIo[] = [];
const inside: (() => void)[] = [];
let refusing = false;

/** Requests stay until the test ends them; those of the calling thread do what the test says. */
function heldDriver(closed: () => void): BlockDriver {
  return {
    name: 'test-held',
    limits: { blockSizeBytes: 1, sizeBytes: SIZE, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'any' },
    start: (io) => started.push(io),
    startSync: () => inside.shift()?.(),
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'test-held' }),
    handle: () => ({ driver: 'test-held' }),
    attached: () => {
      if (refusing) throw new Error('refused');
    },
    close: closed,
  };
}

const unregister = registerDriver({
  name: 'test-held',
  summary: 'holds what it gets',
  options: {},
  open: () => new BlockDevice(heldDriver(() => {})),
  attach: (handle: DeviceHandle) =>
    new BlockDevice(
      heldDriver(() => {}),
      {},
      handle,
    ),
});
afterAll(unregister);

function read(): BlockIo {
  return makeIo({ buffer: IoBuffer.allocate(16), lengthBytes: 16 });
}

function leftChannel(device: BlockDevice, starts: boolean): Worker {
  const workerData = { handle: device.handle(), starts };
  return new Worker(new URL('./support/left-channel.mjs', import.meta.url), { workerData });
}

describe('closing a device', () => {
  it('waits for what a channel has started, and lets nothing more in', async () => {
    const timers = new VirtualTimers();
    let closed = false;
    const device = new BlockDevice(
      heldDriver(() => {
        closed = true;
      }),
      { timers },
    );
    const channel = attachDevice(device.handle());
    const before = start(channel, read());
    const closing = device.close();
    await timers.advance(1000);
    expect(closed).toBe(false);
    expect(await start(channel, read())).toMatchObject({ error: 9 });
    biodone(started.pop() as BlockIo, 0);
    expect(await before).toMatchObject({ error: 0 });
    await timers.advance(10);
    await closing;
    expect(closed).toBe(true);
    await channel.close();
  });

  it('waits for a channel that has the place of a closed one, whatever is started on that', async () => {
    const timers = new VirtualTimers();
    let closed = false;
    const device = new BlockDevice(
      heldDriver(() => {
        closed = true;
      }),
      { timers },
    );
    const before = attachDevice(device.handle());
    await before.close();
    const channel = attachDevice(device.handle());
    const request = start(channel, read());
    expect(await start(before, read())).toMatchObject({ error: 9 });
    expect(runSync(before, read())).toMatchObject({ error: 9 });
    const closing = device.close();
    await timers.advance(10);
    expect(closed).toBe(false);
    biodone(started.pop() as BlockIo, 0);
    expect(await request).toMatchObject({ error: 0 });
    await timers.advance(10);
    await closing;
    expect(closed).toBe(true);
    await channel.close();
  });

  it('does not wait for what a quiesced channel holds back', async () => {
    const timers = new VirtualTimers();
    let closed = false;
    const device = new BlockDevice(
      heldDriver(() => {
        closed = true;
      }),
      { timers },
    );
    const channel = attachDevice(device.handle());
    const before = start(channel, read());
    const quiet = channel.quiesce();
    const heldBack = [start(channel, read()), start(channel, read())];
    const closing = device.close();
    await settled();
    expect(closed).toBe(false);
    biodone(started.pop() as BlockIo, 0);
    expect(await before).toMatchObject({ error: 0 });
    await quiet;
    heldBack.push(start(channel, read()));
    await timers.advance(10);
    await closing;
    expect(closed).toBe(true);
    channel.resume();
    for (const each of heldBack) expect(await each).toMatchObject({ error: 9 });
    expect(started).toEqual([]);
    await channel.close();
  });

  it('waits for what a quiesced channel has started again', async () => {
    const timers = new VirtualTimers();
    let closed = false;
    const device = new BlockDevice(
      heldDriver(() => {
        closed = true;
      }),
      { timers },
    );
    const channel = attachDevice(device.handle());
    await channel.quiesce();
    const heldBack = start(channel, read());
    channel.resume();
    const closing = device.close();
    await timers.advance(10);
    expect(closed).toBe(false);
    biodone(started.pop() as BlockIo, 0);
    expect(await heldBack).toMatchObject({ error: 0 });
    await timers.advance(10);
    await closing;
    await channel.close();
  });

  it('waits for what a channel does in its own thread', async () => {
    const timers = new VirtualTimers();
    let closed = false;
    const device = new BlockDevice(
      heldDriver(() => {
        closed = true;
      }),
      { timers },
    );
    const channel = attachDevice(device.handle());
    let closing: Promise<void> | undefined;
    // As if another thread closed it in the middle of the call.
    inside.push(() => {
      closing = device.close();
    });
    expect(runSync(channel, read())).toMatchObject({ error: 0 });
    expect(closed).toBe(false);
    await settled();
    await timers.advance(10);
    await closing;
    expect(closed).toBe(true);
    await channel.close();
  });

  it('does not wait for a thread that has ended with a request under way', async () => {
    const device = openMem(SIZE);
    const worker = leftChannel(device, true);
    expect(await answerOf(worker)).toBe(1);
    await worker.terminate();
    await device.close();
  });
});

describe('a channel whose thread has ended without closing it', () => {
  it('does not count any more: what needs the device alone waits for it as long as it is', async () => {
    const device = openMem(SIZE, { blockSizeBytes: 512 });
    const compare = (): BlockIo => {
      const buffer = IoBuffer.allocate(512);
      const io = makeIo({ operation: BLOCK_COMPARE_AND_WRITE, buffer, lengthBytes: 512 });
      return Object.assign(io, { compare: IoBuffer.allocate(512) });
    };
    const idle = leftChannel(device, false);
    await answerOf(idle);
    expect(await start(device, compare())).toMatchObject({ error: 0 });
    const busy = leftChannel(device, true);
    await answerOf(busy);
    const io = compare();
    const compared = start(device, io);
    expect([device.wait(5), io.state]).toEqual([0, IO_STARTED]);
    await busy.terminate();
    expect(await compared).toMatchObject({ error: 0 });
    await idle.terminate();
    await device.close();
  });

  it('leaves its place to others', async () => {
    const device = openMem(SIZE);
    const worker = leftChannel(device, false);
    await answerOf(worker);
    const channels = Array.from({ length: 255 }, () => attachDevice(device.handle()));
    expect(() => attachDevice(device.handle())).toThrow(/EMFILE.*at most 256 channels/);
    await worker.terminate();
    channels.push(attachDevice(device.handle()));
    for (const channel of channels) await channel.close();
    channels.splice(0);
    await attachDevice(device.handle()).close();
    await device.close();
  });

  it('leaves its place to one of those that come for it at once', async () => {
    const device = openMem(SIZE);
    const handle = device.handle();
    const worker = leftChannel(device, false);
    await answerOf(worker);
    await worker.terminate();
    const channels = Array.from({ length: 255 }, () => attachDevice(handle));
    // The second comes in the middle of the first, before that has written anything but its name.
    let second: unknown;
    const store = vi.spyOn(Atomics, 'store').mockImplementationOnce(() => {
      second = errorOf(() => attachDevice(handle));
      return 0n;
    });
    channels.push(attachDevice(handle));
    store.mockRestore();
    expect(second).toMatchObject({ code: 'EMFILE' });
    for (const channel of channels) await channel.close();
    await device.close();
  });
});

describe('a channel', () => {
  it('counts, also where the process has no descriptor left to look whether its thread has ended', async () => {
    const program = ['-c', 'ulimit -n 100 && exec "$@"', 'sh', process.execPath, programPath('out-of-descriptors.mjs')];
    const { stdout, stderr } = await run('sh', program);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ code: 'EMFILE', waits: true });
  });

  it('that cannot be made leaves nothing behind', async () => {
    const [first, second] = [openMem(SIZE), openMem(SIZE)];
    const stripe = openStripe([first, second], { stripeBytes: 512 });
    const channels = Array.from({ length: 256 }, () => attachDevice(second.handle()));
    for (let round = 0; round < 2; round++) {
      // Of the second: the first could be attached.
      expect(errorOf(() => attachDevice(stripe.handle()))).toMatchObject({ code: 'EMFILE' });
      await settled();
    }
    for (let place = 0; place < 256; place++) channels.push(attachDevice(first.handle()));
    for (const channel of channels) await channel.close();
    await stripe.close();
  });

  it('whose driver refuses leaves its place to others', async () => {
    const device = new BlockDevice(heldDriver(() => {}));
    refusing = true;
    for (let round = 0; round < 257; round++) expect(() => attachDevice(device.handle())).toThrow('refused');
    refusing = false;
    await attachDevice(device.handle()).close();
    await device.close();
  });
});

function errorOf(call: () => void): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return null;
}
