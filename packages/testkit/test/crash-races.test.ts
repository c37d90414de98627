import {
  BLOCK_FUA,
  type BlockDevice,
  type BlockTimers,
  beginSubmit,
  endSubmit,
  openCache,
  openChecksum,
  openCow,
  openMem,
  openMirror,
  openRaid,
  openSnapshots,
} from '@biodone/blockdev';
import {
  type CrashDevice,
  flushRequest,
  openCrash,
  readRequest,
  run,
  SeededRandom,
  turn,
  VirtualTime,
  writeRequest,
} from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { copyOf } from './support/contents.js';
import { raid } from './support/raid-media.js';
import { untilSettled } from './support/steps.js';

const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const RUNS = 100;
const UNIT = 1024;
const UNITS = 24;
const SIZE_BYTES = UNITS * UNIT;
const LINE = 4096;

/** A stack on media that lose what was not flushed, how it is found again, and what is looked at more closely then. */
interface Target {
  readonly media: readonly number[];
  open(media: readonly BlockDevice[], timers: BlockTimers): BlockDevice | Promise<BlockDevice>;
  reopen(media: readonly BlockDevice[]): BlockDevice | Promise<BlockDevice>;
  /** After the first look. */
  disturb?(device: BlockDevice, random: SeededRandom): Promise<void>;
}

const cacheShape = { cacheBytes: 6 * LINE, dirtyMaxBytes: 3 * LINE, lineBytes: LINE, deviceName: 'it' };
const cacheTiming = { readAheadBytes: LINE, writeBackDelayMs: 20 };
const component = (SIZE_BYTES * 3) / 4 + 8192;
const raidShape = { create: true, stripeBytes: 2048, regionBytes: 4096, bitmapDelayMs: 15, assumeClean: true };

async function loseOne(device: BlockDevice, random: SeededRandom): Promise<void> {
  await raid(device).settled();
  expect(raid(device).state).toBe('optimal');
  raid(device).fail(random.below(raid(device).components().length));
}

const targets: readonly [name: string, target: Target][] = [
  [
    'a write-back cache',
    {
      media: [SIZE_BYTES],
      open: ([below], timers) => openCache(below as BlockDevice, { ...cacheShape, ...cacheTiming, timers }),
      reopen: ([below]) => below as BlockDevice,
    },
  ],
  [
    'a write-through cache',
    {
      media: [SIZE_BYTES],
      open: ([below], timers) =>
        openCache(below as BlockDevice, { ...cacheShape, ...cacheTiming, mode: 'write-through', timers }),
      reopen: ([below]) => below as BlockDevice,
    },
  ],
  [
    'a cache with a log',
    {
      media: [SIZE_BYTES, 2 ** 18],
      open: ([below, log], timers) =>
        openCache(below as BlockDevice, { ...cacheShape, ...cacheTiming, timers, log: log as BlockDevice, create: true }),
      reopen: ([below, log]) => openCache(below as BlockDevice, { ...cacheShape, log: log as BlockDevice }),
    },
  ],
  [
    'a cache on a device',
    {
      media: [SIZE_BYTES, 2 ** 18],
      open: ([below, fast], timers) =>
        openCache(below as BlockDevice, {
          ...cacheShape,
          ...cacheTiming,
          timers,
          cacheDevice: fast as BlockDevice,
          create: true,
        }),
      reopen: ([below, fast]) => openCache(below as BlockDevice, { ...cacheShape, cacheDevice: fast as BlockDevice }),
    },
  ],
  [
    'an overlay that is kept',
    {
      media: [SIZE_BYTES + 65_536],
      open: ([overlay]) => openCow(openMem(SIZE_BYTES), { overlay: overlay as BlockDevice, create: true, blockBytes: LINE }),
      reopen: ([overlay]) => openCow(openMem(SIZE_BYTES), { overlay: overlay as BlockDevice }),
    },
  ],
  [
    'checksums',
    {
      media: [192 * 1024],
      open: ([below]) => openChecksum(below as BlockDevice, { create: true, blockSizeBytes: UNIT }),
      reopen: ([below]) => openChecksum(below as BlockDevice, { blockSizeBytes: UNIT }),
    },
  ],
  [
    'a raid of level 5',
    {
      media: [component, component, component],
      open: (media, timers) => openRaid(media, { ...raidShape, timers }),
      reopen: (media) => openRaid(media),
      disturb: loseOne,
    },
  ],
  [
    'a raid of level 1',
    {
      media: [SIZE_BYTES + 8192, SIZE_BYTES + 8192],
      open: (media, timers) => openRaid(media, { ...raidShape, level: 1, timers }),
      reopen: (media) => openRaid(media),
      disturb: loseOne,
    },
  ],
  [
    'a cache over a mirror, under snapshots of which one is there',
    {
      media: [SIZE_BYTES + 8192, SIZE_BYTES + 8192],
      open: async (media, timers) => {
        const { device: mirror } = await openMirror(media, { create: true });
        const device = openSnapshots(await openCache(mirror, { ...cacheShape, ...cacheTiming, timers }), { blockBytes: LINE });
        await device.snapshot();
        return device;
      },
      reopen: async (media) => (await openMirror(media)).device,
    },
  ],
];

