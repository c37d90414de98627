import { strict as assert } from 'node:assert';
import {
  BLOCK_ATOMIC,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FUA,
  BLOCK_NO_UNMAP,
  BLOCK_NOWAIT,
  BLOCK_SYNC,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
  EXTENT_DATA,
  ExtentList,
} from '@biodone/blockdev';
import { EAGAIN, EINVAL, ENOTSUP } from '@biodone/uring';
import { EILSEQ } from '../errno.js';
import { compareRequest, flushRequest, readRequest, request, writeRequest } from '../requests.js';
import type { Bench, Suite } from './suite.js';

/** Flushes, and the operations on ranges that move no data or compare it. */
export function testRanges(suite: Suite): void {
  suite.test('makes stable what has been written, by a flush and by BLOCK_FUA', testFlush);
  suite.test('does not wait, and writes as a whole, where it says that it can', testTransferFlags);
  suite.test('writes zeros where it should, and nowhere else', testZeroes);
  suite.test('discards, or says that it cannot, and leaves the neighbours alone', testDiscard);
  suite.test('tells extents that cover the range exactly, and whose holes read as zeros', testExtents);
  if (suite.keepsData) suite.test('compares and writes both or nothing', testCompare);
}

async function testFlush(bench: Bench): Promise<void> {
  const bytes = bench.bytes(bench.length(8192));
  await bench.write(0, bytes);
  assert.deepEqual(await bench.one(flushRequest()), { error: 0, transferredBytes: 0 });
  assert.deepEqual(bench.sync(flushRequest()), { error: 0, transferredBytes: 0 });
  await bench.expect(0, bytes, 'after a flush');
  if (bench.device.capabilities.fua === 'none') return;
  const again = bench.bytes(bytes.length);
  await bench.write(bench.block, again, BLOCK_FUA);
  await bench.expect(bench.block, again, 'after a write with BLOCK_FUA');
  const full = bench.bytes(bytes.length);
  await bench.write(bench.block, full, BLOCK_SYNC);
  await bench.expect(bench.block, full, 'after a write with BLOCK_SYNC');
  const flush = (): BlockIo => Object.assign(flushRequest(), { flags: BLOCK_SYNC });
  assert.deepEqual(await bench.one(flush()), { error: 0, transferredBytes: 0 });
  assert.deepEqual(bench.sync(flush()), { error: 0, transferredBytes: 0 });
}

async function testTransferFlags(bench: Bench): Promise<void> {
  const { block, device } = bench;
  const { atomicWriteMinBytes, atomicWriteMaxBytes } = device.limits;
  const bytes = bench.bytes(Math.max(block, atomicWriteMinBytes));
  // What would have to wait says so; so does a file system that writes nothing without waiting.
  const answers = device.capabilities.nowait ? [0, EAGAIN, ENOTSUP] : [ENOTSUP];
  for (const run of [(io: BlockIo) => bench.one(io), (io: BlockIo) => bench.sync(io)]) {
    await bench.write(0, bytes);
    const read = Object.assign(readRequest(0, bytes.length), { flags: BLOCK_NOWAIT });
    const { error, transferredBytes } = await run(read);
    assert.ok(answers.includes(error), `a read with BLOCK_NOWAIT ended with ${error}`);
    if (error === 0) assert.equal(transferredBytes, bytes.length);
    const others = bench.bytes(bytes.length);
    const written = await run(writeRequest(0, others, BLOCK_NOWAIT));
    assert.ok(answers.includes(written.error), `a write with BLOCK_NOWAIT ended with ${written.error}`);
    if (written.error === 0) await bench.expect(0, others, 'after a write with BLOCK_NOWAIT');
    const whole = bench.bytes(bytes.length);
    const outcome = await run(writeRequest(0, whole, BLOCK_ATOMIC));
    assert.equal(outcome.error, atomicWriteMaxBytes === 0 ? ENOTSUP : 0);
    if (outcome.error === 0) await bench.expect(0, whole, 'after a write with BLOCK_ATOMIC');
  }
  assert.equal((await bench.one(Object.assign(readRequest(0, block), { flags: BLOCK_ATOMIC }))).error, ENOTSUP);
}

async function testZeroes(bench: Bench): Promise<void> {
  const { block } = bench;
  const length = bench.length(65_536);
  for (const flags of [0, BLOCK_NO_UNMAP, bench.device.capabilities.fua === 'none' ? 0 : BLOCK_FUA]) {
    for (const way of ['strategy', 'strategySync']) {
      const bytes = bench.bytes(length);
      await bench.write(0, bytes);
      const io = request(BLOCK_WRITE_ZEROES, { offset: 3 * block, lengthBytes: length - 7 * block, flags });
      const outcome = way === 'strategy' ? await bench.one(io) : bench.sync(io);
      assert.deepEqual(outcome, { error: 0, transferredBytes: io.lengthBytes });
      bytes.fill(0, 3 * block, length - 4 * block);
      await bench.expect(0, bytes, `zeros with flags ${flags} by ${way}`);
    }
  }
  const fast = await bench.one(request(BLOCK_WRITE_ZEROES, { lengthBytes: length, flags: BLOCK_FAST_ONLY }));
  assert.ok(fast.error === 0 || fast.error === ENOTSUP);
  if (bench.device.capabilities.zeroes !== 'fast') assert.equal(fast.error, ENOTSUP);
  assert.equal((await bench.one(request(BLOCK_WRITE_ZEROES, { offset: -block, lengthBytes: block }))).error, EINVAL);
}

