import { type AioOp, ServiceThreads, type SteppedThread, steppedThreads } from '@biodone/aio';
import { BLOCK_READ, BLOCK_RESET, BLOCK_WRITE, type BlockDevice, openMem } from '@biodone/blockdev';
import { ECANCELED, EIO, IoBuffer } from '@biodone/uring';
import { expect, it, vi } from 'vitest';
import { type LateChannel, type LateDevice, openLate } from './support/late-driver.js';
import { randomFrom } from './support/random.js';
import { TestOp } from './support/service.js';
import { VirtualTimers } from './support/virtual-timers.js';

const SCHEDULES = 3000;
const LATE_SCHEDULES = 1500;
const DEPTH = 8;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
console.log(`the protocol of service threads: BIODONE_SEED=${seed}`);

/** What is known of an operation that was started. */
interface Started {
  readonly op: TestOp;
  readonly byte: number;
  readonly isReset: boolean;
  cancelled: boolean;
  asked: boolean;
}

/**
 * One service, whose threads are run step by step by a random schedule, and die in it. In a schedule only the next step is random: all that is done is what the
 * service and its threads do.
 */
class Run {
  readonly timers = new VirtualTimers();
  readonly threads: SteppedThread[] = [];
  readonly live = new Set<Started>();
  readonly ended: Started[] = [];
  readonly service: ServiceThreads;
  readonly device: BlockDevice;
  readonly random: (below: number) => number;
  readonly faults: string[] = [];
  deaths = 0;
  quiesced = 0;
  /** Whether the owner of the service returns to its event loop, where it must be told of completions, or polls for them. */
  readonly lives: boolean;
  /** Of a device whose requests end when a step says so. */
  readonly late: LateDevice | null;
  readonly channels = new Map<SteppedThread, LateChannel>();
  readonly #dead: LateChannel[] = [];
  #nextOffset = 0;
  #tickMs = 0;
  #refusals: number;

  constructor(device: BlockDevice, random: (below: number) => number, late: LateDevice | null = null) {
    this.device = device;
    this.late = late;
    this.random = random;
    const start = steppedThreads(
      () => {
        this.#tickMs += this.random(40) / 1000;
        return this.#tickMs;
      },
      (thread) => {
        this.threads.push(thread);
        const channel = late?.channels.at(-1);
        if (channel !== undefined) this.channels.set(thread, channel);
      },
    );
    this.lives = random(3) === 0;
    this.#refusals = random(4) === 0 ? 1 + random(4) : 0;
    this.service = new ServiceThreads(device, DEPTH, 1 + random(3), {
      timers: this.timers,
      bind: false,
      idleMs: 100,
      spawn: (data, name) => {
        if (this.#refusals > 0 && this.random(2) === 0) {
          this.#refusals -= 1;
          throw new Error('no thread now');
        }
        return start(data, name);
      },
    });
  }

  get alive(): SteppedThread[] {
    return this.threads.filter(({ at }) => at !== 'ended');
  }

  start(): void {
    if (this.live.size >= DEPTH) return;
    const op = new TestOp();
    const isReset = this.random(40) === 0;
    const byte = 1 + this.random(255);
    op.operation = isReset ? BLOCK_RESET : this.random(2) === 0 ? BLOCK_READ : BLOCK_WRITE;
    op.lengthBytes = isReset ? 0 : 512;
    op.offset = this.random(16) * 512;
    if (this.late !== null) {
      op.offset = this.#nextOffset;
      this.#nextOffset += 512;
    }
    op.buffer = isReset ? null : (buffers[this.random(buffers.length)] ?? null);
    const started: Started = { op, byte, isReset, cancelled: false, asked: false };
    if (isReset) for (const other of this.live) other.asked = true;
    // A new one is ended by a reset that is under way.
    if ([...this.live].some((other) => other.isReset)) started.asked = true;
    const before = [...this.live];
    this.live.add(started);
    op.iodone = () => {
      op.completions += 1;
      if (!this.live.delete(started)) this.faults.push('an operation was completed twice');
      this.ended.push(started);
      if (isReset && op.error === 0 && before.some((other) => this.live.has(other)))
        this.faults.push('a reset did not wait for all others');
      if (this.random(4) === 0) this.start();
    };
    this.service.start(op as unknown as AioOp);
  }

  abort(): void {
    const [one] = [...this.live].slice(this.random(Math.max(1, this.live.size)));
    if (one === undefined) return;
    one.asked = true;
    const verdict = this.service.abort(one.op as unknown as AioOp);
    if (verdict === 'cancelled') one.cancelled = true;
  }

  step(): void {
    const able = this.alive.filter(({ runs }) => runs);
    if (able.length > 0) (able[this.random(able.length)] as SteppedThread).step();
  }

  kill(): void {
    const { alive } = this;
    if (alive.length === 0) return;
    this.deaths += 1;
    const thread = alive[this.random(alive.length)] as SteppedThread;
    const channel = this.channels.get(thread);
    if (channel !== undefined) this.#dead.push(channel);
    thread.die();
  }

