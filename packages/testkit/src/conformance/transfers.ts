import { strict as assert } from 'node:assert';
import { BLOCK_READ, BLOCK_WRITE, type BlockIo, type BlockOperation } from '@biodone/blockdev';
import { EINVAL, ENOTSUP, IoBuffer, IoVector } from '@biodone/uring';
import { memoryOf, type Outcome, request } from '../requests.js';
import { type Bench, type Suite, TRANSFERS } from './suite.js';

/** Where requests begin and end, how long they are and where their memory lies. */
export function testTransfers(suite: Suite): void {
  suite.test('takes requests at its edges and refuses those beyond, in both ways', testEdges);
  suite.test('takes what is longer than 128 KiB', (bench) => testRoundTrip(bench, bench.block, bench.length(200_000)));
  suite.test('takes memory that begins anywhere', testMemory);
  suite.test('refuses parts of blocks, or does them exactly', testSmallest);
  suite.test('takes memory in odd parts', testVectors);
  suite.test('refuses operations and flags that nobody knows', testUnknown);
}

async function both(bench: Bench, make: () => BlockIo): Promise<Outcome> {
  const asynchronous = await bench.one(make());
  assert.deepEqual(bench.sync(make()), asynchronous, 'strategy and strategySync do not agree');
  return asynchronous;
}

async function testEdges(bench: Bench): Promise<void> {
  const { block, size } = bench;
  const fixed = bench.device.limits.sizeBytes !== null;
  const table: [offset: number, lengthBytes: number, error: number][] = [
    [0, block, 0],
    [0, 0, 0],
    [block, 3 * block, 0],
    [-block, block, EINVAL],
    [0, -block, EINVAL],
    [Number.NaN, block, EINVAL],
    [0, 0.5, EINVAL],
    [2 ** 53, block, EINVAL],
    [0, 2 ** 53, EINVAL],
    [2 ** 53 - 1, 2 ** 53 - 1, EINVAL],
    ...(fixed
      ? ([
          [size - block, block, 0],
          [size, 0, 0],
          [size - block, 2 * block, EINVAL],
          [size, block, EINVAL],
          [size + block, 0, EINVAL],
        ] as [number, number, number][])
      : []),
  ];
  const buffer = IoBuffer.allocate(4 * block);
  for (const operation of TRANSFERS) {
    for (const [offset, lengthBytes, error] of table) {
      const outcome = await both(bench, () => request(operation, { buffer, offset, lengthBytes }));
      assert.deepEqual(
        outcome,
        { error, transferredBytes: error === 0 ? lengthBytes : 0 },
        `${operation}: ${lengthBytes} at ${offset}`,
      );
    }
    const tooShort = await both(bench, () => request(operation, { buffer, lengthBytes: 5 * block }));
    assert.deepEqual(tooShort, { error: EINVAL, transferredBytes: 0 }, 'more than the buffer has');
    assert.equal((await both(bench, () => request(operation, { lengthBytes: block }))).error, EINVAL, 'no buffer');
  }
}

async function testRoundTrip(bench: Bench, offset: number, lengthBytes: number): Promise<void> {
  const bytes = bench.bytes(lengthBytes);
  await bench.write(offset, bytes);
  await bench.expect(offset, bytes, 'what was written');
  const again = bench.bytes(lengthBytes);
  assert.deepEqual(bench.sync(request(BLOCK_WRITE, { buffer: memoryOf(again), offset, lengthBytes })), {
    error: 0,
    transferredBytes: lengthBytes,
  });
  await bench.expect(offset, again, 'what was written in the synchronous way');
}

async function testMemory(bench: Bench): Promise<void> {
  const lengthBytes = bench.length(3000);
  for (const bufferOffset of [1, 7, 511, 4095]) {
    const buffer = IoBuffer.allocate(bufferOffset + lengthBytes + 1);
    const bytes = bench.bytes(lengthBytes);
    buffer.bytes.set(bytes, bufferOffset);
    assert.equal((await bench.one(request(BLOCK_WRITE, { buffer, bufferOffset, lengthBytes }))).error, 0);
    await bench.expect(0, bytes, `memory from ${bufferOffset} on`);
    if (!bench.suite.keepsData) continue;
    for (const way of ['strategy', 'strategySync']) {
      buffer.bytes.fill(170);
      const io = request(BLOCK_READ, { buffer, bufferOffset, lengthBytes });
      const { error } = way === 'strategy' ? await bench.one(io) : bench.sync(io);
      assert.equal(error, 0);
      const expected = new Uint8Array(buffer.lengthBytes).fill(170);
      expected.set(bytes, bufferOffset);
      assert.equal(Buffer.compare(buffer.bytes, expected), 0, `a read into memory from ${bufferOffset} on, by ${way}`);
    }
  }
}

