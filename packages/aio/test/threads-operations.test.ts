import { ServiceThreads } from '@biodone/aio';
import {
  BLOCK_ABORT,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  BlockIo,
  ExtentList,
  openFile,
  openMem,
  openNull,
} from '@biodone/blockdev';
import { EBADF, EINVAL, ENOTSUP, EPERM, IoBuffer, IoVector, probe } from '@biodone/uring';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { openGate } from './support/gate-driver.mjs';
import { opOf, run, spawnScript, type TestOp } from './support/service.js';

const { available, reason } = probe();
if (!available) console.warn(`the operations through io_uring are skipped: ${reason}`);
const EILSEQ = 84;

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

let folder: Folder;
let device: BlockDevice;
let service: ServiceThreads;

beforeAll(() => {
  folder = makeFolder();
});

afterAll(() => folder.remove());

function serve(opened: BlockDevice, options = {}): void {
  device = opened;
  service = new ServiceThreads(opened, 64, 2, options);
}

afterEach(async () => {
  await service.close();
  await device.close();
});

function go(fields: Partial<TestOp>): Promise<TestOp> {
  return run(service, opOf(fields));
}

function filled(lengthBytes: number, byte: number): IoBuffer {
  const buffer = IoBuffer.allocate(lengthBytes);
  buffer.bytes.fill(byte);
  return buffer;
}

const DEVICES: [string, (name: string) => BlockDevice][] = [
  ['mem', () => openMem(2 ** 20)],
  ['a file by blocking calls', (name) => openFile(`${folder.path}/${name}`, { create: true, growable: true, engine: 'fs' })],
  ['a file by the sync engine', (name) => openFile(`${folder.path}/${name}`, { create: true, growable: true, engine: 'sync' })],
];
if (available)
  DEVICES.push([
    'a file by io_uring',
    (name) => openFile(`${folder.path}/${name}`, { create: true, growable: true, engine: 'uring' }),
  ]);