/** What each unit may hold after a crash: nothing older than what was made stable, and nothing that was never written. */
class Versions {
  readonly submitted = new Uint8Array(UNITS);
  readonly completed = new Uint8Array(UNITS);
  readonly stable = new Uint8Array(UNITS);

  makeStable(unit: number, tag: number): void {
    this.stable[unit] = Math.max(this.stable[unit] as number, tag);
  }

  copy(): Versions {
    return Object.assign(new Versions(), {
      submitted: Uint8Array.from(this.submitted),
      stable: Uint8Array.from(this.stable),
    });
  }

  async check(device: BlockDevice, what: string): Promise<void> {
    const io = readRequest(0, SIZE_BYTES);
    expect((await run(device, io)).error, what).toBe(0);
    for (let unit = 0; unit < UNITS; unit++) {
      for (const tag of new Set(io.buffer?.bytes.subarray(unit * UNIT, (unit + 1) * UNIT))) {
        const isRight = tag >= (this.stable[unit] as number) && tag <= (this.submitted[unit] as number);
        expect(isRight, `${what}: unit ${unit} holds ${tag}, of ${this.stable[unit]} to ${this.submitted[unit]}`).toBe(true);
      }
    }
  }
}

/** How a run is: another one each time, so that what some of them never come to, others do. */
interface Habits {
  readonly flushes: number;
  readonly reads: number;
  readonly writes: number;
  readonly stable: number;
  readonly aborted: number;
  readonly unitsMax: number;
  readonly timePasses: number;
}

function habits(random: SeededRandom): Habits {
  return {
    flushes: random.pick([0.02, 0.1, 0.3]),
    reads: random.pick([0, 0.1]),
    writes: random.pick([0.1, 0.3, 0.6]),
    stable: random.pick([0, 0, 0.2]),
    aborted: random.pick([0, 0.1, 0.3]),
    unitsMax: random.pick([1, 4, 8]),
    timePasses: random.pick([0.05, 0.2, 0.6]),
  };
}

/** Requests at random places, no two writes to one unit at a time, some of which are aborted. */
class Writers {
  readonly versions = new Versions();
  readonly #device: BlockDevice;
  readonly #random: SeededRandom;
  readonly #habits: Habits;
  readonly #busy = new Set<number>();

  constructor(device: BlockDevice, random: SeededRandom, habits: Habits) {
    this.#device = device;
    this.#random = random;
    this.#habits = habits;
  }

