import {
  BLOCK_DISCARD,
  BLOCK_FUA,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockIo,
  openRaid,
  type RaidLevel,
} from '@biodone/blockdev';
import { flushRequest, readRequest, request, run, SeededRandom, writeRequest } from '@biodone/testkit';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { bytesOf } from './support/contents.js';
import { Expected } from './support/expected-after-crash.js';
import { BLOCK, deviceOf, newArray, PowerSupply, raid, STRIPE_BYTES } from './support/raid-media.js';

const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));

/** A write of blocks, or of zeros, or a discard, which leaves out of level 5 what is no whole row; or a flush. */
interface Step {
  readonly name: string;
  readonly first?: number;
  readonly count?: number;
  readonly flags?: number;
  readonly operation?: typeof BLOCK_WRITE_ZEROES | typeof BLOCK_DISCARD;
  /** Whether it is written from memory in which its parity can be made. */
  readonly inPlace?: boolean;
}

const rowInPlace = IoBuffer.inWebAssembly(4 * BLOCK);

/** Row 0 has the blocks 0 to 3, two on a component; row 1 has 4 to 7. */
const STEPS: readonly Step[] = [
  { name: 'a', first: 0, count: 1 },
  { name: 'b', first: 2, count: 1 },
  { name: 'row', first: 0, count: 4 },
  { name: 'middle', first: 1, count: 4 },
  { name: 'stable', first: 2, count: 1, flags: BLOCK_FUA },
  { name: 'zeros', first: 1, count: 4, operation: BLOCK_WRITE_ZEROES },
  { name: 'discard', first: 0, count: 6, operation: BLOCK_DISCARD },
  { name: 'flush' },
];
const BLOCKS = 8;

/** What is under way to the media when an array is closed: with a row of zeros, whose parity the last write changes. */
const BEFORE_CLOSE: readonly Step[] = [
  { name: 'row', first: 0, count: 4 },
  // So that the parity is not zeros before it has to be.
  { name: 'a', first: 0, count: 1 },
  { name: 'flush' },
  { name: 'discard', first: 0, count: 6, operation: BLOCK_DISCARD },
  { name: 'zeros', first: 5, count: 2, operation: BLOCK_WRITE_ZEROES },
  { name: 'middle', first: 3, count: 2 },
];

/** All sequences of up to two steps; of three, all of those without zeros, and those with a discard between two of them. */
function workloads(): Step[][] {
  const one = STEPS.map((step) => [step]);
  const two = STEPS.flatMap((step) => one.map((rest) => [step, ...rest]));
  const others = STEPS.filter(({ operation }) => operation === undefined);
  const middles = STEPS.filter(({ operation }) => operation !== BLOCK_WRITE_ZEROES);
  const three = others.flatMap((first) => middles.flatMap((middle) => others.map((last) => [first, middle, last])));
  return [...one, ...two, ...three];
}

/** Runs a workload until its end or the first error, and returns what has been written to each block. */
async function work(device: BlockDevice, steps: readonly Step[], expected: Expected): Promise<Uint8Array> {
  const latest = Uint8Array.from(expected.stable);
  for (const [index, step] of steps.entries()) {
    const { first = 0, count = 0, flags = 0, operation } = step;
    const tag = operation === undefined ? index + 1 : 0;
    const changed = Array.from({ length: count }, (_, at) => first + at).filter(
      (block) => operation !== BLOCK_DISCARD || isWhole(device, block, step),
    );
    for (const block of changed) expected.written(block, tag);
    if ((await run(device, requestOf(step, tag))).error !== 0) return latest;
    for (const block of changed) latest[block] = tag;
    if (count > 0 && flags === 0) continue;
    for (const block of count === 0 ? latest.keys() : changed) expected.flushed(block, latest[block] as number);
  }
  return latest;
}