describe.each(DEVICES)('through service threads, %s', (name, open) => {
  it('moves each byte of vectors to its place, again and again', async () => {
    serve(open(`vector-${name}`));
    const a = filled(1024, 1);
    const b = filled(2048, 2);
    const parts = [
      { memory: a, memoryOffset: 100, lengthBytes: 300 },
      { memory: b },
      { memory: a, memoryOffset: 0, lengthBytes: 100 },
    ];
    const source = new IoVector(parts);
    const target = new IoVector([{ memory: filled(1000, 0) }, { memory: filled(1448, 0) }]);
    for (let round = 0; round < 3; round++) {
      b.bytes.fill(10 + round);
      const offset = round * 4096;
      const written = await go({ operation: BLOCK_WRITE, vector: source, lengthBytes: 2448, offset });
      expect([written.error, written.transferredBytes]).toEqual([0, 2448]);
      const read = await go({ operation: BLOCK_READ, vector: target, lengthBytes: 2448, offset });
      expect([read.error, read.transferredBytes]).toEqual([0, 2448]);
      const flat = Buffer.concat(target.segments.map(({ memory }) => memory.bytes));
      expect([flat[0], flat[299], flat[300], flat[2347], flat[2348]]).toEqual([1, 1, 10 + round, 10 + round, 1]);
    }
  });

  it('bounces memory that cannot be shared, one part or several, and nothing beyond what was read', async () => {
    serve(open(`bounce-${name}`));
    const trusted = (length: number, byte: number) => IoBuffer.over(Buffer.alloc(length, byte), { trusted: true });
    const source = trusted(600, 7);
    expect((await go({ operation: BLOCK_WRITE, buffer: source, bufferOffset: 88, lengthBytes: 512 })).error).toBe(0);
    const target = trusted(600, 0);
    const read = await go({ buffer: target, bufferOffset: 50, lengthBytes: 512 });
    expect([read.error, read.transferredBytes]).toEqual([0, 512]);
    expect([target.bytes[49], target.bytes[50], target.bytes[561], target.bytes[562]]).toEqual([0, 7, 7, 0]);
    const shared = filled(256, 0);
    const vector = new IoVector([{ memory: trusted(256, 0) }, { memory: shared }]);
    expect((await go({ vector, lengthBytes: 512 })).transferredBytes).toBe(512);
    expect([vector.segments[0]?.memory.bytes[255], shared.bytes[255]]).toEqual([7, 7]);
  });

  it('compares and writes both or nothing, whichever thread does it', async () => {
    serve(open(`compare-${name}`));
    await go({ operation: BLOCK_WRITE, buffer: filled(512, 0) });
    const fields = { operation: BLOCK_COMPARE_AND_WRITE, lengthBytes: 512, offset: 0 };
    for (let round = 0; round < 10; round++) {
      // One of them finds what it compares with; and all others what that one has written.
      const rivals = Array.from({ length: 8 }, () => ({
        ...fields,
        compare: filled(512, round),
        buffer: filled(512, round + 1),
      }));
      // They are for ranges of others, and are with the other thread meanwhile.
      const others = Array.from({ length: 8 }, (_, index) => go({ operation: BLOCK_WRITE, offset: 4096 + index * 512 }));
      const ended = await Promise.all(rivals.map((rival) => go(rival)));
      expect(ended.map(({ error }) => error).sort((a, b) => a - b)).toEqual([0, ...new Array(7).fill(EILSEQ)]);
      for (const { error } of await Promise.all(others)) expect(error).toBe(0);
    }
    const buffer = filled(512, 0);
    await go({ buffer, lengthBytes: 512, offset: 0 });
    expect(new Set(buffer.bytes)).toEqual(new Set([10]));
  });

  it('tells the extents as the device itself does', async () => {
    serve(open(`extents-${name}`));
    await go({ operation: BLOCK_WRITE, buffer: filled(4096, 1), lengthBytes: 4096, offset: 0 });
    await go({ operation: BLOCK_WRITE, buffer: filled(4096, 1), lengthBytes: 4096, offset: 2 ** 19 });
    await go({ operation: BLOCK_FLUSH, lengthBytes: 0 });
    const there = await go({ operation: BLOCK_EXTENTS, extents: new ExtentList(8), lengthBytes: 2 ** 19 + 4096 });
    const here = Object.assign(new BlockIo(), {
      operation: BLOCK_EXTENTS,
      extents: new ExtentList(8),
      lengthBytes: 2 ** 19 + 4096,
    });
    device.strategySync(here);
    expect([there.error, there.transferredBytes]).toEqual([here.error, here.transferredBytes]);
    expect(listOf(there.extents)).toEqual(listOf(here.extents));
    expect(there.extents?.count).toBeGreaterThan(0);
    // An operation that comes after in the same slot has no extents.
    expect((await go({ operation: BLOCK_EXTENTS })).error).toBe(EINVAL);
  });

  it('takes flags, discards and zeros along, and what no channel knows is ENOTSUP', async () => {
    serve(open(`flags-${name}`));
    expect((await go({ operation: BLOCK_WRITE, flags: BLOCK_FUA })).error).toBe(0);
    expect((await go({ operation: BLOCK_WRITE, flags: 64 })).error).toBe(ENOTSUP);
    expect((await go({ operation: BLOCK_WRITE })).error).toBe(0);
    expect((await go({ operation: BLOCK_WRITE_ZEROES, lengthBytes: 256 })).error).toBe(0);
    expect((await go({ operation: 77 as 0 })).error).toBe(ENOTSUP);
  });
});

function listOf(extents: ExtentList | null): unknown[] {
  if (extents === null) return [];
  return Array.from({ length: extents.count }, (_, index) => [
    extents.offset(index),
    extents.lengthBytes(index),
    extents.kind(index),
  ]);
}

