import { BLOCK_FUA, type BlockDevice, type BlockIo, openChecksum, openMem, scrub } from '@biodone/blockdev';
import {
  type CrashDevice,
  flushRequest,
  openCrash,
  readRequest,
  run,
  runSync,
  SeededRandom,
  writeRequest,
} from '@biodone/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { bytesOf, memoryWith } from './support/contents.js';
import { Expected } from './support/expected-after-crash.js';
import { stepUntil } from './support/steps.js';

const BLOCK = 4096;
/** What the workloads write. */
const BLOCKS = 3;
const DISK_BYTES = 192 * 1024;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));

/** What a workload is made of: which blocks it writes, and whether stably; no blocks are a flush. */
interface Step {
  readonly name: string;
  readonly first: number;
  readonly count: number;
  readonly flags: number;
}

const STEPS: readonly Step[] = [
  { name: 'write 0', first: 0, count: 1, flags: 0 },
  { name: 'write 1', first: 1, count: 1, flags: 0 },
  { name: 'write 0 to 2', first: 0, count: 3, flags: 0 },
  { name: 'stable write 0', first: 0, count: 1, flags: BLOCK_FUA },
  { name: 'flush', first: 0, count: 0, flags: 0 },
];

/** All workloads of one to three steps. */
function workloads(): Step[][] {
  const all: Step[][] = [[]];
  for (const workload of all) if (workload.length < 3) for (const step of STEPS) all.push([...workload, step]);
  return all.slice(1);
}

/** Counts what is done below, and stops when it is time for the power to fail. */
class Machine {
  done = 0;
  readonly #disk: CrashDevice;
  readonly #random: SeededRandom;
  readonly #stopAt: number;

  constructor(disk: CrashDevice, random: SeededRandom, stopAt: number) {
    this.#disk = disk;
    this.#random = random;
    this.#stopAt = stopAt;
  }