async function testDiscard(bench: Bench): Promise<void> {
  const { block } = bench;
  const length = bench.length(65_536);
  const bytes = bench.bytes(length);
  await bench.write(0, bytes);
  const begin = bench.length(8192);
  const io = request(BLOCK_DISCARD, { offset: begin, lengthBytes: bench.length(32_768) });
  const { error, transferredBytes } = await bench.one(io);
  if (!bench.device.capabilities.discard) {
    assert.equal(error, ENOTSUP);
    assert.equal(bench.sync(io).error, ENOTSUP);
    return;
  }
  // A device may find out only now that what is under it cannot.
  if (error === ENOTSUP) return;
  assert.deepEqual({ error, transferredBytes }, { error: 0, transferredBytes: io.lengthBytes });
  await bench.expect(0, bytes.subarray(0, begin), 'before the discarded range');
  const end = begin + io.lengthBytes;
  await bench.expect(end, bytes.subarray(end), 'behind the discarded range');
  const again = bench.bytes(io.lengthBytes);
  await bench.write(begin, again);
  await bench.expect(begin, again, 'what was written where it had been discarded');
  assert.equal(block, bench.block);
}

async function testExtents(bench: Bench): Promise<void> {
  const length = bench.length(262_144);
  await bench.write(bench.length(65_536), bench.bytes(bench.length(4096)));
  for (const capacity of [1, 2, 64]) {
    let at = 0;
    while (at < length) {
      const extents = new ExtentList(capacity);
      const io = request(BLOCK_EXTENTS, { offset: at, lengthBytes: length - at, extents });
      const { error, transferredBytes } = await bench.one(io);
      assert.equal(error, 0);
      assert.ok(transferredBytes > 0 && transferredBytes <= length - at, `extents of ${transferredBytes} bytes from ${at} on`);
      let next = at;
      for (let index = 0; index < extents.count; index++) {
        assert.equal(extents.offset(index), next, 'extents have no gaps');
        assert.ok(extents.lengthBytes(index) > 0);
        next += extents.lengthBytes(index);
        if (extents.kind(index) !== EXTENT_DATA) await expectZeros(bench, extents.offset(index), extents.lengthBytes(index));
      }
      assert.equal(next, at + transferredBytes, 'extents cover what they say');
      at = next;
    }
  }
  assert.equal((await bench.one(request(BLOCK_EXTENTS, { lengthBytes: bench.block }))).error, EINVAL, 'no list');
}

async function expectZeros(bench: Bench, offset: number, lengthBytes: number): Promise<void> {
  if (offset % bench.block !== 0 || lengthBytes % bench.block !== 0) return;
  await bench.expect(offset, new Uint8Array(lengthBytes), 'a hole');
}

async function testCompare(bench: Bench): Promise<void> {
  const { block } = bench;
  const length = bench.length(12_288);
  const [old, fresh] = [bench.bytes(length), bench.bytes(length)];
  await bench.write(block, old);
  assert.deepEqual(await bench.one(compareRequest(block, old, fresh)), { error: 0, transferredBytes: length });
  await bench.expect(block, fresh, 'after a comparison that held');
  const position = bench.random.below(length);
  const wrong = Uint8Array.from(fresh);
  wrong[position] = (wrong[position] as number) ^ 1;
  assert.deepEqual(await bench.one(compareRequest(block, wrong, old)), { error: EILSEQ, transferredBytes: position });
  assert.deepEqual(bench.sync(compareRequest(block, wrong, old)), { error: EILSEQ, transferredBytes: position });
  await bench.expect(block, fresh, 'after a comparison that did not hold');
  const racing = Array.from({ length: 8 }, (_, index) => compareRequest(block, fresh, new Uint8Array(length).fill(index)));
  const outcomes = await bench.all(racing);
  const winners = racing.filter((_, index) => outcomes[index]?.error === 0);
  assert.equal(winners.length, 1, 'of several at once exactly one wins');
  for (const { error } of outcomes) assert.ok(error === 0 || error === EILSEQ);
  await bench.expect(block, winners[0]?.buffer?.bytes.subarray(0, length) ?? new Uint8Array(), 'the winner’s');
  assert.equal((await bench.one(Object.assign(readRequest(0, block), { flags: BLOCK_FUA }))).error, ENOTSUP);
}