  start(): void {
    const { flushes, reads, writes } = this.#habits;
    if (this.#random.chance(flushes)) this.#flush();
    if (this.#random.chance(reads)) this.#read();
    if (this.#random.chance(writes)) this.#write();
  }

  #write(): void {
    const random = this.#random;
    const first = random.below(UNITS);
    const units = Array.from({ length: Math.min(UNITS - first, 1 + random.below(this.#habits.unitsMax)) }, (_, at) => first + at);
    if (units.some((unit) => this.#busy.has(unit) || (this.versions.submitted[unit] as number) > 250)) return;
    const bytes = new Uint8Array(units.length * UNIT);
    const tags = units.map((unit, at) => {
      const tag = (this.versions.submitted[unit] as number) + 1;
      bytes.fill(tag, at * UNIT, (at + 1) * UNIT);
      this.versions.submitted[unit] = tag;
      this.#busy.add(unit);
      return tag;
    });
    const isStable = random.chance(this.#habits.stable);
    const io = writeRequest(first * UNIT, bytes, isStable ? BLOCK_FUA : 0);
    void run(this.#device, io).then(({ error }) => {
      for (const [at, unit] of units.entries()) {
        this.#busy.delete(unit);
        if (error !== 0) continue;
        this.versions.completed[unit] = tags[at] as number;
        if (isStable) this.versions.makeStable(unit, tags[at] as number);
      }
    });
    this.#abortSome(io);
  }

  #flush(): void {
    const covered = Uint8Array.from(this.versions.completed);
    const io = flushRequest();
    void run(this.#device, io).then(({ error }) => {
      if (error === 0) for (const [unit, tag] of covered.entries()) this.versions.makeStable(unit, tag);
    });
    this.#abortSome(io);
  }

  #read(): void {
    const first = this.#random.below(UNITS);
    const io = readRequest(first * UNIT, (1 + this.#random.below(UNITS - first)) * UNIT);
    void run(this.#device, io);
    this.#abortSome(io);
  }

  #abortSome(io: Parameters<BlockDevice['abort']>[0]): void {
    if (!this.#random.chance(this.#habits.aborted)) return;
    const device = this.#device;
    let turns = this.#random.below(4);
    const later = (): void => {
      turns -= 1;
      if (turns > 0) setImmediate(later);
      else if (io.state === 1) device.abort(io);
    };
    later();
  }
}

async function runUntilCrash(target: Target, random: SeededRandom): Promise<void> {
  const time = new VirtualTime();
  const own = habits(random);
  const mems = target.media.map((sizeBytes) => openMem(sizeBytes, { blockSizeBytes: 512 }));
  const media: CrashDevice[] = mems.map((mem) => openCrash(mem, { stepped: true }));
  const step = (): void => {
    const busy = media.filter(({ waiting }) => waiting > 0);
    if (busy.length > 0) {
      const medium = random.pick(busy);
      medium.step(random.below(medium.waiting));
    }
    if (random.chance(own.timePasses)) time.advance(random.below(20));
  };
  const device = await untilSettled(Promise.resolve(target.open(media, time)), step);
  const writers = new Writers(device, random, own);
  for (let left = 20 + random.below(200); left > 0; left--) {
    writers.start();
    step();
    await turn();
  }
  const survive = random.pick([0, 0.5, 1]);
  beginSubmit();
  for (const medium of media) medium.crash({ survive, random, sectorBytes: 512 });
  const found = mems.map((mem) => copyOf(mem, { blockSizeBytes: 512 }));
  // What is told afterwards of what was under way is told to nobody.
  const versions = writers.versions.copy();
  endSubmit();
  const again = await target.reopen(found);
  await versions.check(again, 'after a crash');
  if (target.disturb !== undefined) {
    await target.disturb(again, random);
    await versions.check(again, 'after a crash, and without a component');
  }
  await again.close();
  await untilSettled(
    device.close().catch(() => {}),
    step,
  );
}

describe.each(targets)('%s that crashes with many requests under way, some of them cancelled', (_name, target) => {
  it('has nothing that is older than what was made stable', async () => {
    console.log(`crashes: BIODONE_SEED=${seed}`);
    for (let index = 0; index < RUNS; index++) {
      await runUntilCrash(target, new SeededRandom(seed + index)).catch((error: Error) => {
        error.message += `\n(run ${index}, BIODONE_SEED=${seed})`;
        throw error;
      });
    }
  }, 120_000);
});
