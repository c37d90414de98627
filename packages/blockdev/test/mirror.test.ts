import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import {
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockDevice,
  type BlockIo,
  biowait,
  type MirrorDevice,
  openFile,
  openMem,
  openMirror,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { engines } from './support/available.js';
import { type FaultDevice, openFaulty } from './support/fault-device.js';
import { seededRandom } from './support/random.js';
import { Model, runWorkload } from './support/random-workload.js';
import { flush, makeIo, read, runSync, start, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { EBUSY, ECANCELED, EIO, ENODEV, ENOSPC, ENOTSUP, EPERM } = constants.errno;
const SIZE = 64 * 1024;
const LABEL = 4096;
const DATA = SIZE - LABEL;
const folder = temporaryFolder();
const order = seededRandom('the order of completions');
const equal = { create: true, halvesAreEqual: true };

const states = (mirror: MirrorDevice): string[] => mirror.halves().map(({ state }) => state);
const code = (name: string): unknown => expect.objectContaining({ code: name });

/** Halves in memory, whose requests end in any order, or at once. */
function halves(count: number, inOrder = false): FaultDevice[] {
  return Array.from({ length: count }, () => half(Buffer.alloc(SIZE), inOrder));
}

function half(memory: Buffer, inOrder = false): FaultDevice {
  return openFaulty(inOrder ? { memory } : { memory, pick: order });
}

function mirrorOf(faulty: readonly FaultDevice[], options = {}): Promise<MirrorDevice> {
  return openMirror(
    faulty.map(({ device }) => device),
    options,
  );
}

/** The devices as another process would find them. */
function again(faulty: readonly FaultDevice[]): FaultDevice[] {
  return faulty.map(({ memory }) => half(Buffer.from(memory)));
}

async function contents(device: BlockDevice): Promise<Buffer> {
  const buffer = IoBuffer.allocate(device.limits.sizeBytes as number);
  expect((await read(device, buffer, 0)).error).toBe(0);
  return Buffer.from(buffer.bytes);
}

function expectEqual(one: FaultDevice, other: FaultDevice): void {
  expect(Buffer.compare(one.memory.subarray(0, DATA), other.memory.subarray(0, DATA))).toBe(0);
}

/** All I/O of a device fails from its k-th request on. */
function pull(fault: FaultDevice, from: number): void {
  fault.fail = (_io, count) => (count >= from ? EIO : 0);
}

const children: [string, () => BlockDevice][] = [
  ['mem', () => openMem(SIZE)],
  ...engines.map((engine, index): [string, () => BlockDevice] => {
    let files = 0;
    return [
      `files, engine ${engine}`,
      () => {
        files += 1;
        const path = join(folder, `half-${index}-${files}`);
        writeFileSync(path, Buffer.alloc(SIZE));
        return openFile(path, { engine });
      },
    ];
  }),
  ['devices that end their requests in any order', () => half(Buffer.alloc(SIZE)).device],
];

describe('a mirror', () => {
  it.each(children)('on %s holds what an array holds', async (name, child) => {
    const random = seededRandom(name);
    for (const count of [2, 3]) {
      for (const childrenMax of [1, 3, 1024]) {
        for (const depth of [0, 1, 16]) {
          const devices = Array.from({ length: count }, child);
          const mirror = await openMirror(devices, { ...equal, childrenMax });
          expect(mirror.device.limits.sizeBytes).toBe(DATA);
          const model = new Model(Buffer.alloc(DATA));
          await runWorkload({ device: mirror.device, model, random, operations: 60, depth });
          expect(model.difference(0, await contents(mirror.device))).toBe(-1);
          expect(states(mirror)).toEqual(devices.map(() => 'good'));
          await mirror.close();
        }
      }
    }
  });

  it.each([
    [0, 0],
    [1, 0],
    [0, 1],
    [0, 16],
    [1, 16],
  ])('loses nothing and shows no error when half %i is pulled, at any moment, at depth %i', async (index, depth) => {
    const random = seededRandom(`pull ${index} at depth ${depth}`);
    for (let moment = 4; moment < 90; moment += 1 + random(6)) {
      const faulty = halves(2);
      const mirror = await mirrorOf(faulty, equal);
      pull(faulty[index] as FaultDevice, moment);
      const model = new Model(Buffer.alloc(DATA));
      await runWorkload({ device: mirror.device, model, random, operations: 60, depth });
      expect(model.difference(0, await contents(mirror.device))).toBe(-1);
      await mirror.settled();
      const failed = states(mirror)[index] === 'failed';
      await mirror.close();
      // What opens the halves next knows which of them has everything.
      const later = again(faulty);
      const reopened = await mirrorOf(random(2) === 0 ? later : later.reverse());
      if (failed) expect(reopened.halves()[index]).toMatchObject({ state: 'failed' });
      expect(model.difference(0, await contents(reopened.device))).toBe(-1);
      await reopened.close();
    }
  });

  it.each([0, 1, 16])('shows no error when each n-th request of either half fails once, at depth %i', async (depth) => {
    const random = seededRandom(`once at depth ${depth}`);
    for (let moment = 4; moment < 60; moment += 1 + random(4)) {
      for (const index of [0, 1]) {
        const faulty = halves(2);
        const mirror = await mirrorOf(faulty, equal);
        (faulty[index] as FaultDevice).fail = (_io, count) => (count === moment ? EIO : 0);
        const model = new Model(Buffer.alloc(DATA));
        await runWorkload({ device: mirror.device, model, random, operations: 40, depth });
        expect(model.difference(0, await contents(mirror.device))).toBe(-1);
        await mirror.settled();
        if (!mirror.degraded) expectEqual(faulty[0] as FaultDevice, faulty[1] as FaultDevice);
        await mirror.close();
      }
    }
  });

  it('ends writes that overlap in the same order on all halves', async () => {
    const random = seededRandom('overlapping writes');
    for (let round = 0; round < 40; round++) {
      const faulty = halves(2);
      const mirror = await mirrorOf(faulty, equal);
      const writes = Array.from({ length: 20 }, (_, index) => {
        const offset = random(3000);
        const buffer = IoBuffer.allocate(1 + random(3000));
        buffer.bytes.fill(index + 1);
        return start(mirror.device, makeIo({ operation: BLOCK_WRITE, buffer, offset }));
      });
      for (const { error } of await Promise.all(writes)) expect(error).toBe(0);
      expectEqual(faulty[0] as FaultDevice, faulty[1] as FaultDevice);
      await mirror.close();
    }
  });

  it('reads from the half that has the least to do', async () => {
    const faulty = halves(2);
    const mirror = await mirrorOf(faulty, equal);
    await Promise.all(Array.from({ length: 20 }, () => start(mirror.device, makeIo({ lengthBytes: 10 }))));
    expect(faulty.map(({ state }) => state.reads - 1)).toEqual([10, 10]);
    await mirror.close();
  });

  it('can be waited for, without the event loop', async () => {
    const faulty = halves(2);
    const mirror = await mirrorOf(faulty, equal);
    pull(faulty[1] as FaultDevice, 0);
    for (const operation of [BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE, BLOCK_FLUSH]) {
      const io = makeIo({ operation });
      mirror.device.strategy(io);
      biowait(io, 10_000);
      expect(io.error).toBe(0);
    }
    // The half is out, and the label of the other one says so already.
    expect(states(mirror)).toEqual(['good', 'failed']);
    expect((await mirrorOf(again(faulty))).halves()[1]).toMatchObject({ state: 'failed', reason: 'it had failed' });
    await mirror.close();
  });

  it('aborts reads, and of writes only those that wait', async () => {
    const faulty = [0, 1].map(() => openFaulty({ memory: Buffer.alloc(SIZE) }));
    const slow = [0, 1].map(() => openFaulty({ memory: Buffer.alloc(SIZE), running: false }));
    for (const each of slow) each.fail = () => 0;
    const mirror = await openMirror(
      slow.map(({ device }) => device),
      { labels: false },
    );
    const first = makeIo({ operation: BLOCK_WRITE, offset: 0 });
    const second = makeIo({ operation: BLOCK_WRITE, offset: 100 });
    const ends = [first, second].map((io) => start(mirror.device, io));
    expect(slow.map(({ started }) => started.length)).toEqual([1, 1]);
    expect(mirror.device.abort(second)).toBe('cancelled');
    expect(mirror.device.abort(first)).toBe('in-progress');
    expect(await ends[1]).toEqual({ error: ECANCELED, transferredBytes: 0 });
    for (const each of slow) each.complete(0);
    expect(await ends[0]).toEqual({ error: 0, transferredBytes: 4096 });
    await mirror.close();
    await Promise.all(faulty.map(({ device }) => device.close()));
  });
});

describe('the halves of a mirror', () => {
  it('may be of different sizes, and stand in any order', async () => {
    const faulty = [100_000, SIZE, 70_001].map((size) => half(Buffer.alloc(size)));
    const mirror = await mirrorOf(faulty, equal);
    expect(mirror.device.limits.sizeBytes).toBe(DATA);
    await write(mirror.device, Buffer.alloc(DATA, 5), 0);
    await mirror.close();
    const later = again(faulty).reverse();
    const reopened = await mirrorOf(later);
    expect(reopened.halves().map(({ device }) => device)).toEqual(later.reverse().map(({ device }) => device));
    expect(states(reopened)).toEqual(['good', 'good', 'good']);
    await reopened.close();
  });

  it('take over from each other while they are made equal after a crash', async () => {
    const faulty = halves(3, true);
    await mirrorOf(faulty, equal);
    const crashed = again(faulty);
    const reopened = await mirrorOf(crashed, { autoRebuild: false });
    expect(states(reopened)).toEqual(['good', 'syncing', 'syncing']);
    const rebuilt = reopened.rebuild(1, { pieceBytes: 4096 });
    reopened.fail(0);
    expect(states(reopened)).toEqual(['failed', 'good', 'syncing']);
    await rebuilt;
    await reopened.rebuild(2);
    expect(states(reopened)).toEqual(['failed', 'good', 'good']);
    await reopened.close();
  });

  it('are its own to write', async () => {
    const faulty = halves(2);
    const mirror = await mirrorOf(faulty, { ...equal, closeChildren: false });
    expect((await write((faulty[0] as FaultDevice).device, 'x', 0)).error).toBe(EPERM);
    await expect(mirrorOf(faulty)).rejects.toThrow(code('EBUSY'));
    await mirror.close();
    expect((await write((faulty[0] as FaultDevice).device, 'x', 0)).error).toBe(0);
    await Promise.all(faulty.map(({ device }) => device.close()));
  });

  it('are written back where one of them could not be read', async () => {
    for (const sync of [false, true]) {
      const faulty = halves(2);
      const mirror = await mirrorOf(faulty, equal);
      await write(mirror.device, 'something', 8192);
      const [bad] = faulty as [FaultDevice];
      // A place that cannot be read until it is written.
      let isBad = true;
      bad.fail = (io) => {
        const here = io.offset <= 8192 && io.offset + io.lengthBytes > 8192;
        if (io.operation === BLOCK_WRITE && here) isBad = false;
        return io.operation === BLOCK_READ && here && isBad ? EIO : 0;
      };
      const seen = IoBuffer.allocate(9);
      for (let times = 0; times < 2; times++) {
        const io = makeIo({ buffer: seen, offset: 8192 });
        expect(sync ? runSync(mirror.device, io) : await start(mirror.device, io)).toEqual({ error: 0, transferredBytes: 9 });
        expect(Buffer.from(seen.bytes).toString()).toBe('something');
      }
      await mirror.settled();
      expect([isBad, mirror.repaired, states(mirror)]).toEqual([false, 1, ['good', 'good']]);
      await mirror.close();
    }
  });

  it('are taken out when that fails', async () => {
    const faulty = halves(2);
    const mirror = await mirrorOf(faulty, equal);
    (faulty[0] as FaultDevice).fail = (io) => (io.offset < LABEL ? EIO : 0);
    for (let times = 0; times < 2; times++) expect((await read(mirror.device, IoBuffer.allocate(10), 0)).error).toBe(0);
    await mirror.settled();
    expect(states(mirror)).toEqual(['failed', 'good']);
    await mirror.close();
  });

  it('may have bad places each, as long as they are not the same', async () => {
    for (const sync of [false, true]) {
      for (const moved of [0, 20_000]) {
        const faulty = halves(2);
        const mirror = await mirrorOf(faulty, equal);
        const model = Buffer.from(Array.from({ length: DATA }, (_, index) => (index * 7) % 251));
        await write(mirror.device, model, 0);
        for (const [index, at] of [20_480, 40_960].entries()) {
          const each = faulty[index] as FaultDevice;
          each.fail = (io) => (io.operation === BLOCK_READ && io.offset <= at && io.offset + io.lengthBytes > at ? EIO : 0);
          each.moved = (io) => Math.min(moved, Math.max(0, at - io.offset));
        }
        const io = makeIo({ buffer: IoBuffer.allocate(DATA) });
        expect(sync ? runSync(mirror.device, io) : await start(mirror.device, io)).toEqual({ error: 0, transferredBytes: DATA });
        expect(Buffer.compare(io.buffer?.bytes ?? model, model)).toBe(0);
        await mirror.settled();
        await mirror.close();
      }
    }
  });

  it('show their errors when the last one has them, and it stays', async () => {
    for (const sync of [false, true]) {
      const faulty = halves(2);
      const mirror = await mirrorOf(faulty, equal);
      mirror.fail(0);
      await mirror.settled();
      const run = (io: BlockIo) => (sync ? Promise.resolve(runSync(mirror.device, io)) : start(mirror.device, io));
      const last = faulty[1] as FaultDevice;
      last.fail = (io) => (io.operation === BLOCK_WRITE ? ENOSPC : EIO);
      last.moved = () => 100;
      expect(await run(makeIo({ operation: BLOCK_WRITE }))).toEqual({ error: ENOSPC, transferredBytes: 100 });
      expect(await run(makeIo({ operation: BLOCK_READ }))).toEqual({ error: EIO, transferredBytes: 100 });
      last.fail = () => 0;
      expect(await run(makeIo({ operation: BLOCK_READ }))).toEqual({ error: 0, transferredBytes: 4096 });
      expect(states(mirror)).toEqual(['failed', 'good']);
      expect(() => mirror.fail(1)).toThrow(code('EBUSY'));
      await mirror.close();
    }
  });

  it('that cannot be flushed is taken out, and the flush is good', async () => {
    for (const sync of [false, true]) {
      const faulty = halves(2);
      const mirror = await mirrorOf(faulty, equal);
      (faulty[0] as FaultDevice).fail = (io) => (io.operation === BLOCK_FLUSH ? EIO : 0);
      const io = makeIo({ operation: BLOCK_FLUSH, buffer: null });
      expect((sync ? runSync(mirror.device, io) : await start(mirror.device, io)).error).toBe(0);
      expect(states(mirror)).toEqual(['failed', 'good']);
      expect((await flush(mirror.device)).error).toBe(0);
      (faulty[1] as FaultDevice).fail = (io) => (io.operation === BLOCK_FLUSH ? EIO : 0);
      expect((await flush(mirror.device)).error).toBe(EIO);
      await expect(mirror.close()).rejects.toThrow(code('EIO'));
      for (const { state } of faulty) expect(state.closed).toBe(1);
    }
  });

  it('tell of their end', async () => {
    const faulty = halves(2, true);
    const mirror = await mirrorOf(faulty, equal);
    const heard: string[] = [];
    mirror.on('change', (all) => heard.push(all.map(({ state }) => state).join(' ')));
    mirror.device.on('remove', () => heard.push('remove'));
    (faulty[0] as FaultDevice).events().removed();
    await mirror.settled();
    expect([heard, (await write(mirror.device, 'x', 0)).error]).toEqual([['failed good'], 0]);
    (faulty[1] as FaultDevice).events().removed();
    expect([heard, (await write(mirror.device, 'x', 0)).error]).toEqual([['failed good', 'remove'], ENODEV]);
    await mirror.close();
  });

  it('are told by describe and config; another thread cannot have them', async () => {
    const mirror = await openMirror([openMem(SIZE), openMem(SIZE)], { ...equal, childrenMax: 5 });
    mirror.fail(1);
    const half = { driver: 'mem', sizeBytes: SIZE };
    expect(mirror.device.config()).toMatchObject({ driver: 'mirror', labels: true, childrenMax: 5, devices: [half, half] });
    expect(mirror.device.describe()).toMatchObject({
      driver: 'mirror',
      degraded: true,
      halves: [
        { state: 'good', device: { driver: 'mem' } },
        { state: 'failed', reason: 'taken out' },
      ],
    });
    expect(() => mirror.device.handle()).toThrow(code('ENOTSUP'));
    expect(runSync(mirror.device, makeIo({ operation: 99 })).error).toBe(ENOTSUP);
    await mirror.close();
  });
});

describe('a mirror that lost a half', () => {
  it.each([false, true])('has it rebuilt under load, and can then lose the other (synchronous load: %s)', async (sync) => {
    const random = seededRandom('rebuild');
    for (let round = 0; round < 6; round++) {
      const faulty = halves(2);
      const mirror = await mirrorOf(faulty, equal);
      const model = new Model(Buffer.alloc(DATA));
      const work = { device: mirror.device, model, random, depth: 8, mostBytes: 9000 };
      await runWorkload({ ...work, operations: 30 });
      const lost = random(2);
      pull(faulty[lost] as FaultDevice, 0);
      await runWorkload({ ...work, operations: 30 });
      const fresh = half(Buffer.alloc(SIZE, 0xee));
      const progress: number[] = [];
      let isDone = false;
      const rebuilt = mirror
        .replace(lost, fresh.device, { pieceBytes: 3000, onProgress: (done) => progress.push(done) })
        .finally(() => {
          isDone = true;
        });
      while (!isDone) {
        if (sync) {
          // What would have to wait is told so.
          const io = makeIo({ operation: BLOCK_WRITE, buffer: IoBuffer.allocate(100), offset: random(DATA - 100) });
          io.buffer?.bytes.fill(1 + random(255));
          const { error } = runSync(mirror.device, io);
          expect([0, EBUSY]).toContain(error);
          if (error === 0) model.write(io.offset, io.buffer?.bytes as Uint8Array);
          await turn();
        } else {
          await runWorkload({ ...work, operations: 10 });
        }
      }
      await rebuilt;
      expect(progress.at(-1)).toBe(DATA);
      expect(states(mirror)).toEqual(['good', 'good']);
      expectEqual(fresh, faulty[1 - lost] as FaultDevice);
      expect((faulty[lost] as FaultDevice).state.closed).toBe(1);
      pull(faulty[1 - lost] as FaultDevice, 0);
      await runWorkload({ ...work, operations: 30 });
      expect(model.difference(0, await contents(mirror.device))).toBe(-1);
      expect(states(mirror)[1 - lost]).toBe('failed');
      await mirror.close();
    }
  });

  it('does not lose a write that comes while its range is copied', async () => {
    const faulty = halves(2, true);
    const mirror = await mirrorOf(faulty, { ...equal, autoRebuild: false });
    await write(mirror.device, Buffer.alloc(DATA, 1), 0);
    mirror.fail(1);
    const fresh = openFaulty({ memory: Buffer.alloc(SIZE), running: false });
    const rebuilt = mirror.replace(1, fresh.device, { pieceBytes: DATA });
    // The labels, and then the copy.
    const isCopy = (): boolean => fresh.started.some(({ lengthBytes }) => lengthBytes === DATA);
    while (!isCopy()) {
      fresh.complete(0);
      await turn();
    }
    let isWritten = false;
    const late = write(mirror.device, Buffer.alloc(100, 2), 500).then((outcome) => {
      isWritten = true;
      return outcome;
    });
    await turn();
    expect(isWritten).toBe(false);
    while (!isWritten || fresh.started.length > 0) {
      fresh.complete(0);
      await turn();
    }
    expect((await late).error).toBe(0);
    const end = setInterval(() => fresh.complete(0), 1);
    await rebuilt;
    expectEqual(fresh, faulty[0] as FaultDevice);
    await mirror.close();
    clearInterval(end);
  });

  it('can cancel a rebuild, and slow it down', async () => {
    const faulty = halves(2);
    const delays: number[] = [];
    const timers = {
      now: () => performance.now(),
      after: (delayMs: number, callback: () => void) => {
        delays.push(delayMs);
        const timer = setImmediate(callback);
        return () => clearImmediate(timer);
      },
      sleep: () => {},
    };
    const mirror = await mirrorOf(faulty, { ...equal, timers });
    mirror.fail(1);
    const stop = new AbortController();
    const onProgress = (): void => stop.abort();
    await expect(mirror.rebuild(1, { pieceBytes: LABEL, onProgress, signal: stop.signal })).rejects.toThrow(code('ECANCELED'));
    expect(states(mirror)).toEqual(['good', 'rebuilding']);
    delays.length = 0;
    const rebuilt = mirror.rebuild(1, { pieceBytes: LABEL, bytesPerSecond: LABEL * 10 });
    // The same one.
    await Promise.all([mirror.rebuild(1), rebuilt, mirror.rebuilt()]);
    await expect(mirror.rebuild(1)).rejects.toThrow(code('EALREADY'));
    expect(delays).toEqual([0, ...Array.from({ length: DATA / LABEL }, () => 100)]);
    expect(states(mirror)).toEqual(['good', 'good']);
    await mirror.close();
  });

  it('rebuilds a half that was taken out while it was being rebuilt', async () => {
    const faulty = halves(2);
    const mirror = await mirrorOf(faulty, equal);
    for (const settle of [false, true]) {
      mirror.fail(1);
      const pieces: number[] = [];
      const first = mirror.rebuild(1, { pieceBytes: LABEL, onProgress: (doneBytes) => pieces.push(doneBytes) });
      const ended = expect(first).rejects.toThrow(code('ECANCELED'));
      while (pieces.length < 2) await turn();
      mirror.fail(1);
      if (settle) await mirror.settled();
      const second = mirror.rebuild(1);
      await ended;
      expect(pieces.length).toBeLessThan(4);
      await second;
      expect(states(mirror)).toEqual(['good', 'good']);
    }
    await mirror.rebuilt();
    await mirror.close();
    await expect(mirror.rebuild(0)).rejects.toThrow(code('EBADF'));
    expectEqual(faulty[0] as FaultDevice, faulty[1] as FaultDevice);
  });

  it('promises the end of all rebuilds, also of those that fail', async () => {
    const faulty = halves(3);
    const mirror = await mirrorOf(faulty, { create: true });
    expect(states(mirror)).toEqual(['good', 'rebuilding', 'rebuilding']);
    await mirror.rebuilt();
    expect(states(mirror)).toEqual(['good', 'good', 'good']);
    mirror.fail(2);
    const rebuilt = mirror.rebuild(2, { pieceBytes: LABEL });
    const ended = expect(rebuilt).rejects.toThrow(code('ECANCELED'));
    mirror.fail(2);
    await mirror.rebuilt();
    expect(states(mirror)).toEqual(['good', 'good', 'failed']);
    await ended;
    await mirror.close();
  });

  it('goes on with a rebuild that closing has ended', async () => {
    const faulty = halves(2);
    const mirror = await mirrorOf(faulty, { create: true, autoRebuild: false });
    await write(mirror.device, 'here', 50_000);
    expect(states(mirror)).toEqual(['good', 'rebuilding']);
    const rebuilt = mirror.rebuild(1, { pieceBytes: 512 });
    await Promise.all([mirror.close(), expect(rebuilt).rejects.toThrow(code('ECANCELED'))]);
    const later = again(faulty);
    const reopened = await mirrorOf(later);
    while (reopened.degraded) await turn();
    expectEqual(later[0] as FaultDevice, later[1] as FaultDevice);
    await reopened.close();
  });

  it('fails a rebuild with the half that it writes to, or with the only one that it reads', async () => {
    const faulty = halves(2);
    const mirror = await mirrorOf(faulty, equal);
    const bad = half(Buffer.alloc(SIZE));
    bad.fail = (io) => (io.operation === BLOCK_WRITE && io.offset === 8192 ? EIO : 0);
    await expect(mirror.replace(0, bad.device, { pieceBytes: 4096 })).rejects.toThrow(code('EIO'));
    expect(states(mirror)).toEqual(['failed', 'good']);
    (faulty[1] as FaultDevice).fail = (io) => (io.operation === BLOCK_READ ? EIO : 0);
    await expect(mirror.replace(0, half(Buffer.alloc(SIZE)).device)).rejects.toThrow(code('EIO'));
    expect(states(mirror)).toEqual(['rebuilding', 'good']);
    await expect(mirror.replace(1, half(Buffer.alloc(SIZE)).device)).rejects.toThrow(code('EBUSY'));
    await expect(mirror.replace(0, openMem(SIZE - 1))).rejects.toThrow(code('EINVAL'));
    await mirror.close();
  });
});

describe('the labels of a mirror', () => {
  it('are written before a write is done that one half lacks', async () => {
    const faulty = [0, 1].map(() => openFaulty({ memory: Buffer.alloc(SIZE), pick: () => 0 }));
    const [good, bad] = faulty as [FaultDevice, FaultDevice];
    const mirror = await mirrorOf(faulty, equal);
    bad.fail = () => EIO;
    const seen: string[] = [];
    good.fail = (io) => {
      if (io.operation !== BLOCK_READ) seen.push(io.operation === BLOCK_FLUSH ? 'flush' : io.offset === DATA ? 'label' : 'data');
      return 0;
    };
    expect((await write(mirror.device, 'x', 0)).error).toBe(0);
    // Its own part, the label, and what makes that stable.
    expect(seen).toEqual(['data', 'label', 'flush']);
    await mirror.close();
  });

  it('that cannot be written make writes fail, until they can', async () => {
    for (const sync of [false, true]) {
      const faulty = halves(2);
      const mirror = await mirrorOf(faulty, equal);
      const run = () => {
        const io = makeIo({ operation: BLOCK_WRITE, lengthBytes: 10 });
        return sync ? Promise.resolve(runSync(mirror.device, io)) : start(mirror.device, io);
      };
      (faulty[0] as FaultDevice).fail = () => EIO;
      (faulty[1] as FaultDevice).fail = (io) => (io.offset === DATA ? EIO : 0);
      expect((await run()).error).toBe(EIO);
      expect((await run()).error).toBe(EIO);
      (faulty[1] as FaultDevice).fail = () => 0;
      expect((await run()).error).toBe(0);
      await mirror.close();
      const reopened = await mirrorOf(again(faulty));
      expect(states(reopened)).toEqual(['failed', 'good']);
      await reopened.close();
    }
  });

  it('show that a half is stale, whatever it says of itself', async () => {
    const faulty = halves(2);
    const mirror = await mirrorOf(faulty, equal);
    await write(mirror.device, 'old', 0);
    await mirror.close();
    // It is kept from here on, and comes back later.
    const kept = Buffer.from((faulty[0] as FaultDevice).memory);
    const later = again(faulty);
    const second = await mirrorOf(later);
    await write(second.device, 'new', 0);
    await second.close();
    const { memory } = later[1] as FaultDevice;
    for (const both of [
      [half(Buffer.from(kept)), half(Buffer.from(memory))],
      [half(Buffer.from(memory)), half(Buffer.from(kept))],
    ]) {
      // Somewhere there may be the half that has the newest label.
      await expect(mirrorOf(both)).rejects.toThrow(code('ENODEV'));
      const reopened = await mirrorOf(both, { degraded: true });
      expect(reopened.halves()).toMatchObject([{ state: 'failed', reason: 'stale' }, { state: 'good' }]);
      for (let times = 0; times < 3; times++) expect((await contents(reopened.device)).subarray(0, 3).toString()).toBe('new');
      await reopened.rebuild(0);
      expect(states(reopened)).toEqual(['good', 'good']);
      await reopened.close();
    }
  });

  it('show that a half is missing that may be newer', async () => {
    const faulty = halves(2);
    const mirror = await mirrorOf(faulty, equal);
    await mirror.close();
    const [one, other] = again(faulty) as [FaultDevice, FaultDevice];
    await expect(openMirror([one.device])).rejects.toThrow(code('ENODEV'));
    await expect(openMirror([null, one.device])).rejects.toThrow(code('ENODEV'));
    const alone = await openMirror([one.device], { degraded: true });
    expect(states(alone)).toEqual(['good', 'failed']);
    await write(alone.device, 'one', 0);
    await alone.close();
    const before = Buffer.from(other.memory);
    const look = await openMirror([other.device], { degraded: true });
    expect((await contents(look.device)).subarray(0, 3)).toEqual(Buffer.alloc(3));
    expect((await flush(look.device)).error).toBe(0);
    await look.close();
    expect(other.memory.equals(before)).toBe(true);
    const joined = await mirrorOf(again([one, other]));
    expect(joined.halves()).toMatchObject([{ state: 'good' }, { state: 'failed', reason: 'it had failed' }]);
    await joined.close();
    const [astray] = again([other]) as [FaultDevice];
    const apart = await openMirror([astray.device], { degraded: true });
    await write(apart.device, 'other', 0);
    await apart.close();
    // Both have been written to, each without the other.
    await expect(mirrorOf(again([one, astray]))).rejects.toThrow(code('EBUSY'));
    // One that knows that the other is out needs nobody's word.
    const [knows] = again([one]) as [FaultDevice];
    const last = await openMirror([knows.device]);
    const fresh = half(Buffer.from(other.memory));
    await last.replace(1, fresh.device);
    await last.close();
    const both = await mirrorOf(again([knows, fresh]));
    expect(states(both)).toEqual(['good', 'good']);
    await both.close();
  });

  it.each(['strategy', 'strategySync'])('are written before the first write to a half that is alone, by %s', async (way) => {
    const faulty = halves(2);
    await (await mirrorOf(faulty, equal)).close();
    const [one] = again(faulty) as [FaultDevice];
    const mirror = await openMirror([one.device], { degraded: true });
    const written: number[] = [];
    let failing = true;
    one.fail = ({ operation, offset }) => {
      if (operation !== BLOCK_WRITE) return 0;
      written.push(offset);
      return failing ? EIO : 0;
    };
    const put = async (offset: number): Promise<number> => {
      const io = makeIo({ operation: BLOCK_WRITE, buffer: IoBuffer.allocate(3), offset });
      return (way === 'strategy' ? await start(mirror.device, io) : runSync(mirror.device, io)).error;
    };
    expect(await put(0)).toBe(EIO);
    expect(written).toEqual([DATA]);
    failing = false;
    written.length = 0;
    if (way === 'strategy') {
      expect(await Promise.all([put(0), put(512), put(1024)])).toEqual([0, 0, 0]);
      const aborted = makeIo({ operation: BLOCK_WRITE, lengthBytes: 3 });
      const [other] = again(faulty) as [FaultDevice];
      const second = await openMirror([other.device], { degraded: true });
      const ended = start(second.device, aborted);
      expect(second.device.abort(aborted)).toBe('cancelled');
      expect((await ended).error).toBe(ECANCELED);
      await second.close();
    } else {
      expect([await put(0), await put(512), await put(1024)]).toEqual([0, 0, 0]);
    }
    expect(written[0]).toBe(DATA);
    expect(written.slice(1).sort((left, right) => left - right)).toEqual([0, 512, 1024]);
    await mirror.close();
  });

  it('say what was done to a half that is alone, before anything is written', async () => {
    const faulty = halves(2);
    await (await mirrorOf(faulty, equal)).close();
    const [one] = again(faulty) as [FaultDevice];
    const mirror = await openMirror([one.device], { degraded: true });
    const fresh = half(Buffer.alloc(SIZE));
    await mirror.replace(1, fresh.device);
    await write(mirror.device, 'both', 0);
    await mirror.close();
    const both = await mirrorOf(again([one, fresh]));
    expect(states(both)).toEqual(['good', 'good']);
    await both.close();
    expectEqual(one, fresh);
  });

  it('show that the system went down, and the halves are made equal before both are read', async () => {
    const random = seededRandom('crash');
    for (let round = 0; round < 10; round++) {
      const faulty = halves(2);
      const mirror = await mirrorOf(faulty, equal);
      await write(mirror.device, Buffer.alloc(DATA, 1), 0);
      const writes = Array.from({ length: 10 }, (_, index) =>
        write(mirror.device, Buffer.alloc(5000, index + 2), random(DATA - 5000)),
      );
      for (let turns = random(10); turns > 0; turns--) await turn();
      const crashed = again(faulty);
      const reopened = await mirrorOf(crashed, { autoRebuild: false });
      expect(states(reopened)).toEqual(['good', 'syncing']);
      const first = await contents(reopened.device);
      for (let times = 0; times < 3; times++) expect(Buffer.compare(await contents(reopened.device), first)).toBe(0);
      await reopened.rebuild(1);
      expect(states(reopened)).toEqual(['good', 'good']);
      expectEqual(crashed[0] as FaultDevice, crashed[1] as FaultDevice);
      for (let times = 0; times < 3; times++) expect(Buffer.compare(await contents(reopened.device), first)).toBe(0);
      await Promise.all([...writes, reopened.close()]);
      await mirror.close();
    }
  });

  it('are asked for, and not overwritten', async () => {
    const faulty = halves(2);
    await expect(mirrorOf(faulty)).rejects.toThrow(code('EINVAL'));
    const mirror = await mirrorOf(faulty, equal);
    await mirror.close();
    await expect(mirrorOf(again(faulty), { create: true })).rejects.toThrow(code('EEXIST'));
    const others = halves(2);
    await (await mirrorOf(others, equal)).close();
    await expect(mirrorOf(again([faulty[0] as FaultDevice, others[1] as FaultDevice]))).rejects.toThrow(code('EINVAL'));
    await expect(openMirror([openMem(8191), openMem(SIZE)], { create: true })).rejects.toThrow(code('EINVAL'));
    await expect(openMirror([openMem(SIZE)], { create: true })).rejects.toThrow(code('ERR_INVALID_ARG_VALUE'));
    // A damaged one is no label.
    const [one, other] = again(faulty) as [FaultDevice, FaultDevice];
    other.memory.writeUInt8(77, DATA + 70);
    await expect(mirrorOf([one, other])).rejects.toThrow(code('ENODEV'));
    const reopened = await mirrorOf([one, other], { degraded: true });
    expect(reopened.halves()[1]).toMatchObject({ state: 'failed', reason: 'no label' });
    await reopened.close();
  });
});
