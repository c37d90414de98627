import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import {
  BLOCK_DISCARD,
  BLOCK_READ,
  BLOCK_RESET,
  BLOCK_WRITE,
  BlockDevice,
  type BlockIo,
  biodone,
  biowait,
  type MirrorDevice,
  openFile,
  openMem,
  openMirror,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { seededRandom } from './support/random.js';
import { bufferOf, makeIo, type Outcome, runSync, start, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { EAGAIN, ECANCELED } = constants.errno;
const SIZE = 64 * 1024;
const DATA = SIZE - 4096;
const folder = temporaryFolder();
const equal = { create: true, halvesAreEqual: true };
const states = (mirror: MirrorDevice): string[] => mirror.halves().map(({ state }) => state);
const code = (name: string): unknown => expect.objectContaining({ code: name });

/** A device in memory that answers at once, or, while `hung` says so, not before it is told to. */
interface HungDevice {
  readonly device: BlockDevice;
  readonly memory: Buffer;
  readonly kept: BlockIo[];
  closed: boolean;
  hung: (io: BlockIo) => boolean;
  fail: (io: BlockIo) => number;
  /** Answers what it has kept, in the way in which it would have. */
  answer(): void;
}

function openHung({ abortable = false, retry = true }: { abortable?: boolean; retry?: boolean } = {}): HungDevice {
  const memory = Buffer.alloc(SIZE);
  const kept: BlockIo[] = [];
  const run = (io: BlockIo): number => {
    const bytes = io.buffer?.bytes.subarray(io.bufferOffset, io.bufferOffset + io.lengthBytes) ?? Buffer.alloc(0);
    const error = hanging.fail(io);
    if (error !== 0) return error;
    if (io.operation === BLOCK_READ) bytes.set(memory.subarray(io.offset, io.offset + io.lengthBytes));
    if (io.operation === BLOCK_WRITE) memory.set(bytes, io.offset);
    if (io.operation === BLOCK_READ || io.operation === BLOCK_WRITE) io.transferredBytes = io.lengthBytes;
    return 0;
  };
  const device = new BlockDevice({
    name: 'hung',
    limits: { blockSizeBytes: 1, sizeBytes: SIZE, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'any', fua: 'native', retry },
    start: (io) => {
      if (hanging.hung(io)) kept.push(io);
      else biodone(io, run(io));
    },
    startSync: (io) => {
      io.error = run(io);
    },
    abort: (io) => {
      if (!abortable) return 'in-progress';
      kept.splice(kept.indexOf(io), 1);
      biodone(io, ECANCELED);
      return 'cancelled';
    },
    poll: () => 0,
    wait: () => 'ETIME',
    describe: () => ({}),
    config: () => ({ driver: 'hung' }),
    handle: () => ({ driver: 'hung' }),
    close: () => {
      hanging.closed = true;
    },
  });
  const hanging: HungDevice = {
    device,
    memory,
    kept,
    closed: false,
    hung: () => false,
    fail: () => 0,
    answer: () => {
      for (const io of kept.splice(0)) biodone(io, run(io));
    },
  };
  return hanging;
}

async function mirrorWith(...hung: HungDevice[]): Promise<MirrorDevice> {
  return openMirror([openMem(SIZE), ...hung.map(({ device }) => device)], equal);
}

/** What has become of a promise after some turns of the event loop. */
async function soFar<T>(promise: Promise<T>): Promise<T | 'pending'> {
  for (let turns = 0; turns < 20; turns++) await turn();
  return Promise.race([promise, turn('pending' as const)]);
}

async function readAll(mirror: MirrorDevice): Promise<Buffer> {
  const buffer = IoBuffer.allocate(DATA);
  expect(await start(mirror.device, makeIo({ buffer }))).toEqual({ error: 0, transferredBytes: DATA });
  return Buffer.from(buffer.bytes);
}

function tryToFail(mirror: MirrorDevice, index: number): void {
  try {
    mirror.fail(index);
  } catch (error) {
    expect(error).toEqual(code('EBUSY'));
  }
}

const done = (lengthBytes: number): Outcome => ({ error: 0, transferredBytes: lengthBytes });

describe('a half that does not answer', () => {
  it('is waited for no more once it is out, and cannot spoil its rebuild', async () => {
    const bad = openHung();
    const mirror = await mirrorWith(bad);
    bad.hung = () => true;
    const first = write(mirror.device, Buffer.alloc(4096, 1), 0);
    const second = write(mirror.device, Buffer.alloc(512, 2), 100);
    expect(await soFar(second)).toBe('pending');
    mirror.fail(1);
    expect(await soFar(first)).toEqual(done(4096));
    expect(await soFar(second)).toEqual(done(512));
    // It may be well again: but what it has still under way would be written over what is copied.
    bad.hung = () => false;
    const rebuilt = mirror.rebuild(1);
    expect(await soFar(rebuilt)).toBe('pending');
    expect(states(mirror)).toEqual(['good', 'failed']);
    bad.answer();
    await rebuilt;
    expect(states(mirror)).toEqual(['good', 'good']);
    expect(Buffer.compare(bad.memory.subarray(0, DATA), await readAll(mirror))).toBe(0);
    await mirror.close();
  });

  it('can be replaced, and its device closes when it has answered', async () => {
    const bad = openHung();
    const mirror = await mirrorWith(bad);
    bad.hung = () => true;
    const pending = write(mirror.device, 'x', 0);
    await mirror.replace(1, openMem(SIZE));
    expect(await pending).toEqual(done(1));
    expect(states(mirror)).toEqual(['good', 'good']);
    await mirror.close();
    expect(bad.closed).toBe(false);
    bad.answer();
    await soFar(bad.device.close());
    expect(bad.closed).toBe(true);
  });

  it('does not keep labels from being written', async () => {
    const [bad, other] = [openHung(), openHung()];
    const mirror = await mirrorWith(bad, other);
    bad.hung = ({ offset }) => offset === DATA;
    mirror.fail(2);
    const pending = write(mirror.device, 'x', 0);
    expect(await soFar(pending)).toBe('pending');
    mirror.fail(1);
    expect(await soFar(pending)).toEqual(done(1));
    expect(await soFar(mirror.settled().then(() => 'settled'))).toBe('settled');
    await mirror.close();
    bad.answer();
  });

  it('gives reads to others when it has given their memory back', async () => {
    for (const abortable of [true, false]) {
      const bad = openHung({ abortable });
      const mirror = await mirrorWith(bad);
      await write(mirror.device, Buffer.alloc(DATA, 7), 0);
      bad.hung = () => true;
      const ios = [0, 1].map(() => makeIo());
      const reads = Promise.all(ios.map((io) => start(mirror.device, io)));
      mirror.fail(1);
      expect(await soFar(reads)).toEqual(abortable ? [done(4096), done(4096)] : 'pending');
      bad.answer();
      expect(await reads).toEqual([done(4096), done(4096)]);
      for (const { buffer } of ios) expect(Buffer.from(buffer?.bytes ?? []).equals(Buffer.alloc(4096, 7))).toBe(true);
      await mirror.close();
    }
  });

  it('does not stop the rebuild of another, though it was read for it', async () => {
    const bad = openHung();
    const mirror = await openMirror([bad.device, openMem(SIZE), openMem(SIZE)], equal);
    await write(mirror.device, Buffer.alloc(DATA, 7), 0);
    mirror.fail(2);
    bad.hung = ({ operation, offset }) => operation === BLOCK_READ && offset < DATA;
    const rebuilt = mirror.rebuild(2, { pieceBytes: 4096 });
    expect(await soFar(rebuilt)).toBe('pending');
    mirror.fail(0);
    await rebuilt;
    expect(states(mirror)).toEqual(['failed', 'good', 'good']);
    // It comes late, and into memory that nobody uses any more.
    bad.memory.fill(9);
    bad.answer();
    mirror.fail(1);
    expect((await readAll(mirror)).equals(Buffer.alloc(DATA, 7))).toBe(true);
    await mirror.close();
  });

  it('is reached by a reset, and what was written on some halves only is made equal', async () => {
    const bad = openHung({ abortable: true });
    const good = openHung();
    const mirror = await openMirror([good.device, bad.device], equal);
    bad.hung = () => true;
    const pending = write(mirror.device, Buffer.alloc(4096, 3), 0);
    expect(await soFar(pending)).toBe('pending');
    bad.hung = () => false;
    const reset = makeIo({ operation: BLOCK_RESET, buffer: null });
    expect(await soFar(start(mirror.device, reset))).toEqual(done(0));
    expect((await pending).error).toBe(ECANCELED);
    await mirror.settled();
    expect(states(mirror)).toEqual(['good', 'good']);
    expect(Buffer.compare(good.memory.subarray(0, DATA), bad.memory.subarray(0, DATA))).toBe(0);
    expect(mirror.repaired).toBe(0);
    await mirror.close();
  });

  it('stops nothing for ever, whenever it stops answering, and leaves halves equal', async () => {
    const random = seededRandom('halves that stop answering');
    for (let round = 0; round < 150; round++) {
      const all = [0, 1, 2].map(() => openHung({ abortable: random(2) === 0 }));
      const mirror = await openMirror(
        all.map(({ device }) => device),
        equal,
      );
      const places = [...all];
      const ends: Promise<unknown>[] = [];
      for (let step = 0; step < 60; step++) {
        const index = random(3);
        const place = places[index] as HungDevice;
        const what = random(12);
        const offset = random(DATA - 5000);
        const fill = Buffer.alloc(1 + random(5000), step + 1);
        if (what < 5) ends.push(write(mirror.device, fill, offset));
        else if (what < 7) ends.push(start(mirror.device, makeIo({ offset })));
        else if (what === 7) place.hung = () => random(2) === 0;
        else if (what === 8) place.answer();
        else if (what === 9 && random(4) === 0) ends.push(start(mirror.device, makeIo({ operation: BLOCK_RESET, buffer: null })));
        else if (what === 10) tryToFail(mirror, index);
        else if (what === 11 && random(2) === 0) ends.push(mirror.rebuild(index, { pieceBytes: 8192 }).catch(() => {}));
        else if (what === 11) {
          const fresh = openHung();
          const replaced = mirror.replace(index, fresh.device, { pieceBytes: 8192 });
          if (mirror.halves()[index]?.device === fresh.device) {
            places[index] = fresh;
            all.push(fresh);
          }
          ends.push(replaced.catch(() => {}));
        }
        if (random(3) === 0) await turn();
      }
      for (const each of all) each.hung = () => false;
      let ended = false;
      Promise.all([...ends, mirror.settled()]).then(() => {
        ended = true;
      });
      while (!ended) {
        for (const each of all) each.answer();
        await turn();
      }
      await mirror.settled();
      const good = mirror.halves().flatMap(({ state }, index) => (state === 'good' ? [places[index] as HungDevice] : []));
      expect(good.length).toBeGreaterThan(0);
      for (const { memory } of good) expect(Buffer.compare(memory.subarray(0, DATA), await readAll(mirror))).toBe(0);
      await mirror.close();
    }
  });

  it('is asked again, once, where that says nothing of it', async () => {
    for (const sync of [false, true]) {
      for (const [error, times, expected] of [
        [ECANCELED, 1, 'good'],
        [EAGAIN, 1, 'good'],
        [ECANCELED, 2, 'failed'],
      ] as const) {
        const bad = openHung({ retry: false });
        const mirror = await mirrorWith(bad);
        let left = times as number;
        bad.fail = () => (left-- > 0 ? error : 0);
        const io = makeIo({ operation: BLOCK_WRITE, buffer: bufferOf('something') });
        expect(sync ? runSync(mirror.device, io) : await start(mirror.device, io)).toEqual(done(9));
        expect(states(mirror)).toEqual(['good', expected]);
        if (expected === 'good') expect(bad.memory.subarray(0, 9).toString()).toBe('something');
        bad.fail = () => 0;
        await mirror.close();
      }
    }
  });
});

describe('a rebuild', () => {
  it('makes room for the next when the half fails, or is replaced', async () => {
    const mirror = await openMirror([openMem(SIZE), openMem(SIZE)], equal);
    await write(mirror.device, Buffer.alloc(DATA, 7), 0);
    const slow = { bytesPerSecond: 1, pieceBytes: 4096 };
    mirror.fail(1);
    const first = mirror.rebuild(1, slow);
    const ended = expect(first).rejects.toThrow(code('ECANCELED'));
    await soFar(first);
    mirror.fail(1);
    const second = mirror.rebuild(1, slow);
    const endedToo = expect(second).rejects.toThrow(code('ECANCELED'));
    await soFar(second);
    await mirror.replace(1, openMem(SIZE));
    await Promise.all([ended, endedToo]);
    expect(mirror.halves()[1]).toMatchObject({ state: 'good', rebuiltBytes: null });
    mirror.fail(0);
    expect((await readAll(mirror)).equals(Buffer.alloc(DATA, 7))).toBe(true);
    await mirror.close();
  });
});

describe('labels of which the power has let some be written', () => {
  it('leave a half that is copied to, and not one that is lost', async () => {
    const devices = [openHung(), openHung()];
    const open = (options = {}) =>
      openMirror(
        devices.map(({ device }) => device),
        { closeChildren: false, ...options },
      );
    await (await open(equal)).close();
    for (const behind of [0, 1]) {
      const { memory } = devices[behind] as HungDevice;
      const mirror = await open();
      const old = Buffer.from(memory.subarray(DATA));
      await mirror.close();
      memory.set(old, DATA);
      const again = await open({ autoRebuild: false });
      expect(states(again)[behind]).toBe('rebuilding');
      expect(states(again)[1 - behind]).toBe('good');
      await again.rebuild(behind);
      expect(states(again)).toEqual(['good', 'good']);
      await again.close();
    }
  });

  it('do not leave a mirror without halves that have the data', async () => {
    const devices = [openHung(), openHung()];
    const open = (options = {}) =>
      openMirror(
        devices.map(({ device }) => device),
        { closeChildren: false, ...options },
      );
    const mirror = await open(equal);
    mirror.fail(1);
    await mirror.settled();
    const old = Buffer.from((devices[0] as HungDevice).memory.subarray(DATA));
    const slow = mirror.rebuild(1, { bytesPerSecond: 1 });
    const ended = expect(slow).rejects.toThrow(code('ECANCELED'));
    await mirror.settled();
    const newer = Buffer.from((devices[1] as HungDevice).memory.subarray(DATA));
    await mirror.close();
    await ended;
    (devices[0] as HungDevice).memory.set(old, DATA);
    (devices[1] as HungDevice).memory.set(newer, DATA);
    const again = await open({ autoRebuild: false });
    expect(states(again)).toEqual(['good', 'rebuilding']);
    await again.close();
  });

  it('are looked for at the end alone, and the message says so', async () => {
    await expect(openMirror([openMem(SIZE), openMem(SIZE)])).rejects.toThrow(/has grown keeps its label/);
  });
});

describe('a mirror says what it can do', () => {
  it('and keeps to it', async () => {
    const mirror = await openMirror([openMem(SIZE), openMem(SIZE)], equal);
    expect(mirror.device.capabilities).toMatchObject({ progress: 'any', discard: false, extents: true });
    const discard = makeIo({ operation: BLOCK_DISCARD, buffer: null, lengthBytes: 4096 });
    expect((await start(mirror.device, discard)).error).toBe(constants.errno.ENOTSUP);
    const path = join(folder, 'event-loop');
    writeFileSync(path, Buffer.alloc(SIZE));
    const other = openFile(path, { engine: 'fs' });
    mirror.fail(1);
    await expect(mirror.replace(1, other)).rejects.toThrow(code('EINVAL'));
    await other.close();
    const io = makeIo({ operation: BLOCK_WRITE });
    mirror.device.strategy(io);
    biowait(io, 10_000);
    expect(io.error).toBe(0);
    await mirror.close();
    const unlike = await openMirror([openMem(SIZE), openHung().device], equal);
    expect(unlike.device.capabilities.extents).toBe(false);
    await unlike.close();
  });
});
