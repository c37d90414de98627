import { strict as assert } from 'node:assert';
import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_READ,
  BLOCK_RESET,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
  biowait,
  EXTENT_DATA,
  ExtentList,
  IO_DONE,
} from '@biodone/blockdev';
import { EBADF, ECANCELED, EINVAL, ENOTSUP, EPERM, EROFS, IoBuffer, IoVector } from '@biodone/uring';
import { ENODEV } from '../errno.js';
import { compareRequest, flushRequest, readRequest, request, run, turn, writeRequest } from '../requests.js';
import { completeAll } from './complete-all.js';
import type { Bench, Suite } from './suite.js';

/** What holds for a device that is for reading alone, and whose contents are known. */
export function testReadOnly(suite: Suite, contents: Uint8Array): void {
  const test = (name: string, body: (bench: Bench, contents: Uint8Array) => Promise<void>): void =>
    suite.test(name, (bench) => body(bench, contents));
  test('reads what it holds, in pieces of any length, in both ways', testPieces);
  test('takes reads at its edges and refuses those beyond', testEdges);
  test('takes memory that begins anywhere, and in odd parts', testMemory);
  test('refuses whatever would write, and flushes', testWrites);
  test('completes each read once, and calls nobody before strategy returns', testOnce);
  test('completes reads without a callback for who waits', testBiowait);
  test('tells extents that cover it exactly, and whose holes are zeros', testExtents);
  test('completes what is aborted once, ends by a reset what it can, and goes on', testAbort);
  test('is used by others as its claims say', testClaims);
  test('drains at close, and refuses what comes later', testClose);
  test('describes itself as JSON, and says how it is opened again', testConfig);
  const { remove } = suite.target;
  if (remove !== undefined) suite.test('ends everything when its medium goes away', (bench) => testRemove(bench, remove));
}

function expectBytes(io: BlockIo, contents: Uint8Array, what: string): void {
  const { offset, lengthBytes, buffer, bufferOffset } = io;
  const found = buffer?.bytes.subarray(bufferOffset, bufferOffset + lengthBytes) ?? new Uint8Array();
  assert.equal(Buffer.compare(found, contents.subarray(offset, offset + lengthBytes)), 0, `${what} at ${offset}`);
}

function randomRead(bench: Bench, most: number): BlockIo {
  const { block, random, size } = bench;
  const first = random.below(size / block);
  const count = 1 + random.below(Math.min(Math.floor(most / block), size / block - first));
  return readRequest(first * block, count * block);
}

async function testPieces(bench: Bench, contents: Uint8Array): Promise<void> {
  assert.equal(bench.size, contents.length);
  assert.equal(bench.device.capabilities.readOnly, true);
  for (let round = 0; round < 30; round++) {
    const reads = Array.from({ length: 8 }, () => randomRead(bench, round % 4 === 0 ? bench.size : 20_000));
    for (const { error } of await bench.all(reads)) assert.equal(error, 0);
    for (const io of reads) expectBytes(io, contents, 'a read');
    const io = randomRead(bench, 20_000);
    assert.deepEqual(bench.sync(io), { error: 0, transferredBytes: io.lengthBytes });
    expectBytes(io, contents, 'a read in the calling thread');
  }
}

async function testEdges(bench: Bench): Promise<void> {
  const { block, size } = bench;
  const table: [offset: number, lengthBytes: number, error: number][] = [
    [0, block, 0],
    [0, 0, 0],
    [size - block, block, 0],
    [size, 0, 0],
    [-block, block, EINVAL],
    [size - block, 2 * block, EINVAL],
    [size, block, EINVAL],
    [Number.NaN, block, EINVAL],
    [2 ** 53, block, EINVAL],
  ];
  for (const [offset, lengthBytes, error] of table) {
    const make = (): BlockIo => request(BLOCK_READ, { buffer: IoBuffer.allocate(2 * block), offset, lengthBytes });
    const expected = { error, transferredBytes: error === 0 ? lengthBytes : 0 };
    assert.deepEqual(await bench.one(make()), expected, `${lengthBytes} at ${offset}`);
    assert.deepEqual(bench.sync(make()), expected, `${lengthBytes} at ${offset}, in the calling thread`);
  }
}