function requestOf({ first = 0, count = 0, flags = 0, operation, inPlace = false }: Step, tag: number): BlockIo {
  if (count === 0) return flushRequest();
  if (inPlace) {
    rowInPlace.bytes.fill(tag);
    const range = { offset: first * BLOCK, lengthBytes: count * BLOCK, flags };
    return request(BLOCK_WRITE, { ...range, buffer: rowInPlace });
  }
  if (operation === undefined) return writeRequest(first * BLOCK, new Uint8Array(count * BLOCK).fill(tag), flags);
  return request(operation, { offset: first * BLOCK, lengthBytes: count * BLOCK });
}

/** Whether all of a block's row is discarded, or of level 1 the block. */
function isWhole(device: BlockDevice, block: number, { first = 0, count = 0 }: Step): boolean {
  const blocks = raid(device).level === 1 ? 1 : device.limits.physicalBlockSizeBytes / BLOCK;
  const begin = block - (block % blocks);
  return begin >= first && begin + blocks <= first + count;
}

async function tagsOf(device: BlockDevice, block: number): Promise<number[] | null> {
  const io = readRequest(block * BLOCK, BLOCK);
  if ((await run(device, io)).error !== 0) return null;
  return [...new Set(io.buffer?.bytes.subarray(0, BLOCK))];
}

/** Each block is old or new, or cannot be read where that is allowed. */
async function check(device: BlockDevice, expected: Expected, mayFail: boolean, what: string): Promise<void> {
  for (let block = 0; block < BLOCKS; block++) {
    const tags = await tagsOf(device, block);
    const isRight = tags === null ? mayFail : expected.allows(block, tags);
    expect(isRight, `block ${block} reads ${tags} ${what}`).toBe(true);
  }
}

/** What is found after a cut, by an opening that makes nothing anew: a component can be missing without a wrong answer. */
async function checkUnsettled(contents: readonly Uint8Array[], expected: Expected, lost: number): Promise<void> {
  const device = await openRaid(contents.map(deviceOf), { autoRebuild: false });
  await check(device, expected, false, 'after the cut');
  raid(device).fail(lost);
  await check(device, expected, true, `after the cut, without ${lost}`);
  await device.close();
}

/** What is found after a cut, by an opening that makes the parity right. */
async function checkSettled(contents: readonly Uint8Array[], expected: Expected): Promise<void> {
  const device = await openRaid(contents.map(deviceOf));
  await raid(device).settled();
  expect(raid(device).state).toBe('optimal');
  expect(await raid(device).scrub()).toMatchObject({ mismatches: 0, unreadable: 0 });
  const before = bytesOf(device);
  await check(device, expected, false, 'when the parity is right');
  raid(device).fail(1);
  expect(Buffer.compare(bytesOf(device), before), 'a component is not what the others say').toBe(0);
  await device.close();
}

/** How much of what was in their caches survives, by component. */
const SURVIVALS: readonly ((index: number) => number)[] = [
  () => 0,
  () => 1,
  (index) => (index === 0 ? 1 : 0),
  (index) => (index === 1 ? 1 : 0),
  (index) => (index === 2 ? 1 : 0),
  () => 0.5,
];

async function eachCut(
  clean: readonly Uint8Array[],
  open: (supply: PowerSupply) => Promise<BlockDevice>,
  look: (contents: Uint8Array[], expected: Expected, cuts: number) => Promise<void>,
): Promise<number> {
  let cuts = 0;
  for (const steps of workloads()) {
    let total = 1;
    for (let cutAt = 0; cutAt < total; cutAt++) {
      const survive = SURVIVALS[cuts % SURVIVALS.length] as (index: number) => number;
      const supply = new PowerSupply(clean);
      const device = await open(supply);
      const begun = supply.seen;
      const expected = new Expected(BLOCKS);
      supply.cutAt = begun + cutAt;
      await work(device, steps, expected);
      // How many there are is known when all of them have been let through.
      if (supply.seen >= supply.cutAt) total = cutAt + 2;
      const contents = supply.contents(survive, new SeededRandom(seed + cuts));
      await device.close().catch(() => {});
      const names = steps.map(({ name }) => name).join(', ');
      await look(contents, expected, cuts).catch((error: Error) => {
        error.message += `\n(${names}; the power fails after ${cutAt} writes; survival ${cuts % SURVIVALS.length}, BIODONE_SEED=${seed})`;
        throw error;
      });
      cuts += 1;
    }
  }
  return cuts;
}

