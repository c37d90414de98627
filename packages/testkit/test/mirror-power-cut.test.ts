import {
  BLOCK_FUA,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
  beginSubmit,
  endSubmit,
  type MirrorDevice,
  openMem,
  openMirror,
} from '@biodone/blockdev';
import {
  type CrashDevice,
  flushRequest,
  openCrash,
  readRequest,
  request,
  run,
  SeededRandom,
  turn,
  writeRequest,
} from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { bytesOf, copyOf } from './support/contents.js';
import { Expected } from './support/expected-after-crash.js';
import { untilSettled } from './support/steps.js';

const BLOCK = 4096;
const BLOCKS = 16;
/** Each half has room for a label at its end. */
const HALF_BYTES = (BLOCKS + 1) * BLOCK;
const SCHEDULES = 100;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));

type Halves = readonly [CrashDevice, CrashDevice];

/** Does what waits on the halves, in any order, until something is done. */
function stepHalves<T>(halves: Halves, random: SeededRandom, promise: Promise<T>): Promise<T> {
  return untilSettled(promise, () => {
    const busy = halves.filter(({ waiting }) => waiting > 0);
    const half = busy.length === 0 ? undefined : random.pick(busy);
    half?.step(random.below(half.waiting));
  });
}

/** The halves as the next system finds them: with what is on the media, and nothing of what the last one still has in memory. */
function powerCut(halves: Halves, random: SeededRandom): Halves {
  const survive = random.pick([0, 0.2, 0.5, 0.9]);
  // Both at the same moment: nobody learns that one has failed as long as the other one still works.
  beginSubmit();
  for (const half of halves) half.crash({ survive: random.chance(0.2) ? 1 - survive : survive, random, sectorBytes: BLOCK });
  const again = (half: CrashDevice): CrashDevice => openCrash(copyOf(half), { stepped: true });
  const found: Halves = [again(halves[0]), again(halves[1])];
  endSubmit();
  return found;
}

/** What a mirror was told, and what it may therefore answer. */
class History {
  readonly expected = new Expected(BLOCKS);
  readonly latest = new Uint8Array(BLOCKS);
  #tag = 0;

  request(random: SeededRandom): { readonly io: BlockIo; done(): void } {
    if (random.chance(0.2)) return { io: flushRequest(), done: () => this.#flushed() };
    this.#tag = (this.#tag % 255) + 1;
    const [index, flags] = [random.below(BLOCKS), random.chance(0.3) ? BLOCK_FUA : 0];
    const operation = random.pick([BLOCK_WRITE, BLOCK_WRITE, BLOCK_WRITE_ZEROES]);
    const tag = operation === BLOCK_WRITE ? this.#tag : 0;
    const range = { offset: index * BLOCK, lengthBytes: BLOCK, flags };
    const io =
      operation === BLOCK_WRITE ? writeRequest(range.offset, new Uint8Array(BLOCK).fill(tag), flags) : request(operation, range);
    // From its start on it may be there.
    this.expected.written(index, tag);
    const done = (): void => {
      this.latest[index] = tag;
      if (flags === BLOCK_FUA) this.expected.flushed(index, tag);
    };
    return { io, done };
  }

  check(tagsOf: (index: number) => readonly number[], what: string): void {
    for (let index = 0; index < BLOCKS; index++) {
      const tags = tagsOf(index);
      expect(this.expected.allows(index, tags), `block ${index} reads ${tags} ${what}`).toBe(true);
    }
  }

  /** What is read after a cut is what the next flush makes stable. */
  goOnWith(bytes: Uint8Array): void {
    for (let index = 0; index < BLOCKS; index++) this.latest[index] = bytes[index * BLOCK] as number;
  }

  #flushed(): void {
    for (let index = 0; index < BLOCKS; index++) this.expected.flushed(index, this.latest[index] as number);
  }
}

const tagsAt =
  (bytes: Uint8Array) =>
  (index: number): number[] => [...new Set(bytes.subarray(index * BLOCK, (index + 1) * BLOCK))];