async function testMemory(bench: Bench, contents: Uint8Array): Promise<void> {
  const lengthBytes = bench.length(30_000);
  for (const bufferOffset of [1, 511, 4095]) {
    const buffer = IoBuffer.allocate(bufferOffset + lengthBytes + 1);
    buffer.bytes.fill(170);
    const io = request(BLOCK_READ, { buffer, bufferOffset, lengthBytes });
    assert.equal((await bench.one(io)).error, 0);
    expectBytes(io, contents, `memory from ${bufferOffset} on`);
    assert.deepEqual([buffer.bytes[bufferOffset - 1], buffer.bytes[bufferOffset + lengthBytes]], [170, 170]);
  }
  for (const pieces of [2, 7]) {
    const cuts = Array.from({ length: pieces - 1 }, () => bench.random.below(lengthBytes)).sort((one, other) => one - other);
    const ends = [...cuts, lengthBytes];
    const segments = ends.map((end, index) => {
      const length = end - (ends[index - 1] ?? 0);
      return { memory: IoBuffer.allocate(Math.max(1, length)), lengthBytes: length };
    });
    const io = request(BLOCK_READ, { vector: new IoVector(segments), offset: bench.block, lengthBytes });
    assert.deepEqual(await bench.one(io), { error: 0, transferredBytes: lengthBytes });
    const found = Buffer.concat(segments.map(({ memory, lengthBytes: length }) => memory.bytes.subarray(0, length)));
    assert.equal(Buffer.compare(found, contents.subarray(bench.block, bench.block + lengthBytes)), 0, `${pieces} parts`);
  }
}

async function testWrites(bench: Bench, contents: Uint8Array): Promise<void> {
  const bytes = new Uint8Array(bench.block).fill(1);
  const makes: [name: string, make: () => BlockIo][] = [
    ['a write', () => writeRequest(0, bytes)],
    ['zeros', () => request(BLOCK_WRITE_ZEROES, { lengthBytes: bench.block })],
    ['a discard', () => request(BLOCK_DISCARD, { lengthBytes: bench.block })],
    ['a comparison', () => compareRequest(0, contents.subarray(0, bench.block), bytes)],
  ];
  for (const [name, make] of makes) {
    const { operation } = make();
    // What no device of this kind does is refused as that.
    const refusal = operation === BLOCK_DISCARD && !bench.device.capabilities.discard ? ENOTSUP : EROFS;
    assert.equal((await bench.one(make())).error, refusal, name);
    assert.equal(bench.sync(make()).error, refusal, name);
  }
  assert.deepEqual(await bench.one(flushRequest()), { error: 0, transferredBytes: 0 });
  assert.deepEqual(bench.sync(flushRequest()), { error: 0, transferredBytes: 0 });
  const io = readRequest(0, bench.block);
  assert.equal((await bench.one(io)).error, 0);
  expectBytes(io, contents, 'what nobody has written to');
}

async function testOnce(bench: Bench, contents: Uint8Array): Promise<void> {
  const reads = Array.from({ length: 64 }, () => randomRead(bench, 40_000));
  await completeAll(bench, 'many reads', reads);
  for (const io of reads) {
    assert.equal(io.error, 0);
    expectBytes(io, contents, 'one of many reads');
  }
  const io = readRequest(0, bench.block);
  const again = run(bench.device, io);
  assert.throws(() => bench.device.strategy(io), { code: 'EALREADY' });
  assert.equal((await bench.settle('a read', again, [io])).error, 0);
}

async function testBiowait(bench: Bench, contents: Uint8Array): Promise<void> {
  if (bench.device.capabilities.progress === 'event-loop') return;
  const reads = Array.from({ length: 8 }, () => randomRead(bench, 40_000));
  for (const io of reads) bench.device.strategy(io);
  for (const io of [...reads].reverse()) {
    biowait(io, bench.suite.target.watchdogMs ?? 10_000);
    assert.equal(io.error, 0);
    expectBytes(io, contents, 'a read that was waited for');
  }
}

