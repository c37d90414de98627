import { strict as assert } from 'node:assert';
import { EINVAL, EPERM } from '@biodone/uring';
import { ENODEV } from '../errno.js';
import { readRequest, run, turn, writeRequest } from '../requests.js';
import type { Bench, Suite } from './suite.js';

/** Claims, statistics, descriptions, and what a harness can do to the medium. */
export function testManagement(suite: Suite): void {
  suite.test('is used by others as its claims say', testClaims);
  suite.test('counts what it does', testStatistics);
  suite.test('describes itself as JSON, and says how it is opened again', (bench) => testConfig(bench, suite));
  const { remove, resize } = suite.target;
  if (remove !== undefined) suite.test('ends everything when its medium goes away', (bench) => testRemove(bench, remove));
  if (resize !== undefined) suite.test('takes the new size of its medium', (bench) => testResize(bench, resize));
}

async function testClaims(bench: Bench): Promise<void> {
  const { block, device } = bench;
  for (const kind of ['read-many-write-none', 'read-many-write-one', 'exclusive'] as const) {
    const claim = device.claim(kind);
    assert.throws(() => device.claim('exclusive'), { code: 'EBUSY' });
    assert.equal((await bench.one(writeRequest(0, new Uint8Array(block)))).error, EPERM);
    assert.equal(bench.sync(writeRequest(0, new Uint8Array(block))).error, EPERM);
    assert.equal((await bench.one(readRequest(0, block))).error, kind === 'exclusive' ? EPERM : 0);
    const own = Object.assign(writeRequest(0, new Uint8Array(block)), { claim });
    assert.equal((await bench.one(own)).error, kind === 'read-many-write-none' ? EPERM : 0);
    claim.release();
    await bench.write(0, new Uint8Array(block));
  }
}

async function testStatistics(bench: Bench): Promise<void> {
  const { block, device } = bench;
  device.resetStatistics();
  const requests = Array.from({ length: 10 }, (_, index) => writeRequest(index * block, new Uint8Array(block)));
  await bench.all([...requests, readRequest(0, 2 * block), readRequest(-block, block)]);
  bench.sync(readRequest(0, block));
  const { inFlight, inFlightMax, operations } = device.statistics();
  assert.equal(inFlight, 0);
  assert.ok(inFlightMax >= 1 && inFlightMax <= 12);
  const { write, read } = operations;
  assert.deepEqual([write?.completed, write?.errors, write?.bytes, write?.latency.count], [10, 0, 10 * block, 10]);
  assert.deepEqual([read?.completed, read?.errors, read?.bytes], [3, 1, 3 * block]);
  device.resetStatistics();
  assert.deepEqual(device.statistics().operations, {});
}

async function testConfig(bench: Bench, suite: Suite): Promise<void> {
  const { device } = bench;
  const [description, config] = [device.describe(), device.config()];
  assert.deepEqual(JSON.parse(JSON.stringify(description)), description);
  assert.equal(typeof config.driver, 'string');
  const text = JSON.stringify(config);
  if (suite.target.reopen === undefined) return;
  const bytes = bench.bytes(bench.length(4096));
  await bench.write(0, bytes);
  await device.close();
  const again = await suite.target.reopen(JSON.parse(text));
  try {
    assert.deepEqual(again.limits, device.limits);
    assert.equal(JSON.stringify(again.config()), text);
    const io = readRequest(0, bytes.length);
    assert.equal((await run(again, io)).error, 0);
    if (suite.keepsData) assert.equal(Buffer.compare(io.buffer?.bytes.subarray(0, bytes.length) ?? new Uint8Array(), bytes), 0);
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
  const requests = Array.from({ length: 16 }, (_, index) => writeRequest(index * block, new Uint8Array(block)));
  const ended = requests.map((io) => run(device, io));
  remove(device);
  await bench.settle('requests of a device that is gone', Promise.all(ended), requests);
  await turn();
  assert.equal(told, 1);
  assert.equal((await bench.one(readRequest(0, block))).error, ENODEV);
  assert.equal(bench.sync(readRequest(0, block)).error, ENODEV);
}

async function testResize(bench: Bench, resize: NonNullable<Suite['target']['resize']>): Promise<void> {
  const { block, device, size } = bench;
  const sizes: number[] = [];
  device.on('resize', (sizeBytes) => sizes.push(sizeBytes));
  const half = bench.length(size / 2);
  resize(device, half);
  const smaller = device.limits.sizeBytes ?? 0;
  assert.ok(smaller < size && smaller <= half, `the size is ${smaller}`);
  assert.deepEqual(sizes, [smaller]);
  assert.equal((await bench.one(readRequest(smaller, block))).error, EINVAL);
  await bench.write(smaller - block, new Uint8Array(block));
  resize(device, size);
  await bench.write(size - block, new Uint8Array(block));
}