async function readAll(halves: Halves, random: SeededRandom, mirror: MirrorDevice): Promise<Uint8Array> {
  const io = readRequest(0, BLOCKS * BLOCK);
  expect((await stepHalves(halves, random, run(mirror.device, io))).error).toBe(0);
  return Uint8Array.from(io.buffer?.bytes.subarray(0, BLOCKS * BLOCK) ?? []);
}

/** Promises when both halves have all of the data; one that had been taken out is taken in again. */
function allGood(mirror: MirrorDevice): Promise<void> {
  for (const [index, { state }] of mirror.halves().entries()) if (state === 'failed') mirror.rebuild(index).catch(() => {});
  return new Promise((resolve) => {
    const look = (): void => {
      if (mirror.degraded) return;
      mirror.off('change', look);
      resolve();
    };
    mirror.on('change', look);
    look();
  });
}

/** Uses the mirror, now and then with one half, and leaves some requests unfinished when the power fails. */
async function useUntilCut(halves: Halves, random: SeededRandom, mirror: MirrorDevice, history: History): Promise<void> {
  const failAt = random.chance(0.3) ? random.below(12) : -1;
  for (let step = 1 + random.below(15); step > 0; step--) {
    if (step === failAt && !mirror.degraded) mirror.fail(random.below(2));
    const { io, done } = history.request(random);
    expect((await stepHalves(halves, random, run(mirror.device, io))).error).toBe(0);
    done();
  }
  for (let left = random.below(4); left > 0; left--) void run(mirror.device, history.request(random).io);
  for (let left = random.below(10); left > 0; left--) {
    const half = random.pick(halves);
    half.step(random.below(Math.max(1, half.waiting)));
    await turn();
  }
}

async function oneSchedule(random: SeededRandom): Promise<void> {
  const history = new History();
  let halves: Halves = [openCrash(openMem(HALF_BYTES), { stepped: true }), openCrash(openMem(HALF_BYTES), { stepped: true })];
  let mirror = await stepHalves(halves, random, openMirror(halves, { create: true, halvesAreEqual: true }));
  for (let cuts = 1 + random.below(3); cuts > 0; cuts--) {
    await useUntilCut(halves, random, mirror, history);
    const old = { halves, mirror };
    halves = powerCut(halves, random);
    mirror = await stepHalves(halves, random, openMirror(random.shuffled(halves)));
    const found = await readAll(halves, random, mirror);
    history.check(tagsAt(found), 'after the cut');
    history.goOnWith(found);
    // The next cut may come while the halves are being made equal.
    if (random.chance(0.5)) await stepHalves(halves, random, allGood(mirror));
    // It cannot say any more that all is well: the halves that it had are gone.
    await stepHalves(
      old.halves,
      random,
      old.mirror.close().catch(() => {}),
    );
  }
  const before = await readAll(halves, random, mirror);
  await stepHalves(halves, random, allGood(mirror));
  const after = await readAll(halves, random, mirror);
  expect(Buffer.compare(before, after), 'a block changes while the halves are made equal').toBe(0);
  await stepHalves(halves, random, run(mirror.device, flushRequest()));
  history.check(tagsAt(after), 'when the halves are equal');
  for (const half of powerCut(halves, random)) {
    expect(Buffer.compare(bytesOf(half, BLOCKS * BLOCK), after), 'a half differs from what the mirror reads').toBe(0);
  }
  await stepHalves(halves, random, mirror.close());
}

describe('a mirror that the power fails for', () => {
  it('opened again by its labels, has all that was flushed, and halves that become equal', async () => {
    console.log(`power cuts: BIODONE_SEED=${seed}`);
    for (let schedule = 0; schedule < SCHEDULES; schedule++) {
      await oneSchedule(new SeededRandom(seed + schedule)).catch((error: Error) => {
        error.message += `\n(schedule ${schedule}, BIODONE_SEED=${seed})`;
        throw error;
      });
    }
  }, 60_000);
});