async function testSmallest(bench: Bench): Promise<void> {
  const { block } = bench;
  if (block > 1) {
    for (const [offset, lengthBytes] of [
      [1, block],
      [0, 1],
      [0, block + 1],
      [block - 1, 2],
    ] as const) {
      for (const operation of TRANSFERS) {
        const outcome = await both(bench, () =>
          request(operation, { buffer: IoBuffer.allocate(2 * block), offset, lengthBytes }),
        );
        assert.deepEqual(outcome, { error: EINVAL, transferredBytes: 0 });
      }
    }
  }
  const base = bench.bytes(Math.max(bench.length(16_384), 16 * block));
  await bench.write(0, base);
  for (const [at, count] of [
    [0, 1],
    [1, 1],
    [7, 1],
    [3, 5],
    [8, 8],
  ] as const) {
    const part = bench.bytes(count * block);
    base.set(part, at * block);
    await bench.write(at * block, part);
    await bench.expect(0, base, `${count} blocks at ${at}`);
  }
}

async function testVectors(bench: Bench): Promise<void> {
  const { block } = bench;
  for (const pieces of [1, 2, 3, 7, 30]) {
    const total = bench.length(12_000);
    const bytes = bench.bytes(total);
    const segments = cutOddly(bench, pieces, total).map(([begin, end]) => ({
      memory: memoryOf(bytes.subarray(begin, end)),
      lengthBytes: end - begin,
    }));
    const write = request(BLOCK_WRITE, { vector: new IoVector(segments), offset: block, lengthBytes: total });
    assert.deepEqual(await bench.one(write), { error: 0, transferredBytes: total });
    await bench.expect(block, bytes, `a write of ${pieces} parts`);
    for (const way of ['strategy', 'strategySync']) {
      const into = segments.map(({ lengthBytes }) => ({ memory: IoBuffer.allocate(Math.max(1, lengthBytes)), lengthBytes }));
      const read = request(BLOCK_READ, { vector: new IoVector(into), offset: block, lengthBytes: total });
      assert.deepEqual(way === 'strategy' ? await bench.one(read) : bench.sync(read), { error: 0, transferredBytes: total });
      const found = Buffer.concat(into.map(({ memory, lengthBytes }) => memory.bytes.subarray(0, lengthBytes)));
      if (bench.suite.keepsData) assert.equal(Buffer.compare(found, bytes), 0, `a read of ${pieces} parts by ${way}`);
    }
    const wrong = request(BLOCK_READ, { vector: new IoVector(segments), lengthBytes: total + block });
    assert.equal((await bench.one(wrong)).error, EINVAL, 'a vector of another length');
  }
}

function cutOddly(bench: Bench, pieces: number, total: number): [number, number][] {
  const cuts = Array.from({ length: pieces - 1 }, () => bench.random.below(total + 1)).sort((left, right) => left - right);
  return [0, ...cuts].map((begin, index): [number, number] => [begin, cuts[index] ?? total]);
}

async function testUnknown(bench: Bench): Promise<void> {
  const buffer = IoBuffer.allocate(bench.block);
  for (const operation of [9, 100, -1, 0.5]) {
    const outcome = await both(bench, () => request(operation as BlockOperation, { buffer, lengthBytes: bench.block }));
    assert.deepEqual(outcome, { error: ENOTSUP, transferredBytes: 0 }, `operation ${operation}`);
  }
  const flagged = await both(bench, () => request(BLOCK_WRITE, { buffer, lengthBytes: bench.block, flags: 1024 }));
  assert.deepEqual(flagged, { error: ENOTSUP, transferredBytes: 0 });
}