  /** A request that a thread has begun, which lives, ends. */
  complete(): void {
    // Nothing is heard of the device between what has been pushed and the look for more.
    const able = [...this.channels].filter(([{ at }, channel]) => at !== 'pushed' && !this.#dead.includes(channel));
    const channels = able.flatMap(([, channel]) => (channel.started.length > 0 ? [channel] : []));
    const channel = channels[this.random(Math.max(1, channels.length))];
    const io = channel?.started[this.random(Math.max(1, channel.started.length))];
    if (channel !== undefined && io !== undefined) this.late?.complete(channel, io);
  }

  /** Each operation has been begun once, and fails with EIO only if a thread has died with it, or none serves. */
  lateFaults(hopeless: boolean): string[] {
    if (this.late === null) return [];
    const { begun, answered } = this.late;
    const lost = new Set(this.#dead.flatMap(({ started }) => started.map(({ offset }) => offset)));
    const faults = [...begun].filter(([, count]) => count > 1).map(([offset, count]) => `${offset} was begun ${count} times`);
    for (const { op, isReset } of this.ended) {
      if (isReset || op.error === ECANCELED) continue;
      // What no thread has begun may end so only where none serves.
      const mayFail = begun.has(op.offset) ? lost.has(op.offset) : hopeless;
      if (op.error === EIO && !mayFail) faults.push(`${op.offset} ended with EIO, and no thread has died with it`);
      if (op.error === 0 && !answered.has(op.offset)) faults.push(`${op.offset} ended without an answer`);
    }
    return faults;
  }

  quiesceOrResume(): void {
    if (this.quiesced === 0) {
      this.quiesced = 1;
      void this.device.quiesce();
    } else {
      this.quiesced = 0;
      this.device.resume();
    }
  }

  async takeCompletions(): Promise<void> {
    if (this.lives) await new Promise((resolve) => setImmediate(resolve));
    else this.service.poll();
  }

  /** Lets time pass: timers fire, and those end their sleep whose time is over. */
  advance(byMs: number): void {
    this.timers.fire(byMs);
    for (const thread of this.alive) if (thread.at === 'sleep' && thread.sleepMs <= byMs) thread.step();
  }
}

/** Runs a schedule, and sees to it that everything ends. */
async function runSchedule(run: Run, context: string, warnings: readonly unknown[]): Promise<void> {
  const { random, service } = run;
  for (let left = 40 + random(120); left > 0; left--) {
    const what = random(run.late === null ? 100 : 130);
    if (what < 30) run.start();
    else if (what < 40) service.flush();
    else if (what < 80) run.step();
    else if (what < 87) await run.takeCompletions();
    else if (what < 92) run.abort();
    else if (what < 94) run.kill();
    else if (what < 98) run.advance(1 + random(4));
    else if (what === 98) run.advance(150);
    else if (what === 99) run.quiesceOrResume();
    else run.complete();
  }
  while (run.quiesced > 0) run.quiesceOrResume();
  // Only what was signalled runs, and time passes: whoever would wait for a lost wake-up never gets on.
  for (let round = 0; round < 2000 && run.live.size > 0; round++) {
    await run.takeCompletions();
    for (let steps = 0; steps < 50 && run.alive.some(({ runs }) => runs); steps++) run.step();
    for (let ends = 0; ends < DEPTH; ends++) run.complete();
    // Never so long that a thread ends for want of work: that would bring to light what is lost.
    if (round % 4 === 3) run.advance(4);
  }
  // Operations end with EIO then, whoever had them.
  const isHopeless = warnings.length > 0;
  expect(run.faults, context).toEqual([]);
  expect(run.live.size, `${context}: operations that never ended`).toBe(0);
  expect(service.statistics().inFlight, context).toBe(0);
  for (const { op, cancelled, asked, isReset } of run.ended) {
    expect(op.completions, context).toBe(1);
    if (cancelled) expect([op.error, op.transferredBytes], context).toEqual([ECANCELED, 0]);
    else if (op.error === ECANCELED) expect(asked, `${context}: ended with ECANCELED, and nobody has asked for it`).toBe(true);
    else if (op.error === EIO) expect(isHopeless || (run.late !== null && run.deaths > 0), `${context}: EIO`).toBe(true);
    else expect([op.error, op.transferredBytes], context).toEqual([0, isReset ? 0 : 512]);
  }
  expect(run.lateFaults(isHopeless), context).toEqual([]);
}

const buffers = Array.from({ length: 4 }, () => IoBuffer.allocate(512));

it(`a service and its threads complete each operation once, whatever comes when, and whoever dies: ${SCHEDULES} random schedules`, {
  timeout: 120_000,
}, async () => {
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const device = openMem(16 * 512);
  let deaths = 0;
  let operations = 0;
  for (let schedule = 0; schedule < SCHEDULES; schedule++) {
    const from = (seed + schedule) >>> 0;
    const context = `BIODONE_SEED=${from}`;
    const run = new Run(device, randomFrom(from));
    await runSchedule(run, context, warnings.mock.calls);
    deaths += run.deaths;
    operations += run.ended.length;
    const closing = run.service.close();
    while (run.alive.length > 0) for (const thread of run.alive) thread.step();
    await closing;
    expect(run.timers.pending, `${context}: timers that are left`).toBe(0);
    warnings.mockClear();
  }
  expect(operations).toBeGreaterThan(SCHEDULES * 10);
  expect(deaths).toBeGreaterThan(SCHEDULES / 10);
  warnings.mockRestore();
  await device.close();
});

it(`what threads have begun when they die is not begun again, and no answer is lost: ${LATE_SCHEDULES} random schedules`, {
  timeout: 120_000,
}, async () => {
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  let lost = 0;
  for (let schedule = 0; schedule < LATE_SCHEDULES; schedule++) {
    const from = (seed + schedule) >>> 0;
    // Each has a device of its own, which cannot be closed: its dead channels have what never ends.
    const late = openLate();
    const run = new Run(late.device, randomFrom(from), late);
    await runSchedule(run, `late, BIODONE_SEED=${from}`, warnings.mock.calls);
    lost += run.ended.filter(({ op }) => op.error === EIO).length;
    const closing = run.service.close();
    while (run.alive.length > 0) for (const thread of run.alive) thread.step();
    await closing;
    warnings.mockClear();
  }
  expect(lost).toBeGreaterThan(LATE_SCHEDULES / 10);
  warnings.mockRestore();
});
