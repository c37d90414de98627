import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import type { EngineSession } from '../src/io-engines/io-engine.js';
import { jobOf } from '../src/jobs/job.js';
import { JobRecorder } from '../src/results/job-recorder.js';
import type { CompletionSink } from '../src/run/completion-sink.js';
import { DepthSearch } from '../src/run/depth-search.js';
import { IoChooser } from '../src/run/io-chooser.js';
import { IoUnit } from '../src/run/io-unit.js';
import type { JobClock } from '../src/run/job-clock.js';
import { JobControl } from '../src/run/job-control.js';
import { JobLoop } from '../src/run/job-loop.js';
import type { JobPlan } from '../src/run/job-plan.js';
import { JobRun } from '../src/run/job-run.js';
import { NextIo } from '../src/run/next-io.js';
import { RandomMap } from '../src/run/random-map.js';
import { ShiftRegister } from '../src/run/shift-register.js';
import { StallWatch } from '../src/run/stall-watch.js';
import { SteadyWatch } from '../src/run/steady-watch.js';

function planOf(options: Record<string, string>, sizeBytes = 2 ** 16): JobPlan {
  const given = Object.entries({ size: String(sizeBytes), ...options }).map(([name, value]) => ({ name, value, place: 'test' }));
  return {
    job: jobOf({ name: 'test', globals: [], options: given, place: 'test' }),
    number: 0,
    copy: 0,
    groupId: 0,
    target: { kind: 'none' },
    startOffset: 0,
    lengthBytes: sizeBytes,
    totalBytes: sizeBytes,
    totalIos: Number.POSITIVE_INFINITY,
    seed: 1,
    dataSeed: 1,
    stateFile: '',
  };
}

/** As few system calls as can be: all that is free goes to the kernel together, and all that is done is taken together. */
const ALL_TOGETHER = { iodepth_batch_submit: '0', iodepth_batch_complete_max: '4' };

function times(text: string, count: number): string[] {
  return Array.from({ length: count }, () => text);
}

/** A clock that stands until somebody moves it. */
class HeldClock implements JobClock {
  reads = 0;
  nowNs = 1000;

  now(): number {
    this.reads += 1;
    return this.nowNs;
  }
}

/** A device that takes so long for each I/O, several at a time, in the clock's time. */
class SlowSession implements EngineSession {
  readonly completes = 'wait' as const;
  readonly #sink: CompletionSink;
  readonly #clock: HeldClock;
  readonly #serviceNs: number;
  readonly #inFlight: { unit: IoUnit; doneNs: number }[] = [];

  constructor(sink: CompletionSink, clock: HeldClock, serviceNs: number) {
    this.#sink = sink;
    this.#clock = clock;
    this.#serviceNs = serviceNs;
  }

  start(unit: IoUnit): void {
    this.#inFlight.push({ unit, doneNs: this.#clock.nowNs + this.#serviceNs });
  }

  flush(): void {}

  wait(timeoutMs: number): void {
    const first = this.#inFlight[0];
    if (first === undefined) return;
    // A poll, for the next I/O that is due: time goes on a little.
    this.#clock.nowNs = timeoutMs === 0 ? this.#clock.nowNs + 1000 : Math.max(this.#clock.nowNs, first.doneNs);
    const done = this.#inFlight.filter(({ doneNs }) => doneNs <= this.#clock.nowNs);
    for (const each of done) this.#inFlight.splice(this.#inFlight.indexOf(each), 1);
    for (const { unit } of done) this.#sink.done(unit, unit.lengthBytes);
  }
}

/** A device that does one I/O after the other, so that each waits for all before it. It sees whether any two touch the same bytes. */
class SerialSession implements EngineSession {
  readonly completes = 'wait' as const;
  hasOverlaps = false;
  readonly #sink: CompletionSink;
  readonly #clock: HeldClock;
  readonly #queue: IoUnit[] = [];

