import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import {
  attachDevice,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FUA,
  BLOCK_NO_UNMAP,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  EXTENT_DATA,
  ExtentList,
  openMem,
} from '@biodone/blockdev';
import { IoBuffer, type IoBufferHandle, IoVector } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { seededRandom } from './support/random.js';
import { bufferOf, makeIo, type Outcome, read, runSync, start, write } from './support/requests.js';

const { EINVAL, ENOTSUP, EROFS } = constants.errno;
const CHUNK = 65536;
const MIB = 2 ** 20;
const isLinux = process.platform === 'linux';
const zeroed = it.skipIf(!isLinux);

function change(device: BlockDevice, operation: number, offset: number, lengthBytes: number, flags = 0): Promise<Outcome> {
  const io = makeIo({ operation, buffer: null, offset, lengthBytes });
  io.flags = flags;
  return start(device, io);
}

async function extentsOf(device: BlockDevice, offset = 0, lengthBytes = Number(device.limits.sizeBytes), capacity = 64) {
  const io = makeIo({ operation: BLOCK_EXTENTS, buffer: null, offset, lengthBytes });
  const list = new ExtentList(capacity);
  io.extents = list;
  const { transferredBytes } = await start(device, io);
  const found = Array.from({ length: list.count }, (_, index) => [
    list.kind(index) === EXTENT_DATA ? 'data' : 'hole',
    list.offset(index),
    list.lengthBytes(index),
  ]);
  return { found, transferredBytes };
}

async function bytesOf(device: BlockDevice, offset: number, lengthBytes: number): Promise<Buffer> {
  const buffer = IoBuffer.allocate(lengthBytes);
  buffer.bytes.fill(0xee);
  expect(await read(device, buffer, offset)).toEqual({ error: 0, transferredBytes: lengthBytes });
  return Buffer.from(buffer.bytes);
}

