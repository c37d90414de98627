import { strict as assert } from 'node:assert';
import { BLOCK_RESET, BLOCK_WRITE, biowait, IO_DONE } from '@biodone/blockdev';
import { EBADF, ECANCELED } from '@biodone/uring';
import { flushRequest, type Outcome, readRequest, request, run, turn, writeRequest } from '../requests.js';
import { completeAll } from './complete-all.js';
import type { Bench, Suite } from './suite.js';

/** That each request completes once, when and how, whatever ends it. */
export function testCompletion(suite: Suite): void {
  suite.test('completes each request once, and calls nobody before strategy returns', testOnce);
  suite.test('completes requests without a callback for who waits', testBiowait);
  suite.test('refuses a request that is in flight', testInFlight);
  suite.test('lets a callback start the request again', testAgain);
  suite.test('leaves of overlapping writes one or the other, byte by byte', testOverlap);
  suite.test('completes what is aborted once, and its verdicts are true', testAbort);
  suite.test('ends by a reset what it can, and goes on after it', testReset);
  suite.test('drains at close, and refuses what comes later', testClose);
  suite.test('holds back what comes while it is quiesced, however deep', testQuiesce);
}

/** Offsets of `count` ranges that do not touch. */
function places(bench: Bench, count: number, lengthBytes: number): number[] {
  const step = Math.floor((bench.size - lengthBytes) / count / bench.block) * bench.block;
  return Array.from({ length: count }, (_, index) => index * step);
}

async function testOnce(bench: Bench): Promise<void> {
  const lengthBytes = bench.length(4096);
  const requests = places(bench, 64, lengthBytes).flatMap((offset) => [
    readRequest(offset, lengthBytes),
    writeRequest(offset, bench.bytes(lengthBytes)),
  ]);
  requests.push(readRequest(-1, lengthBytes), flushRequest());
  await completeAll(bench, 'many requests', requests);
}

async function testBiowait(bench: Bench): Promise<void> {
  if (bench.device.capabilities.progress === 'event-loop') return;
  const requests = places(bench, 8, bench.block).map((offset) => writeRequest(offset, bench.bytes(bench.block)));
  for (const io of requests) bench.device.strategy(io);
  for (const io of [...requests].reverse()) {
    biowait(io, bench.suite.target.watchdogMs ?? 10_000);
    assert.equal(io.error, 0);
  }
  assert.equal(bench.device.inFlight, 0);
}

async function testInFlight(bench: Bench): Promise<void> {
  const io = readRequest(0, bench.block);
  const ended = run(bench.device, io);
  assert.throws(() => bench.device.strategy(io), { code: 'EALREADY' });
  assert.throws(() => bench.device.strategySync(io), { code: 'EALREADY' });
  assert.equal((await bench.settle('a read', ended)).error, 0);
}

async function testAgain(bench: Bench): Promise<void> {
  const io = writeRequest(0, bench.bytes(bench.block));
  let left = 100;
  const ended = new Promise<void>((resolve) => {
    io.iodone = () => {
      left -= 1;
      if (left > 0) bench.device.strategy(io);
      else resolve();
    };
  });
  bench.device.strategy(io);
  await bench.settle('a request that is started again', ended, [io]);
}

async function testOverlap(bench: Bench): Promise<void> {
  const { block, random } = bench;
  const lengthBytes = bench.length(16_384);
  for (let round = 0; round < 10; round++) {
    await bench.write(0, new Uint8Array(lengthBytes).fill(255));
    const writes = Array.from({ length: 6 }, (_, index) => {
      const begin = random.below(lengthBytes / block) * block;
      const end = begin + (1 + random.below((lengthBytes - begin) / block)) * block;
      return writeRequest(begin, new Uint8Array(end - begin).fill(index));
    });
    for (const { error } of await bench.all(writes)) assert.equal(error, 0);
    if (!bench.suite.keepsData) continue;
    const found = await bench.read(0, lengthBytes);
    for (const [at, byte] of found.entries()) {
      const covering = writes.filter(({ offset, lengthBytes: length }) => at >= offset && at < offset + length);
      const allowed = covering.length === 0 ? byte === 255 : covering.some((io) => io.buffer?.bytes[0] === byte);
      assert.ok(allowed, `byte ${at} is ${byte}, which nobody has written there`);
    }
  }
}