const levels: readonly (readonly [RaidLevel, number])[] = [
  [5, 3],
  [1, 2],
];

describe.each(levels)('a raid of level %i that the power fails for at each write', (level, count) => {
  it('has all that was flushed, and parity that is right or known not to be', async () => {
    console.log(`power cuts: BIODONE_SEED=${seed}`);
    const clean = await newArray(level, count);
    const cuts = await eachCut(
      clean,
      (supply) => openRaid(supply.faults),
      async (contents, expected, cuts) => {
        // One of the components after the other; and what makes it right, for some of them.
        await checkUnsettled(contents, expected, cuts % count);
        if (cuts % 5 === 0) await checkSettled(contents, expected);
      },
    );
    console.log(`${cuts} cuts`);
    expect(cuts).toBeGreaterThan(500);
  }, 300_000);

  it('after it was closed, finds everything, and nothing to make anew', async () => {
    const supply = new PowerSupply(await newArray(level, count));
    const device = await openRaid(supply.faults, { closeChildren: false });
    const bytes = new Uint8Array(4 * BLOCK).fill(5);
    expect((await run(device, writeRequest(0, bytes))).error).toBe(0);
    await device.close();
    const again = await openRaid(supply.contents(() => 0, new SeededRandom(1)).map(deviceOf), { autoRebuild: false });
    expect(again.describe()).toMatchObject({ state: 'optimal', unknownRegions: 0 });
    raid(again).fail(0);
    expect(Buffer.compare(bytesOf(again).subarray(0, bytes.length), bytes)).toBe(0);
    await again.close();
  });

  it('has all that was written to it before it was closed, or what was flushed, wherever its close was cut', async () => {
    const clean = await newArray(level, count);
    let total = 1;
    for (let cutAt = 0; cutAt < total; cutAt++) {
      for (const [index, survive] of SURVIVALS.entries()) {
        const what = `when the power has failed after ${cutAt} writes of its close, survival ${index}`;
        const supply = new PowerSupply(clean);
        const device = await openRaid(supply.faults, { closeChildren: false });
        const expected = new Expected(BLOCKS);
        const latest = await work(device, BEFORE_CLOSE, expected);
        supply.cutAt = supply.seen + cutAt;
        const error = await device.close().then(
          () => null,
          (reason: Error) => reason,
        );
        if (supply.seen >= supply.cutAt) total = cutAt + 2;
        // Who was told that it is closed has all of it.
        if (error === null) for (const [block, tag] of latest.entries()) expected.flushed(block, tag);
        const contents = supply.contents(survive, new SeededRandom(seed));
        await checkUnsettled(contents, expected, cutAt % count).catch((failure: Error) => {
          failure.message += `\n(${what}, BIODONE_SEED=${seed})`;
          throw failure;
        });
        await checkSettled(contents, expected);
      }
    }
    // A flush, a bitmap and a label for each of them.
    expect(total).toBeGreaterThan(3 * count);
  }, 60_000);

  it('goes on with a rebuild where its labels say that it was, and nowhere further', async () => {
    const whole = (await newArray(level, count)).map(deviceOf);
    const first = await openRaid(whole, { closeChildren: false });
    const bytes = Uint8Array.from({ length: first.limits.sizeBytes ?? 0 }, (_, index) => (index % 251) + 1);
    expect((await run(first, writeRequest(0, bytes))).error).toBe(0);
    raid(first).fail(1);
    await first.close();
    const clean = whole.map((device) => bytesOf(device));
    let total = 1;
    for (let cutAt = 0; cutAt < total; cutAt++) {
      const supply = new PowerSupply(clean);
      const device = await openRaid(supply.faults, { autoRebuild: false });
      supply.cutAt = supply.seen + cutAt;
      await raid(device)
        .rebuild(1)
        .catch(() => {});
      if (supply.seen >= supply.cutAt) total = cutAt + 2;
      const contents = supply.contents(() => 0, new SeededRandom(1));
      await device.close().catch(() => {});
      const again = await openRaid(contents.map(deviceOf));
      if (raid(again).components()[1]?.state === 'failed') await raid(again).rebuild(1);
      await raid(again).settled();
      expect(raid(again).state).toBe('optimal');
      raid(again).fail(0);
      const found = Buffer.compare(bytesOf(again), bytes);
      expect(found, `a component is wrong when the power has failed after ${cutAt} writes of its rebuild`).toBe(0);
      await again.close();
    }
    expect(total).toBeGreaterThan(10);
  }, 60_000);

  it('has it when the power fails again, at any write of an opening that makes the parity right', async () => {
    const clean = await newArray(level, count);
    const before: Step[] = [
      { name: 'row', first: 0, count: 4, inPlace: true },
      { name: 'flush' },
      { name: 'middle', first: 1, count: 4 },
      { name: 'flush' },
    ];
    let cuts = 0;
    for (const survive of [SURVIVALS[0], SURVIVALS[2], SURVIVALS[5]] as (typeof SURVIVALS)[number][]) {
      const first = new PowerSupply(clean);
      const device = await openRaid(first.faults, { closeChildren: false });
      const expected = new Expected(BLOCKS);
      // The last write is cut after its first one below.
      await work(device, before, expected);
      first.cutAt = first.seen + 1;
      await work(device, [{ name: 'row', first: 0, count: 4, inPlace: true }], expected);
      const torn = first.contents(survive, new SeededRandom(seed));
      await device.close().catch(() => {});
      let total = 1;
      for (let cutAt = 0; cutAt < total; cutAt++) {
        const second = new PowerSupply(torn);
        second.cutAt = cutAt;
        const again = await openRaid(second.faults, { closeChildren: false }).catch(() => null);
        if (again !== null)
          await raid(again)
            .settled()
            .catch(() => {});
        if (second.seen >= cutAt) total = cutAt + 2;
        const contents = second.contents(survive, new SeededRandom(seed + cutAt));
        await again?.close().catch(() => {});
        await checkUnsettled(contents, expected, cutAt % count);
        if (cutAt % 3 === 0) await checkSettled(contents, expected);
        cuts += 1;
        if (cutAt > 200) throw new Error('an opening does not end');
      }
    }
    console.log(`${cuts} second cuts`);
    expect(cuts).toBeGreaterThan(15);
  }, 60_000);

  it('degraded, has all that was flushed, or is refused because it cannot be known', async () => {
    console.log(`power cuts: BIODONE_SEED=${seed}`);
    const whole = await newArray(level, count);
    const devices = whole.map(deviceOf);
    const degraded = await openRaid(devices, { closeChildren: false });
    raid(degraded).fail(1);
    await degraded.close();
    // The one that has failed is left out: an opening has no use for it.
    const clean = devices.filter((_, index) => index !== 1).map((device) => bytesOf(device));
    let refused = 0;
    let opened = 0;
    await eachCut(
      clean,
      (supply) => openRaid(supply.faults),
      async (contents, expected) => {
        try {
          const device = await openRaid(contents.map(deviceOf));
          opened += 1;
          expect(raid(device).state).toBe('degraded');
          await check(device, expected, false, 'degraded');
          await device.close();
        } catch (error) {
          if (!(error as Error).message.includes('were being written')) throw error;
          refused += 1;
          const device = await openRaid(contents.map(deviceOf), { force: true });
          expect(device.describe()['doubtfulRegions']).toBeGreaterThan(0);
          await device.close();
        }
      },
    );
    expect(opened).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  }, 300_000);
});

it('one row of the layout is what the tests take it for', () => {
  expect(STRIPE_BYTES).toBe(2 * BLOCK);
});