  /** Whether the promise was kept before the power failed. */
  async runs(promise: Promise<unknown>): Promise<boolean> {
    let isKept = false;
    const kept = promise.then(() => {
      isKept = true;
    });
    kept.catch(() => {});
    let isCut = false;
    const step = (): void => {
      if (this.#disk.waiting === 0) return;
      isCut = this.done === this.#stopAt;
      if (isCut) return;
      this.done += 1;
      this.#disk.step(this.#random.below(this.#disk.waiting));
    };
    await stepUntil(() => isKept || isCut, step);
    return isKept;
  }
}

interface Run {
  readonly workload: readonly Step[];
  readonly stopAt: number;
  readonly survive: number;
}

/** Runs a workload up to a request below, lets the power fail, and looks. Returns whether the workload came to its end before that. */
async function oneRun({ workload, stopAt, survive }: Run, initial: Uint8Array, random: SeededRandom): Promise<boolean> {
  const expected = new Expected(BLOCKS);
  const latest = new Uint8Array(BLOCKS);
  const disk = openCrash(memoryWith(initial), { stepped: true });
  const opening = new Machine(disk, random, Number.POSITIVE_INFINITY);
  let device: BlockDevice | undefined;
  await opening.runs(
    openChecksum(disk, { closeChildren: false }).then((opened) => {
      device = opened;
    }),
  );
  const machine = new Machine(disk, random, stopAt);
  let ended = true;
  for (const [index, step] of workload.entries()) {
    ended = await oneStep(device as BlockDevice, step, index + 1, machine, expected, latest);
    if (!ended) break;
  }
  // The end puts everything in its place, too.
  if (ended) ended = await machine.runs((device as BlockDevice).close());
  if (ended && latest.some((tag) => tag !== 0))
    for (let block = 0; block < BLOCKS; block++) expected.flushed(block, latest[block] as number);
  const found = await afterCut(disk, random, survive, expected);
  // What is there now is there for good.
  await goOn(found, random);
  return ended;
}

async function oneStep(
  device: BlockDevice,
  { first, count, flags }: Step,
  tag: number,
  machine: Machine,
  expected: Expected,
  latest: Uint8Array,
): Promise<boolean> {
  const io: BlockIo = count === 0 ? flushRequest() : writeRequest(first * BLOCK, new Uint8Array(count * BLOCK).fill(tag), flags);
  for (let block = first; block < first + count; block++) expected.written(block, tag);
  if (!(await machine.runs(run(device, io)))) return false;
  expect(io.error).toBe(0);
  for (let block = first; block < first + count; block++) latest[block] = tag;
  if (count === 0) for (let block = 0; block < BLOCKS; block++) expected.flushed(block, latest[block] as number);
  if (flags === BLOCK_FUA) for (let block = first; block < first + count; block++) expected.flushed(block, tag);
  return true;
}

/** The disk as the next system finds it, looked at through its checksums. */
async function afterCut(disk: CrashDevice, random: SeededRandom, survive: number, expected: Expected): Promise<Uint8Array> {
  // In sectors: a block may be there in part.
  disk.crash({ survive, random, sectorBytes: 512 });
  const bytes = bytesOf(disk, DISK_BYTES);
  const medium = openMem(DISK_BYTES);
  expect(runSync(medium, writeRequest(0, bytes)).error).toBe(0);
  const reader = openCrash(medium);
  // Looked at without a write first, as a disk is that may not be written.
  const readOnly = await openChecksum(reader, { readOnly: true, closeChildren: false });
  const seen = look(readOnly, expected);
  await readOnly.close();
  const device = await openChecksum(reader, { closeChildren: false });
  expect(look(device, expected)).toEqual(seen);
  expect((await scrub(device)).bad).toEqual([]);
  await device.close();
  return bytesOf(reader, DISK_BYTES);
}

function look(device: BlockDevice, expected: Expected): number[] {
  return Array.from({ length: BLOCKS }, (_, block) => {
    const io = readRequest(block * BLOCK, BLOCK);
    expect(runSync(device, io).error, `block ${block}`).toBe(0);
    const tags = [...new Set(io.buffer?.bytes.subarray(0, BLOCK))];
    expect(tags, `block ${block} is torn`).toHaveLength(1);
    expect(expected.allows(block, tags), `block ${block} reads ${tags}`).toBe(true);
    return tags[0] as number;
  });
}

async function goOn(bytes: Uint8Array, random: SeededRandom): Promise<void> {
  const medium = openMem(DISK_BYTES);
  expect(runSync(medium, writeRequest(0, bytes)).error).toBe(0);
  const device = await openChecksum(medium);
  const block = random.below(BLOCKS);
  expect(runSync(device, writeRequest(block * BLOCK, new Uint8Array(BLOCK).fill(99), BLOCK_FUA)).error).toBe(0);
  const io = readRequest(block * BLOCK, BLOCK);
  expect(runSync(device, io).error).toBe(0);
  expect(io.buffer?.bytes[4095]).toBe(99);
  await device.close();
}

describe('checksums that the power fails for', () => {
  let initial: Uint8Array;

  beforeAll(async () => {
    const disk = openMem(DISK_BYTES);
    const device = await openChecksum(disk, { create: true, closeChildren: false });
    await device.close();
    initial = bytesOf(disk, DISK_BYTES);
  });

  it('leave each block old or new, and what was flushed, at every request of all workloads of up to 3 steps', async () => {
    console.log(`power cuts under checksums: BIODONE_SEED=${seed}`);
    let runs = 0;
    for (const [index, workload] of workloads().entries()) {
      for (let stopAt = 0, ended = false; !ended; stopAt++) {
        const random = new SeededRandom(seed + 1000 * index + stopAt);
        const survive = [0, 0.5, 1][(index + stopAt) % 3] as number;
        runs += 1;
        ended = await oneRun({ workload, stopAt, survive }, initial, random).catch((error: Error) => {
          error.message += `\n(${workload.map(({ name }) => name).join(', ')}; request ${stopAt}, ${survive} survive, BIODONE_SEED=${seed})`;
          throw error;
        });
      }
    }
    expect(runs).toBeGreaterThan(1000);
  }, 240_000);
});