async function testAbort(bench: Bench): Promise<void> {
  const lengthBytes = bench.length(32_768);
  const requests = places(bench, 12, lengthBytes).map((offset) => writeRequest(offset, bench.bytes(lengthBytes)));
  let calls = 0;
  const ended = requests.map((io) =>
    run(bench.device, io).then((outcome) => {
      calls += 1;
      return outcome;
    }),
  );
  const verdicts = requests.map((io) => bench.device.abort(io));
  const outcomes = await bench.settle('aborted requests', Promise.all(ended), requests);
  await turn();
  assert.equal(calls, requests.length);
  for (const [index, { error, transferredBytes }] of outcomes.entries()) {
    if (verdicts[index] === 'cancelled') assert.equal(error, ECANCELED);
    if (verdicts[index] === 'done') assert.equal(error, 0);
    assert.ok(error === 0 || error === ECANCELED, `errno ${error}`);
    if (error === 0) assert.equal(transferredBytes, lengthBytes);
  }
  for (const io of requests) assert.equal(bench.device.abort(io), 'done');
  await bench.write(0, bench.bytes(lengthBytes));
}

async function testReset(bench: Bench): Promise<void> {
  const lengthBytes = bench.length(16_384);
  const requests = places(bench, 16, lengthBytes).map((offset) => writeRequest(offset, bench.bytes(lengthBytes)));
  const order: string[] = [];
  const ended = requests.map((io) =>
    run(bench.device, io).then((outcome) => {
      order.push('request');
      return outcome;
    }),
  );
  const reset = request(BLOCK_RESET);
  const done = run(bench.device, reset).then(({ error }) => {
    order.push('reset');
    return error;
  });
  assert.equal(await bench.settle('a reset', done, requests), 0);
  for (const { error } of await bench.settle('what was reset', Promise.all(ended), requests))
    assert.ok(error === 0 || error === ECANCELED);
  assert.equal(order.indexOf('reset'), requests.length, 'the reset completes after what had started');
  await bench.write(0, bench.bytes(lengthBytes));
}

async function testClose(bench: Bench): Promise<void> {
  const lengthBytes = bench.length(8192);
  const requests = places(bench, 16, lengthBytes).map((offset) => writeRequest(offset, bench.bytes(lengthBytes)));
  let ended = 0;
  const outcomes: Promise<Outcome>[] = requests.map((io) =>
    run(bench.device, io).then((outcome) => {
      ended += 1;
      return outcome;
    }),
  );
  await bench.settle('close with requests in flight', bench.device.close(), requests);
  for (const { error } of await Promise.all(outcomes)) assert.equal(error, 0);
  assert.equal(ended, requests.length);
  for (const io of [readRequest(0, bench.block), writeRequest(0, new Uint8Array(bench.block)), flushRequest()]) {
    assert.equal((await run(bench.device, io)).error, EBADF);
    assert.equal(bench.sync(io).error, EBADF);
  }
  await bench.device.close();
}

async function testQuiesce(bench: Bench): Promise<void> {
  const { block, device } = bench;
  const before = Array.from({ length: 8 }, (_, index) => writeRequest(index * block, new Uint8Array(block).fill(1)));
  const ended = before.map((io) => run(device, io));
  const quiet = [device.quiesce(), device.quiesce()];
  await bench.settle('quiesce', Promise.all(quiet), before);
  for (const io of before) assert.equal(io.state, IO_DONE);
  await Promise.all(ended);
  const held = writeRequest(0, new Uint8Array(block).fill(2));
  const later = run(device, held);
  device.resume();
  await turn();
  assert.notEqual(held.state, IO_DONE);
  assert.equal(held.operation, BLOCK_WRITE);
  device.resume();
  assert.equal((await bench.settle('what was held back', later, [held])).error, 0);
  await bench.expect(0, new Uint8Array(block).fill(2), 'what was held back');
}