async function testExtents(bench: Bench, contents: Uint8Array): Promise<void> {
  for (const capacity of [1, 3, 64]) {
    for (let at = 0; at < bench.size; ) {
      const extents = new ExtentList(capacity);
      const io = request(BLOCK_EXTENTS, { offset: at, lengthBytes: bench.size - at, extents });
      const { error, transferredBytes } = await bench.one(io);
      assert.equal(error, 0);
      assert.ok(transferredBytes > 0);
      let next = at;
      for (let index = 0; index < extents.count; index++) {
        assert.equal(extents.offset(index), next, 'extents have no gaps');
        next += extents.lengthBytes(index);
        const bytes = contents.subarray(extents.offset(index), next);
        assert.ok(extents.kind(index) === EXTENT_DATA || bytes.every((byte) => byte === 0), 'a hole reads as zeros');
      }
      assert.equal(next, at + transferredBytes, 'extents cover what they say');
      at = next;
    }
  }
}

async function testAbort(bench: Bench, contents: Uint8Array): Promise<void> {
  const reads = Array.from({ length: 24 }, () => randomRead(bench, 60_000));
  const ended = reads.map((io) => run(bench.device, io));
  const verdicts = reads.slice(0, 12).map((io) => bench.device.abort(io));
  const reset = run(bench.device, request(BLOCK_RESET));
  const outcomes = await bench.settle('aborted reads', Promise.all(ended), reads);
  for (const [index, io] of reads.entries()) {
    const { error } = outcomes[index] ?? { error: -1 };
    assert.ok(error === 0 || error === ECANCELED, `errno ${error}`);
    if (verdicts[index] === 'cancelled') assert.equal(error, ECANCELED);
    if (error === 0) expectBytes(io, contents, 'a read that was to be aborted');
  }
  assert.equal((await bench.settle('a reset', reset)).error, 0);
  const io = readRequest(0, bench.block);
  assert.equal((await bench.one(io)).error, 0);
  expectBytes(io, contents, 'a read after the reset');
}

async function testClaims(bench: Bench): Promise<void> {
  const { block, device } = bench;
  for (const kind of ['read-many-write-none', 'exclusive'] as const) {
    const claim = device.claim(kind);
    assert.throws(() => device.claim('exclusive'), { code: 'EBUSY' });
    assert.equal((await bench.one(readRequest(0, block))).error, kind === 'exclusive' ? EPERM : 0);
    assert.equal((await bench.one(Object.assign(readRequest(0, block), { claim }))).error, 0);
    claim.release();
    assert.equal(bench.sync(readRequest(0, block)).error, 0);
  }
}

async function testClose(bench: Bench, contents: Uint8Array): Promise<void> {
  const reads = Array.from({ length: 16 }, () => randomRead(bench, 40_000));
  const ended = reads.map((io) => run(bench.device, io));
  await bench.settle('close with reads in flight', bench.device.close(), reads);
  for (const io of reads) assert.equal(io.state, IO_DONE);
  for (const { error } of await Promise.all(ended)) assert.equal(error, 0);
  for (const io of reads) expectBytes(io, contents, 'a read during the close');
  assert.equal((await run(bench.device, readRequest(0, bench.block))).error, EBADF);
  assert.equal(bench.sync(flushRequest()).error, EBADF);
  await bench.device.close();
}

async function testConfig(bench: Bench, contents: Uint8Array): Promise<void> {
  const { device, suite } = bench;
  const [description, config] = [device.describe(), device.config()];
  assert.deepEqual(JSON.parse(JSON.stringify(description)), description);
  assert.equal(typeof config.driver, 'string');
  if (suite.target.reopen === undefined) return;
  await device.close();
  const again = await suite.target.reopen(JSON.parse(JSON.stringify(config)));
  try {
    assert.deepEqual(again.limits, device.limits);
    assert.deepEqual(again.config(), config);
    const io = readRequest(0, contents.length);
    assert.equal((await run(again, io)).error, 0);
    expectBytes(io, contents, 'what was opened again');
  } finally {
    await again.close();
  }
}

async function testRemove(bench: Bench, remove: NonNullable<Suite['target']['remove']>): Promise<void> {
  const { block, device } = bench;
  let told = 0;
  device.on('remove', () => {
    told += 1;
  });
  const reads = Array.from({ length: 16 }, () => randomRead(bench, 40_000));
  const ended = reads.map((io) => run(device, io));
  remove(device);
  await bench.settle('reads of a device that is gone', Promise.all(ended), reads);
  await turn();
  assert.equal(told, 1);
  assert.equal((await bench.one(readRequest(0, block))).error, ENODEV);
  assert.equal(bench.sync(readRequest(0, block)).error, ENODEV);
}