describe('operations on service threads', () => {
  it('reach offsets beyond 2^32 on a file, and up to 2^53 where a device has them', async () => {
    serve(openFile(`${folder.path}/far`, { create: true, growable: true }));
    const offset = 2 ** 33 + 512;
    expect((await go({ operation: BLOCK_WRITE, buffer: filled(512, 3), offset })).error).toBe(0);
    const read = await go({ offset });
    expect(read.buffer?.bytes).toEqual(filled(512, 3).bytes);
    await service.close();
    await device.close();
    serve(openNull(Number.MAX_SAFE_INTEGER));
    expect((await go({ offset: Number.MAX_SAFE_INTEGER - 512 })).error).toBe(0);
    expect((await go({ offset: Number.MAX_SAFE_INTEGER - 511 })).error).toBe(EINVAL);
  });

  it.each([
    ['a BigInt as offset', { offset: 1n }],
    ['no number as offset', { offset: 'x' }],
    ['half a byte', { lengthBytes: 1.5 }],
    ['no buffer', { buffer: undefined }],
    ['a Buffer as buffer', { buffer: Buffer.alloc(512) }],
    ['no vector', { buffer: null, vector: [] }],
    ['a range outside of trusted memory', { buffer: IoBuffer.over(Buffer.alloc(8), { trusted: true }) }],
  ])('end with EINVAL where they are wrong: %s', async (_, wrong) => {
    serve(openMem(65536));
    const op = Object.assign(opOf(), wrong);
    expect((await run(service, op)).error).toBe(EINVAL);
    expect((await go({})).error).toBe(0);
  });

  it('carry claims: the right one, none, and one that has been released', async () => {
    serve(openMem(65536));
    const claim = device.claim('exclusive');
    expect((await go({})).error).toBe(EPERM);
    expect((await go({ claim })).error).toBe(0);
    claim.release();
    const other = device.claim('exclusive');
    expect((await go({ claim })).error).toBe(EPERM);
    other.release();
    expect((await go({ operation: BLOCK_DISCARD })).error).toBe(0);
  });

  it('carry what is compared, be it shared or not, and tell where the difference is', async () => {
    serve(openGate().device, { spawn: spawnScript('gate-worker.mjs') });
    const fields = { operation: BLOCK_COMPARE_AND_WRITE, compareOffset: 512, buffer: filled(600, 6), bufferOffset: 88 };
    for (const compare of [filled(1024, 6), IoBuffer.over(Buffer.alloc(1024, 6), { trusted: true })]) {
      expect((await go({ ...fields, compare })).error).toBe(0);
      compare.bytes[512 + 17] = 9;
      const differs = await go({ ...fields, compare });
      expect([differs.error, differs.transferredBytes]).toEqual([EILSEQ, 17]);
    }
    expect((await go({ ...fields, compare: null })).error).toBe(EINVAL);
  });

  it('work by the right of the claim that the threads were given', async () => {
    const opened = openMem(65536);
    const claim = opened.claim('exclusive');
    serve(opened, { claim });
    expect((await go({})).error).toBe(0);
  });

  it('about other operations are answered: BLOCK_ABORT', async () => {
    serve(openMem(65536));
    const done = await go({});
    const abort = await go({ operation: BLOCK_ABORT, target: done });
    expect([abort.error, abort.verdict]).toEqual([0, 'done']);
    expect((await go({ operation: BLOCK_ABORT, target: null })).error).toBe(EINVAL);
  });

  it('end with EBADF on a device that is closing, which waits for the service', async () => {
    serve(openMem(65536));
    await go({});
    let closed = false;
    const closing = device.close().then(() => {
      closed = true;
    });
    expect((await go({})).error).toBe(EBADF);
    expect(closed).toBe(false);
    await service.close();
    await closing;
  });

  it('see a file that has grown', async () => {
    const path = folder.numbered('growing', 1);
    serve(openFile(path, { readOnly: true }));
    expect((await go({ offset: 4096 })).error).toBe(EINVAL);
    folder.numbered('growing', 2);
    device.refresh();
    expect((await go({ offset: 4096 })).transferredBytes).toBe(512);
  });
});
