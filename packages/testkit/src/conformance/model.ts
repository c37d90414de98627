import { strict as assert } from 'node:assert';
import { BLOCK_WRITE_ZEROES, type BlockDeviceOptions, type BlockIo } from '@biodone/blockdev';
import { EBUSY, EILSEQ } from '../errno.js';
import { compareRequest, flushRequest, readRequest, request, runSync, writeRequest } from '../requests.js';
import type { Bench, Suite } from './suite.js';

/** Random operations against an array, also with next to no resources. */
export function testModel(suite: Suite): void {
  suite.test('agrees with an array', (bench) => againstArray(bench, 1));
  suite.test('agrees with an array with many requests in flight', (bench) => againstArray(bench, 16));
  const squeezed: [string, BlockDeviceOptions][] = [1, 2, 3].map((piecesMax) => [`${piecesMax} pieces`, { piecesMax }]);
  for (const [name, options] of squeezed) suite.test(`makes progress with ${name}`, (bench) => againstArray(bench, 32), options);
}

async function againstArray(bench: Bench, depth: number): Promise<void> {
  const { block } = bench;
  const blocks = Math.min(Math.floor(bench.size / block), Math.ceil(524_288 / block));
  const model = new Uint8Array(blocks * block);
  await bench.write(0, model);
  for (let left = bench.suite.target.rounds ?? 400; left > 0; left -= depth) {
    const steps = disjointSteps(bench, model, depth);
    const outcomes = await bench.all(steps.map(({ io }) => io));
    for (const [index, step] of steps.entries()) step.check(outcomes[index]?.error ?? -1);
  }
  await bench.expect(0, model, 'the whole device');
}

interface Step {
  readonly io: BlockIo;
  check(error: number): void;
}

/** So many operations on ranges of their own, so that the outcome is certain, though they are in flight together. */
function disjointSteps(bench: Bench, model: Uint8Array, depth: number): Step[] {
  const { block, random } = bench;
  const share = Math.floor(model.length / block / depth);
  return Array.from({ length: depth }, (_, index) => {
    const first = index * share + random.below(share);
    // Mostly short ones, and now and then one that has to be cut.
    const most = random.chance(0.1) ? share : Math.min(share, Math.ceil(20_000 / block));
    const count = 1 + random.below(Math.min(most, (index + 1) * share - first));
    const made = step(bench, model, first * block, count * block);
    bench.move(made.io);
    return made;
  });
}

function step(bench: Bench, model: Uint8Array, offset: number, lengthBytes: number): Step {
  const { random } = bench;
  const range = model.subarray(offset, offset + lengthBytes);
  const kind = random.below(10);
  const fine = (error: number): void => assert.equal(error, 0);
  if (kind < 4) {
    const io = readRequest(offset, lengthBytes);
    const expected = Uint8Array.from(range);
    return reading(bench, io, expected);
  }
  if (kind === 9) return { io: flushRequest(), check: fine };
  if (kind === 8) {
    range.fill(0);
    return { io: request(BLOCK_WRITE_ZEROES, { offset, lengthBytes }), check: fine };
  }
  const bytes = bench.bytes(lengthBytes);
  if (kind === 7 && bench.suite.keepsData) {
    const compare = Uint8Array.from(range);
    const fits = random.chance(0.5);
    if (fits) range.set(bytes);
    else compare[0] = (compare[0] as number) ^ 1;
    return { io: compareRequest(offset, compare, bytes), check: (error) => assert.equal(error, fits ? 0 : EILSEQ) };
  }
  range.set(bytes);
  if (kind === 6) {
    // The synchronous way in between: then a read checks it at once.
    const { error } = runSync(bench.device, bench.move(writeRequest(offset, bytes)));
    // A device that has something of its own under way there, as a cache that writes back, waits in the asynchronous way alone.
    if (error === EBUSY) return { io: writeRequest(offset, bytes), check: fine };
    assert.equal(error, 0);
    const io = readRequest(offset, lengthBytes);
    return reading(bench, io, bytes);
  }
  return { io: writeRequest(offset, bytes), check: fine };
}

function reading(bench: Bench, io: BlockIo, expected: Uint8Array): Step {
  const check = (error: number): void => {
    assert.equal(error, 0);
    same(bench, io, expected);
  };
  return { io, check };
}

function same(bench: Bench, io: BlockIo, expected: Uint8Array): void {
  const found = io.buffer?.bytes.subarray(0, expected.length) ?? new Uint8Array();
  if (!bench.suite.keepsData || Buffer.compare(found, expected) === 0) return;
  const at = found.findIndex((byte, index) => byte !== expected[index]);
  assert.fail(
    `a read of ${expected.length} bytes at ${io.offset}: byte ${io.offset + at} is ${found[at]} instead of ${expected[at]}`,
  );
}
