import {
  BLOCK_FUA,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockIo,
  beginSubmit,
  endSubmit,
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
import { expect } from 'vitest';
import { copyOf } from './contents.js';
import { Expected } from './expected-after-crash.js';
import { stepUntil } from './steps.js';

/** What the expectations are about: the blocks of these tests. */
export const BLOCK = 4096;
export const BLOCKS = 8;

/** A stack on media that lose what was not flushed, and how it is found again by its media alone. */
export interface CutTarget {
  /** How large each medium is. */
  readonly media: readonly number[];
  open(media: readonly BlockDevice[]): BlockDevice | Promise<BlockDevice>;
  reopen(media: readonly BlockDevice[]): BlockDevice | Promise<BlockDevice>;
}

type Kind = 'write' | 'two blocks' | 'half a block' | 'stable' | 'zeroes' | 'flush';
const KINDS: readonly Kind[] = ['write', 'two blocks', 'half a block', 'stable', 'zeroes', 'flush'];

/** All workloads of one to three operations. */
export function* workloads(): Iterable<readonly Kind[]> {
  for (const first of KINDS) {
    yield [first];
    for (const second of KINDS) {
      yield [first, second];
      for (const third of KINDS) yield [first, second, third];
    }
  }
}

/** Lets the power fail after each of the I/Os of a workload. Returns how many cuts there were. */
export async function cutEverywhere(target: CutTarget, kinds: readonly Kind[], seed: number): Promise<number> {
  const total = await cutAfter(target, kinds, Number.POSITIVE_INFINITY, new SeededRandom(seed));
  for (let count = 0; count < total; count++) await cutAfter(target, kinds, count, new SeededRandom(seed + count));
  return total + 1;
}

/** Does what waits on the media, until the promise is settled or `left` I/Os have been done. */
async function stepMedia(
  media: readonly CrashDevice[],
  promise: Promise<unknown>,
  budget: { left: number; done: number },
): Promise<void> {
  let ended = false;
  void promise.finally(() => {
    ended = true;
  });
  const step = (): void => {
    if (media.find(({ waiting }) => waiting > 0)?.step() !== true) return;
    budget.left -= 1;
    budget.done += 1;
  };
  await stepUntil(() => ended || budget.left === 0, step);
}

async function cutAfter(target: CutTarget, kinds: readonly Kind[], count: number, random: SeededRandom): Promise<number> {
  const expected = new Expected(BLOCKS * 2);
  const media = target.media.map((sizeBytes) => openCrash(openMem(sizeBytes), { stepped: true }));
  const opening = Promise.resolve(target.open(media));
  const setUp = { left: Number.POSITIVE_INFINITY, done: 0 };
  await stepMedia(media, opening, setUp);
  const stack = await opening;
  const budget = { left: count, done: 0 };
  const latest = new Uint8Array(BLOCKS * 2);
  for (const [index, kind] of kinds.entries()) {
    if (budget.left === 0) break;
    const { io, changes } = requestOf(kind, index + 1, random);
    for (const [half, tag] of changes) expected.written(half, tag);
    const ended = run(stack, io);
    await stepMedia(media, ended, budget);
    if (budget.left === 0 && io.state !== 2) break;
    expect((await ended).error).toBe(0);
    for (const [half, tag] of changes) latest[half] = tag;
    if (kind === 'flush') for (let half = 0; half < latest.length; half++) expected.flushed(half, latest[half] as number);
    if (kind === 'stable') for (const [half, tag] of changes) expected.flushed(half, tag);
  }
  const survive = random.pick([0, 0.5, 1]);
  beginSubmit();
  for (const medium of media) medium.crash({ survive, random, sectorBytes: BLOCK / 2 });
  const found = media.map((medium) => copyOf(medium));
  endSubmit();
  const again = await target.reopen(found);
  const io = readRequest(0, BLOCKS * BLOCK);
  expect((await run(again, io)).error).toBe(0);
  for (let half = 0; half < latest.length; half++) {
    const tags = [...new Set(io.buffer?.bytes.subarray((half * BLOCK) / 2, ((half + 1) * BLOCK) / 2))];
    expect(expected.allows(half, tags), `${kinds}: half block ${half} reads ${tags} after a cut behind ${count} I/Os`).toBe(true);
  }
  await again.close();
  const closed = stack.close().catch(() => {});
  await stepMedia(media, closed, { left: Number.POSITIVE_INFINITY, done: 0 });
  return budget.done;
}

/** An operation, and which halves of blocks hold what after it. */
function requestOf(kind: Kind, tag: number, random: SeededRandom): { io: BlockIo; changes: [half: number, tag: number][] } {
  if (kind === 'flush') return { io: flushRequest(), changes: [] };
  const half = BLOCK / 2;
  const halves = kind === 'two blocks' ? 4 : kind === 'half a block' ? 1 : 2;
  // Few places, so that operations meet.
  const first = random.below(2) * 2 + (kind === 'half a block' ? 1 : 0);
  const now = kind === 'zeroes' ? 0 : tag;
  const changes = Array.from({ length: halves }, (_, index): [number, number] => [first + index, now]);
  const lengthBytes = halves * half;
  const offset = first * half;
  if (kind === 'zeroes') return { io: request(BLOCK_WRITE_ZEROES, { offset, lengthBytes }), changes };
  return { io: writeRequest(offset, new Uint8Array(lengthBytes).fill(tag), kind === 'stable' ? BLOCK_FUA : 0), changes };
}