describe('a memory disk', () => {
  it('tells holes from what was written', async () => {
    const device = openMem(16 * CHUNK);
    expect((await extentsOf(device)).found).toEqual([['hole', 0, 16 * CHUNK]]);
    await write(device, 'x', 3 * CHUNK + 5);
    await write(device, Buffer.alloc(2 * CHUNK, 1), 5 * CHUNK - 1);
    expect((await extentsOf(device)).found).toEqual([
      ['hole', 0, 3 * CHUNK],
      ['data', 3 * CHUNK, 4 * CHUNK],
      ['hole', 7 * CHUNK, 9 * CHUNK],
    ]);
    expect((await extentsOf(device, 3 * CHUNK - 10, 20)).found).toEqual([
      ['hole', 3 * CHUNK - 10, 10],
      ['data', 3 * CHUNK, 10],
    ]);
    expect(device.describe()).toMatchObject({ allocatedBytes: 4 * CHUNK });
    // A list that is full ends the answer, which says up to where it is good.
    expect(await extentsOf(device, 0, 16 * CHUNK, 2)).toMatchObject({ transferredBytes: 7 * CHUNK });
  });

  zeroed.each([
    ['discard', BLOCK_DISCARD, 0],
    ['zeros', BLOCK_WRITE_ZEROES, 0],
    ['fast zeros', BLOCK_WRITE_ZEROES, BLOCK_FAST_ONLY],
  ])('gives whole chunks back: %s', async (_, operation, flags) => {
    const device = openMem(8 * CHUNK);
    await write(device, Buffer.alloc(8 * CHUNK, 0xaa), 0);
    const [from, to] = [CHUNK - 100, 4 * CHUNK + 100];
    expect(await change(device, operation, from, to - from, flags)).toEqual({ error: 0, transferredBytes: to - from });
    expect((await extentsOf(device)).found).toEqual([
      ['data', 0, CHUNK],
      ['hole', CHUNK, 3 * CHUNK],
      ['data', 4 * CHUNK, 4 * CHUNK],
    ]);
    const expected = Buffer.alloc(8 * CHUNK, 0xaa).fill(0, from, to);
    expect((await bytesOf(device, 0, 8 * CHUNK)).equals(expected)).toBe(true);
  });

  zeroed('gives the last chunk back, although the device ends in it', async () => {
    const device = openMem(2 * CHUNK + 10);
    await write(device, Buffer.alloc(2 * CHUNK + 10, 1), 0);
    await change(device, BLOCK_DISCARD, CHUNK, CHUNK + 10);
    expect((await extentsOf(device)).found).toEqual([
      ['data', 0, CHUNK],
      ['hole', CHUNK, CHUNK + 10],
    ]);
    expect((await bytesOf(device, CHUNK, CHUNK + 10)).equals(Buffer.alloc(CHUNK + 10))).toBe(true);
  });

  it('keeps zeros allocated that are not to be unmapped', async () => {
    const device = openMem(2 * CHUNK);
    await write(device, Buffer.alloc(10, 1), 0);
    await change(device, BLOCK_WRITE_ZEROES, 0, 2 * CHUNK, BLOCK_NO_UNMAP);
    expect((await extentsOf(device)).found).toEqual([['data', 0, 2 * CHUNK]]);
    expect(await bytesOf(device, 0, 10)).toEqual(Buffer.alloc(10));
    expect(await change(device, BLOCK_WRITE_ZEROES, 0, CHUNK, BLOCK_NO_UNMAP | BLOCK_FAST_ONLY)).toMatchObject({
      error: ENOTSUP,
    });
  });

  it('reads into and writes from several parts of memory', async () => {
    const device = openMem(1000);
    const [one, other] = [bufferOf('hello '), bufferOf('world')];
    const io = makeIo({ operation: BLOCK_WRITE, buffer: null, offset: 100, lengthBytes: 11 });
    io.vector = new IoVector([{ memory: one }, { memory: other }]);
    io.flags = BLOCK_FUA;
    expect(await start(device, io)).toEqual({ error: 0, transferredBytes: 11 });
    expect((await bytesOf(device, 100, 11)).toString()).toBe('hello world');
    const target = IoBuffer.allocate(100);
    const back = makeIo({ operation: BLOCK_READ, buffer: null, offset: 100, lengthBytes: 11 });
    back.vector = new IoVector([
      { memory: target, memoryOffset: 50, lengthBytes: 4 },
      { memory: target, memoryOffset: 10, lengthBytes: 7 },
    ]);
    expect(runSync(device, back)).toEqual({ error: 0, transferredBytes: 11 });
    expect(Buffer.from(target.bytes.subarray(50, 54)).toString()).toBe('hell');
    expect(Buffer.from(target.bytes.subarray(10, 17)).toString()).toBe('o world');
  });

  it('can be read-only, and have blocks', async () => {
    const device = openMem(8192, { blockSizeBytes: 4096, readOnly: true });
    expect(await write(device, Buffer.alloc(4096), 0)).toEqual({ error: EROFS, transferredBytes: 0 });
    expect(runSync(device, makeIo({ lengthBytes: 512 })).error).toBe(EINVAL);
    expect(device.config()).toEqual({ driver: 'mem', sizeBytes: 8192, blockSizeBytes: 4096, readOnly: true });
    expect(attachDevice(structuredClone(device.handle())).limits).toEqual(device.limits);
    expect(() => openMem(1000, { blockSizeBytes: 512 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    expect(() => openMem(0)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('refuses more than this Node, or the system, can have, and says why', () => {
    for (const size of [2 ** 46, Number.MAX_SAFE_INTEGER]) {
      expect(() => openMem(size)).toThrow(
        expect.objectContaining({
          code: expect.stringMatching(/^(ERR_OUT_OF_RANGE|ENOMEM)$/) as string,
          message: expect.stringMatching(/the most that Node|overcommit_memory/) as string,
        }),
      );
    }
  });

  zeroed('takes no memory for what was never written, and gives back what is discarded', async () => {
    const size = 256 * MIB;
    const before = process.memoryUsage.rss();
    const device = openMem(size);
    expect(process.memoryUsage.rss() - before).toBeLessThan(size / 2);
    const { address } = IoBuffer.attach((device.handle() as unknown as { memory: IoBufferHandle }).memory);
    // Looked at by the address, so that the rest of the process does not matter; a neighbour may be in the same mapping.
    const empty = residentAt(address);
    const io = makeIo({ operation: BLOCK_WRITE, buffer: bufferOf(Buffer.alloc(MIB, 1)) });
    for (io.offset = 0; io.offset < size; io.offset += MIB) expect(runSync(device, io).error).toBe(0);
    const full = residentAt(address);
    expect(full - empty).toBeGreaterThan(0.9 * size);
    await change(device, BLOCK_DISCARD, 0, size);
    expect(full - residentAt(address)).toBeGreaterThan(0.9 * size);
    expect((await bytesOf(device, size - MIB, MIB)).equals(Buffer.alloc(MIB))).toBe(true);
    expect(device.describe()).toMatchObject({ allocatedBytes: 0 });
  });

  it('shares contents and holes with the threads that attach to it', async () => {
    const device = openMem(4 * CHUNK);
    await write(device, 'from main', 10);
    const worker = new Worker(new URL('./support/attach-worker.mjs', import.meta.url), { workerData: device.handle() });
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    expect(await answerOf(worker)).toMatchObject({ seen: 'from main', error: 0 });
    await exit;
    const other = attachDevice(structuredClone(device.handle()));
    await write(other, 'x', 2 * CHUNK);
    expect((await extentsOf(device)).found).toEqual([
      ['data', 0, CHUNK],
      ['hole', CHUNK, CHUNK],
      ['data', 2 * CHUNK, CHUNK],
      ['hole', 3 * CHUNK, CHUNK],
    ]);
    await change(device, BLOCK_DISCARD, 0, 4 * CHUNK);
    expect(await bytesOf(other, 50, 11)).toEqual(Buffer.alloc(11));
    await other.close();
    await device.close();
  });

  it('has no data in holes, when one thread writes what another one discards', { timeout: 60_000 }, async () => {
    const device = openMem(CHUNK);
    const word = new SharedArrayBuffer(8);
    const words = new Int32Array(word);
    const worker = new Worker(new URL('./support/mem-writer.mjs', import.meta.url), {
      workerData: { handle: device.handle(), word },
    });
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    const discard = makeIo({ operation: BLOCK_DISCARD, buffer: null, lengthBytes: CHUNK });
    const ask = makeIo({ operation: BLOCK_EXTENTS, buffer: null, lengthBytes: CHUNK });
    const list = new ExtentList();
    ask.extents = list;
    const all = makeIo({ buffer: IoBuffer.allocate(CHUNK) });
    const zeros = Buffer.alloc(CHUNK);
    let holes = 0;
    const wrongRounds: number[] = [];
    // The worker's start takes the event loop.
    Atomics.store(words, 0, 2);
    while (Atomics.load(words, 1) !== 2) await new Promise((resolve) => setImmediate(resolve));
    for (let round = 0; round < 1000; round++) {
      Atomics.store(words, 0, 2 * round + 3);
      for (let count = 0; count < 10 + (round % 10); count++) runSync(device, discard);
      const pause = 2 * round + 4;
      Atomics.store(words, 0, pause);
      while (Atomics.load(words, 1) !== pause);
      runSync(device, ask);
      if (list.kind(0) === EXTENT_DATA) continue;
      holes += 1;
      runSync(device, all);
      if (zeros.compare(all.buffer?.bytes ?? zeros) !== 0) wrongRounds.push(round);
    }
    Atomics.store(words, 0, -1);
    expect(await answerOf(worker)).toMatchObject({ failed: 0 });
    await exit;
    expect(wrongRounds).toEqual([]);
    console.log(`a hole ${holes} times of 1000`);
  });

  it('has what an array has after random operations, and no data in holes', async () => {
    const random = seededRandom('memory disk');
    const size = 10 * CHUNK + 77;
    const device = openMem(size);
    const model = Buffer.alloc(size);
    for (let round = 0; round < 500; round++) {
      const offset = random(size);
      const length = Math.min(size - offset, random(3) === 0 ? random(5 * CHUNK) : random(3000));
      const fill = 1 + random(255);
      const operation = [BLOCK_WRITE, BLOCK_WRITE, BLOCK_DISCARD, BLOCK_WRITE_ZEROES][random(4)] as number;
      if (operation === BLOCK_WRITE) await write(device, Buffer.alloc(Math.max(1, length), fill).subarray(0, length), offset);
      else await change(device, operation, offset, length, operation === BLOCK_DISCARD ? 0 : random(2) * BLOCK_NO_UNMAP);
      model.fill(operation === BLOCK_WRITE ? fill : 0, offset, offset + length);
      if (round % 10 !== 0) continue;
      expect((await bytesOf(device, 0, size)).equals(model)).toBe(true);
      for (const [kind, at, count] of (await extentsOf(device)).found as [string, number, number][]) {
        if (kind === 'hole') expect(model.subarray(at, at + count).every((byte) => byte === 0)).toBe(true);
      }
    }
  });
});

/** How much of the mapping that an address is in is in memory, by /proc/self/smaps. */
function residentAt(address: number): number {
  let inside = false;
  for (const line of readFileSync('/proc/self/smaps', 'latin1').split('\n')) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range !== null)
      inside = Number.parseInt(range[1] as string, 16) <= address && address < Number.parseInt(range[2] as string, 16);
    const resident = inside ? /^Rss: +(\d+) kB/.exec(line) : null;
    if (resident !== null) return Number(resident[1]) * 1024;
  }
  throw new Error(`no mapping at ${address}`);
}
