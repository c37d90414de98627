import {
  BLOCK_DISCARD,
  BLOCK_FUA,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockOperation,
  openMem,
} from '@biodone/blockdev';
import {
  type CrashDevice,
  flushRequest,
  openCrash,
  readRequest,
  request,
  run,
  SeededRandom,
  writeRequest,
} from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { filters, SIZE_BYTES } from './support/devices.js';
import { Expected } from './support/expected-after-crash.js';

const BLOCK = 4096;
const BLOCKS = 16;
/** Far enough from each other that they lie on different devices of a stripe. */
const DISTANCE = 15 * BLOCK;
const SCHEDULES = 120;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));

async function tagsOf(stack: BlockDevice, index: number): Promise<number[]> {
  const io = readRequest(index * DISTANCE, BLOCK);
  expect((await run(stack, io)).error).toBe(0);
  return [...new Set(io.buffer?.bytes.subarray(0, BLOCK))];
}

/** Writes and flushes as a seed has it, lets the power fail for all devices below at once, and looks. */
async function oneSchedule(
  stack: BlockDevice,
  below: readonly CrashDevice[],
  random: SeededRandom,
  discards: boolean,
): Promise<void> {
  const expected = new Expected(BLOCKS);
  const latest = new Uint8Array(BLOCKS);
  // A device that was never written need not read as zeros through every stack.
  for (let index = 0; index < BLOCKS; index++) await run(stack, writeRequest(index * DISTANCE, new Uint8Array(BLOCK)));
  expect((await run(stack, flushRequest())).error).toBe(0);
  const operations: BlockOperation[] = [BLOCK_WRITE, BLOCK_WRITE, BLOCK_WRITE_ZEROES];
  // What discards leave as it is cannot be told from what a crash has brought back.
  if (stack.capabilities.discard && discards) operations.push(BLOCK_DISCARD);
  for (let step = 1 + random.below(25), tag = 1; step > 0; step--, tag++) {
    if (random.chance(0.2)) {
      expect((await run(stack, flushRequest())).error).toBe(0);
      for (let index = 0; index < BLOCKS; index++) expected.flushed(index, latest[index] as number);
      continue;
    }
    const index = random.below(BLOCKS);
    const stable = random.chance(0.3) && stack.capabilities.fua !== 'none';
    const operation = random.pick(operations);
    const range = { offset: index * DISTANCE, lengthBytes: BLOCK, flags: stable ? BLOCK_FUA : 0 };
    const isWrite = operation === BLOCK_WRITE;
    const io = isWrite ? writeRequest(range.offset, new Uint8Array(BLOCK).fill(tag), range.flags) : request(operation, range);
    expect((await run(stack, io)).error).toBe(0);
    // What was discarded reads as zeros on the devices below, and hence through what passes discards on.
    const now = isWrite ? tag : 0;
    latest[index] = now;
    expected.written(index, now);
    if (stable) expected.flushed(index, now);
  }
  const survive = random.pick([0, 0.5, 1]);
  for (const device of below) device.crash({ survive, random, sectorBytes: BLOCK });
  for (let index = 0; index < BLOCKS; index++) {
    const tags = await tagsOf(stack, index);
    expect(expected.allows(index, tags), `block ${index} reads ${tags}`).toBe(true);
  }
}

const through = filters.filter(({ caches }) => caches !== true).map(({ name, ...filter }) => [name, filter] as const);

describe.each(['native', 'emulate'] as const)('a crash below, BLOCK_FUA %s there', (fua) => {
  it.each(through)(
    'takes nothing that was flushed through %s',
    async (_name, filter) => {
      console.log(`crashes: BIODONE_SEED=${seed}`);
      for (let schedule = 0; schedule < SCHEDULES; schedule++) {
        const below: CrashDevice[] = [];
        const stack = await filter.open(() => {
          const device = openCrash(openMem(SIZE_BYTES), { fua });
          below.push(device);
          return device;
        });
        await oneSchedule(stack, below, new SeededRandom(seed + schedule), filter.discardsInPart !== true).catch(
          (error: Error) => {
            error.message += `\n(schedule ${schedule}, BIODONE_SEED=${seed})`;
            throw error;
          },
        );
        await stack.close();
      }
    },
    120_000,
  );
});