  constructor(sink: CompletionSink, clock: HeldClock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  start(unit: IoUnit): void {
    this.hasOverlaps ||= this.#queue.some(({ offset }) => offset === unit.offset);
    this.#queue.push(unit);
  }

  flush(): void {}

  wait(): void {
    const unit = this.#queue.shift();
    this.#clock.nowNs += 1000;
    if (unit !== undefined) this.#sink.done(unit, unit.lengthBytes);
  }
}

/** A device that does all that it was given when it is waited for, each in 1000 ns, and tells of them together: what has happened to it is kept. */
class BatchSession implements EngineSession {
  readonly completes = 'wait' as const;
  readonly log: string[] = [];
  readonly #sink: CompletionSink;
  readonly #clock: HeldClock;
  readonly #queue: IoUnit[] = [];
  #started = 0;

  constructor(sink: CompletionSink, clock: HeldClock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  start(unit: IoUnit): void {
    this.#started += 1;
    this.#queue.push(unit);
  }

  flush(): void {
    this.log.push(`submit ${this.#started}`);
    this.#started = 0;
    // What the call takes.
    this.#clock.nowNs += 10;
  }

  wait(): void {
    const done = this.#queue.splice(0);
    this.log.push(`wait for ${done.length}`);
    this.#clock.nowNs += 1000 * done.length;
    for (const unit of done) this.#sink.done(unit, unit.lengthBytes);
  }
}

interface LoopOutcome {
  readonly recorder: JobRecorder;
  readonly clock: HeldClock;
  readonly loop: JobLoop;
}

/** Runs a plan on a {@link SerialSession}. */
async function runSerially(plan: JobPlan, search: DepthSearch | null = null): Promise<LoopOutcome & { hasOverlaps: boolean }> {
  const sessions: SerialSession[] = [];
  const outcome = await runLoop(plan, plan.job.options.iodepth, 0, {
    search,
    open: (sink, clock) => {
      const session = new SerialSession(sink, clock);
      sessions.push(session);
      return session;
    },
  });
  return { ...outcome, hasOverlaps: sessions[0]?.hasOverlaps === true };
}

async function runLoop(
  plan: JobPlan,
  depth: number,
  serviceNs: number,
  more: {
    search?: DepthSearch | null;
    open?: (sink: CompletionSink, clock: HeldClock) => EngineSession;
    control?: JobControl;
    clock?: HeldClock;
  } = {},
): Promise<LoopOutcome> {
  const clock = more.clock ?? new HeldClock();
  const recorder = new JobRecorder();
  const units = Array.from({ length: depth }, (_, index) => new IoUnit(index, IoBuffer.allocate(4096)));
  const next = new NextIo(plan, new IoChooser(plan), null, units);
  const control = more.control ?? new JobControl();
  const onTime = (): number => Number.POSITIVE_INFINITY;
  const open = more.open ?? ((sink: CompletionSink) => new SlowSession(sink, clock, serviceNs));
  const loop = new JobLoop({ plan, units, next, recorder, clock, control, onTime, search: more.search ?? null }, (sink) =>
    open(sink, clock),
  );
  await loop.run([0, 1]);
  return { recorder, clock, loop };
}

describe('the loop', () => {
  it('records each I/O once, with the time that it took', async () => {
    const { recorder, clock } = await runLoop(planOf({ iodepth: '4', ...ALL_TOGETHER }), 4, 5000);
    const { read } = recorder;
    expect([read.totalIos, read.bytes, read.total.count]).toEqual([16, 2 ** 16, 16]);
    expect([read.total.minNs, read.total.maxNs, read.submission.maxNs]).toEqual([5000, 5000, 0]);
    expect(recorder.depth.toData()).toEqual([[4, 16]]);
    expect(recorder.completed.toData()).toEqual([[4, 4]]);
    // One reading for four that complete together, one for four that are handed over, and one at the beginning.
    expect(clock.reads).toBe(9);
  });

  it('hands over in batches of the size that is asked for, and waits when as many are in flight as may be, as fio', async () => {
    const depths = async (options: Record<string, string>): Promise<[unknown, unknown]> => {
      const { recorder } = await runLoop(planOf({ iodepth: '4', ...options }), 4, 5000);
      expect(recorder.read.totalIos).toBe(16);
      return [recorder.submitted.toData(), Math.max(...recorder.depth.toData().map(([depth]) => depth))];
    };
    expect(await depths({})).toEqual([[[1, 16]], 4]);
    expect(await depths({ iodepth_batch_submit: '2', iodepth_batch_complete_min: '2' })).toEqual([[[2, 8]], 4]);
    expect(await depths({ iodepth_batch_submit: '0', iodepth_batch_complete_max: '4' })).toEqual([[[4, 4]], 4]);
    expect(await depths({ iodepth_batch_submit: '4', iodepth_batch_complete_max: '4' })).toEqual([[[4, 4]], 4]);
  });

  it.each<[string, Record<string, string>, string[]]>([
    [
      'goes to the kernel with each I/O, and takes one completion at a time, before the next I/O has its place',
      {},
      [...times('submit 1', 4), 'wait for 4', ...times('submit 1', 4), 'wait for 4', ...times('submit 1', 4), 'wait for 4'],
    ],
    [
      'goes to the kernel with all that is free, and takes all completions that there are',
      ALL_TOGETHER,
      ['submit 4', 'wait for 4', 'submit 4', 'wait for 4', 'submit 4', 'wait for 4'],
    ],
    [
      'goes to the kernel with each I/O, and takes two completions at a time',
      { iodepth_batch_complete_max: '2' },
      [...times('submit 1', 4), 'wait for 4', ...times('submit 1', 4), 'wait for 4', ...times('submit 1', 4), 'wait for 4'],
    ],
    [
      'fills what two completions have left free with one batch, waiting for no more of them than are there',
      { iodepth_batch_submit: '2', iodepth_batch_complete_min: '2' },
      [...times('submit 2', 2), 'wait for 4', ...times('submit 2', 2), 'wait for 4', ...times('submit 2', 2), 'wait for 4'],
    ],
  ])('%s', async (_, options, expected) => {
    const sessions: BatchSession[] = [];
    const plan = planOf({ iodepth: '4', ...options }, 12 * 4096);
    const { recorder } = await runLoop(plan, 4, 0, {
      open: (sink, clock) => {
        const session = new BatchSession(sink, clock);
        sessions.push(session);
        return session;
      },
    });
    expect(recorder.read.totalIos).toBe(12);
    expect(sessions[0]?.log).toEqual(expected);
  });

  it('counts the time in which a completion waits until it is taken, so that as many are in flight as are to be', async () => {
    const latencies = async (options: Record<string, string>): Promise<number> => {
      const plan = planOf({ iodepth: '4', ...options }, 4000 * 4096);
      const { recorder, clock } = await runLoop(plan, 4, 0, { open: (sink, clock) => new BatchSession(sink, clock) });
      // By Little's law: the mean latency is as long as it takes to do as many I/Os as are in flight.
      return recorder.read.total.toData().sumNs / clock.nowNs;
    };
    expect(await latencies({})).toBeCloseTo(4, 1);
    expect(await latencies(ALL_TOGETHER)).toBeCloseTo(4, 1);
  });

  it('goes on taking until no more are in flight than iodepth_low, where the queue was full', async () => {
    const sessions: BatchSession[] = [];
    const { recorder } = await runLoop(planOf({ iodepth: '4', iodepth_low: '1' }, 8 * 4096), 4, 0, {
      open: (sink, clock) => {
        const session = new BatchSession(sink, clock);
        sessions.push(session);
        return session;
      },
    });
    expect(recorder.completed.toData()).toEqual([[1, 8]]);
    expect(sessions[0]?.log).toEqual([
      ...times('submit 1', 4),
      'wait for 4',
      ...times('submit 1', 3),
      'wait for 3',
      'submit 1',
      'wait for 1',
    ]);
  });

  it('with a rate measures from when an I/O was due, so a stall is in all that it held up', async () => {
    // One I/O each 10 us, of which the device does one in 30 us: the n-th is 20 us later than the one before it.
    const { recorder } = await runLoop(planOf({ rate_iops: '100000' }), 1, 30_000);
    const { read } = recorder;
    expect(read.totalIos).toBe(16);
    expect([read.total.minNs, read.total.maxNs]).toEqual([30_000, 30_000]);
    expect(read.response.maxNs).toBe(30_000 + 15 * 20_000);
    expect(read.lateness.maxNs).toBe(15 * 20_000);
  });

  it('with a rate that the device can have starts each I/O when it is due', async () => {
    const { recorder } = await runLoop(planOf({ rate_iops: '10000', iodepth: '4' }), 4, 150_000);
    const { read } = recorder;
    expect(read.totalIos).toBe(16);
    expect(read.lateness.maxNs).toBeLessThanOrEqual(2000);
  });

  it('keeps I/Os apart that touch the same bytes, if it is told to', async () => {
    const options = { rw: 'randrw', norandommap: '1', iodepth: '4', io_size: '1m' };
    const plan = (more: Record<string, string>): JobPlan => ({ ...planOf({ ...options, ...more }), totalBytes: 2 ** 20 });
    expect((await runSerially(plan({}))).hasOverlaps).toBe(true);
    const apart = await runSerially(plan({ serialize_overlap: '1' }));
    expect(apart.hasOverlaps).toBe(false);
    expect(apart.recorder.read.totalIos + apart.recorder.write.totalIos).toBe(256);
  });

  it('thinks asleep, or at work for a part of it, and after a number of I/Os or a time', async () => {
    class TickingClock extends HeldClock {
      override now(): number {
        this.nowNs += 500;
        return super.now();
      }
    }
    class CountedControl extends JobControl {
      sleeps = 0;
      override sleep(timeoutMs: number): void {
        this.sleeps += 1;
        clock.nowNs += timeoutMs * 1e6;
      }
    }
    let clock = new TickingClock();
    const thoughts = async (options: Record<string, string>): Promise<{ sleeps: number; thoughts: number }> => {
      clock = new TickingClock();
      const control = new CountedControl();
      const outcome = await runLoop(planOf({ thinktime: '5ms', ...options }), 1, 10_000, { control, clock });
      expect(outcome.recorder.read.totalIos).toBe(16);
      return { sleeps: control.sleeps, thoughts: Math.round(clock.nowNs / 5e6) };
    };
    // None behind the last I/O.
    expect(await thoughts({})).toEqual({ sleeps: 15, thoughts: 15 });
    expect(await thoughts({ thinktime_blocks: '4' })).toEqual({ sleeps: 3, thoughts: 3 });
    expect(await thoughts({ thinktime_spin: '5ms', thinktime_blocks: '4' })).toEqual({ sleeps: 0, thoughts: 3 });
    // An I/O takes some 11 us.
    expect(await thoughts({ thinktime_iotime: '60us' })).toEqual({ sleeps: 2, thoughts: 2 });
  });

  it('ends with the first I/O that takes longer than it may', async () => {
    const { loop, recorder } = await runLoop(planOf({ max_latency: '20us' }), 1, 30_000);
    expect(loop.failure?.text).toMatch(/^read at 0 took 30 us, more than max_latency$/);
    expect(recorder.read.totalIos).toBe(1);
  });
});

it('the loop and its records allocate nothing for an I/O', async () => {
  const collections = async (ios: number): Promise<number> => {
    const plan = {
      ...planOf({ ioengine: 'null', rw: 'randrw', iodepth: '32', ...ALL_TOGETHER, iodepth_batch_complete_max: '32' }),
      totalBytes: Number.POSITIVE_INFINITY,
      totalIos: ios,
    };
    const run = await JobRun.open(plan, new JobRecorder(), new JobControl());
    const { loop } = await run.run();
    await run.close();
    return loop.gcCount;
  };
  // Code that is not compiled yet has its numbers on the heap.
  await collections(500_000);
  // A single number each would be 96 MB, and the young generation holds 16. Readings of the clock are numbers too, two for 32 I/Os.
  expect(await collections(6_000_000)).toBeLessThanOrEqual(5);
}, 120_000);

describe('latency_target', () => {
  const target = { targetNs: 5000, windowNs: 100_000, percent: 100, goesOn: false };
  const plan = (depth: number): JobPlan => ({
    ...planOf({ iodepth: String(depth) }),
    totalBytes: Number.POSITIVE_INFINITY,
  });

  it.each([
    [32, 5000, 5],
    [32, 32_000, 32],
    [32, 1000, 1],
    [7, 6999, 6],
  ])(
    'finds of a depth of %i the largest one that keeps %i ns, where each I/O waits 1000 ns for each before it: %i',
    async (max, targetNs, found) => {
      const search = new DepthSearch({ ...target, targetNs, windowNs: 1_000_000 }, max);
      const { loop, recorder } = await runSerially(plan(max), search);
      expect(loop.failure).toBeNull();
      expect(search.depth).toBe(found);
      // What was tried before does not count.
      expect(recorder.read.totalIos).toBeGreaterThan(990);
      expect(recorder.read.totalIos).toBeLessThan(1010 + max);
    },
  );

  it('is a failure where no depth keeps it', async () => {
    const search = new DepthSearch({ ...target, targetNs: 999 }, 8);
    const { loop } = await runSerially(plan(8), search);
    expect(loop.failure).toEqual({ error: 62, text: 'latency_target is not kept at any depth' });
  });

  it('is kept by as many as it asks for, and goes on if it is told to', () => {
    const search = new DepthSearch({ ...target, percent: 90, goesOn: true }, 2);
    const window = (late: number, nowNs: number): string => {
      for (let io = 0; io < 10; io++) search.count(io < late ? 5001 : 5000, nowNs - 1);
      search.count(1e9, nowNs - 100_001);
      return search.look(nowNs);
    };
    expect(search.look(0)).toBe('go-on');
    expect([window(2, 100_000), search.depth]).toEqual(['go-on', 1]);
    expect([window(1, 200_000), search.depth]).toEqual(['measure', 1]);
    expect([window(10, 300_000), window(10, 1e12), search.depth]).toEqual(['go-on', 'go-on', 1]);
  });
});

describe('a shift register', () => {
  it.each([1, 2, 3, 4, 1000, 4095, 4096, 70_000, 2 ** 17])('of %i numbers gives each once, and then again', (count) => {
    const register = new ShiftRegister(count, 12_345);
    const first = Array.from({ length: count }, () => register.next());
    expect(new Set(first).size).toBe(count);
    expect(first.every((number) => number >= 0 && number < count)).toBe(true);
    expect(Array.from({ length: count }, () => register.next())).toEqual(first);
  });

  it.each([18, 19, 20, 21, 22])('of %i bits has the longest period', (bits) => {
    const count = 2 ** bits - 1;
    const register = new ShiftRegister(count, 1);
    const first = register.next();
    let period = 1;
    while (register.next() !== first) period += 1;
    expect(period).toBe(count);
  });
});

describe('a stall', () => {
  it('is when nothing completes for too long, though something is in flight', () => {
    const recorder = new JobRecorder();
    const thread = { recorder, isRunning: false, isIdle: false };
    const watch = new StallWatch<typeof thread>(1000);
    const isStalled = (nowMs: number): boolean => watch.look([thread], nowMs).length > 0;
    expect([0, 5000].map(isStalled)).toEqual([false, false]);
    thread.isRunning = true;
    expect([10_000, 10_999, 11_000].map(isStalled)).toEqual([false, false, true]);
    recorder.write.complete(4096, 0, 1);
    expect([11_500, 12_499, 12_500].map(isStalled)).toEqual([false, false, true]);
    recorder.sync.record(7);
    expect([12_600, 13_599].map(isStalled)).toEqual([false, false]);
    // It waits for its own next I/O: for its rate, or in its think time.
    thread.isIdle = true;
    expect([13_600, 20_000].map(isStalled)).toEqual([false, false]);
    thread.isIdle = false;
    expect([20_999, 21_000].map(isStalled)).toEqual([false, true]);
  });

  it('is never looked for where one waits for ever', () => {
    const thread = { recorder: new JobRecorder(), isRunning: true, isIdle: false };
    const watch = new StallWatch<typeof thread>(Number.POSITIVE_INFINITY);
    expect([0, 1e15].map((nowMs) => watch.look([thread], nowMs).length)).toEqual([0, 0]);
  });
});

describe('where I/Os go', () => {
  function offsetsOf(options: Record<string, string>, count: number): number[] {
    const chooser = new IoChooser(planOf(options));
    const unit = new IoUnit(0, IoBuffer.allocate(4096));
    return Array.from({ length: count }, () => {
      chooser.fill(unit, chooser.direction());
      return unit.offset / 4096;
    });
  }

  it('is each block once, at random, in each pass', () => {
    const [first, second] = [offsetsOf({ rw: 'randread' }, 32).slice(0, 16), offsetsOf({ rw: 'randread' }, 32).slice(16)];
    const all = Array.from({ length: 16 }, (_, index) => index);
    expect([...first].sort((a, b) => a - b)).toEqual(all);
    expect([...second].sort((a, b) => a - b)).toEqual(all);
    expect(first).not.toEqual(second);
    expect(first).not.toEqual(all);
  });

  it('is one behind the other, with what is skipped, and again from the beginning', () => {
    expect(offsetsOf({ rw: 'read' }, 18)).toEqual([...Array.from({ length: 16 }, (_, index) => index), 0, 1]);
    expect(offsetsOf({ rw: 'read:12k' }, 6)).toEqual([0, 4, 8, 12, 0, 4]);
  });

  it('is each block once without a map, if a shift register is asked for', () => {
    const offsets = offsetsOf({ rw: 'randread', random_generator: 'lfsr' }, 32);
    const all = Array.from({ length: 16 }, (_, index) => index);
    for (const pass of [offsets.slice(0, 16), offsets.slice(16)]) expect([...pass].sort((a, b) => a - b)).toEqual(all);
    expect(offsets.slice(0, 16)).not.toEqual(all);
  });

  it('is in zones, by their shares or by their bytes', () => {
    for (const distribution of ['zoned:90/25:10/75', 'zoned_abs:90/16k:10/48k', 'zoned_abs:90/16k:5/48k:5/1g']) {
      const offsets = offsetsOf({ rw: 'randread', random_distribution: distribution }, 4000);
      const inFirst = offsets.filter((offset) => offset < 4).length / offsets.length;
      expect(inFirst).toBeGreaterThan(0.87);
      expect(inFirst).toBeLessThan(0.94);
      expect([Math.min(...offsets), Math.max(...offsets)]).toEqual([0, 15]);
    }
  });

  it('is runs of some, at random', () => {
    const offsets = offsetsOf({ rw: 'randread:2', norandommap: '1' }, 20);
    for (let index = 0; index < offsets.length; index += 2) {
      expect(offsets[index + 1]).toBe(((offsets[index] as number) + 1) % 16);
    }
  });

  it('has the mix and the hot spots that are asked for', () => {
    const chooser = new IoChooser(planOf({ rw: 'randrw', rwmixread: '70' }));
    const reads = Array.from({ length: 10_000 }, () => chooser.direction()).filter((direction) => direction === 0).length;
    expect(reads).toBeGreaterThan(6700);
    expect(reads).toBeLessThan(7300);
    const counts = new Map<number, number>();
    for (const offset of offsetsOf({ rw: 'randread', random_distribution: 'zipf:1.5' }, 5000))
      counts.set(offset, (counts.get(offset) ?? 0) + 1);
    // Of 16 blocks the hottest would have a sixteenth if all were alike.
    expect(Math.max(...counts.values())).toBeGreaterThan(2000);
    for (const distribution of ['pareto:0.2', 'normal:10', 'zoned:60/10:40/90']) {
      const offsets = offsetsOf({ rw: 'randread', random_distribution: distribution }, 1000);
      expect(offsets.every((offset) => offset >= 0 && offset < 16)).toBe(true);
    }
  });
});

it.each([1, 31, 32, 33, 1024, 1025, 40_000])('a map of %i blocks gives each once, wherever one begins', (count) => {
  const map = new RandomMap(count);
  const taken = new Set<number>();
  for (let start = 7; map.free > 0; start = (start * 31 + 17) % count) taken.add(map.takeFrom(start % count));
  expect(taken.size).toBe(count);
  expect(Math.max(...taken)).toBe(count - 1);
  map.clear();
  expect(map.takeFrom(count - 1)).toBe(count - 1);
});

describe('the steady state', () => {
  it('by deviation is reached when no round of the window is far from the mean', () => {
    const watch = new SteadyWatch({ quantity: 'iops', rule: 'mean', limit: 10, isPercent: true }, 'iops:10%', 1000, 3000);
    expect([100, 50, 100, 101, 99].map((iops) => watch.add(iops, 0))).toEqual([false, false, false, false, true]);
    expect(watch.toData()).toMatchObject({ attained: true, criterion: 'iops:10%', durationMs: 3000, iops: [100, 101, 99] });
  });

  it('by slope is reached when the line through the rounds is level', () => {
    const watch = new SteadyWatch({ quantity: 'bw', rule: 'slope', limit: 1, isPercent: true }, 'bw_slope:1%', 1000, 3000);
    expect([100, 120, 140, 120, 140].map((bandwidth) => watch.add(0, bandwidth))).toEqual([false, false, false, true, true]);
  });

  it('by latency is reached when the means of the rounds are alike', () => {
    const watch = new SteadyWatch({ quantity: 'lat', rule: 'mean', limit: 5, isPercent: true }, 'lat:5%', 1000, 2000);
    expect([100, 120, 121].map((latencyNs, round) => watch.add(1000 * round, 0, latencyNs))).toEqual([false, false, true]);
    const level = new SteadyWatch({ quantity: 'lat', rule: 'slope', limit: 10, isPercent: false }, 'lat_slope:10', 500, 1000);
    // Six nanoseconds in half a second are twelve in a second.
    expect([100, 106, 110].map((latencyNs) => level.add(1, 0, latencyNs))).toEqual([false, false, true]);
    expect(level.toData().slope).toBe(8);
  });

  it('by SNIA is five rounds within 20 % of their mean whose trend is within 10 %, of at most 25', () => {
    const snia = (): SteadyWatch =>
      new SteadyWatch({ quantity: 'iops', rule: 'snia', limit: 20, isPercent: true }, 'snia', 1000, 0);
    const steady = snia();
    expect([100, 105, 95, 100, 102].map((iops) => steady.add(iops, 0))).toEqual([false, false, false, false, true]);
    // Within 20 %, and rising by 16 %.
    const rising = snia();
    expect([92, 96, 100, 104, 108].map((iops) => rising.add(iops, 0)).at(-1)).toBe(false);
    const never = snia();
    const rounds = Array.from({ length: 25 }, (_, index) => never.add(index % 2 === 0 ? 100 : 200, 0));
    expect(rounds.indexOf(true)).toBe(24);
    expect(never.toData().attained).toBe(false);
  });
});
