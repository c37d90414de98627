import { type AioOp, ServiceThreads, type SteppedThread, steppedThreads } from '@biodone/aio';
import { BLOCK_READ, BLOCK_RESET, BLOCK_WRITE, type BlockDevice, openMem } from '@biodone/blockdev';
import { ECANCELED, EIO, IoBuffer } from '@biodone/uring';
import { expect, it, vi } from 'vitest';
import { randomFrom } from './support/random.js';
import { TestOp } from './support/service.js';
import { VirtualTimers } from './support/virtual-timers.js';

const SCHEDULES = 3000;
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
  #tickMs = 0;
  #refusals: number;

  constructor(device: BlockDevice, random: (below: number) => number) {
    this.device = device;
    this.random = random;
    const start = steppedThreads(
      () => {
        this.#tickMs += this.random(40) / 1000;
        return this.#tickMs;
      },
      (thread) => this.threads.push(thread),
    );
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
    (alive[this.random(alive.length)] as SteppedThread).die();
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

  /** Lets time pass: timers fire, and those end their sleep whose time is over. */
  advance(byMs: number): void {
    this.timers.fire(byMs);
    for (const thread of this.alive) if (thread.at === 'sleep' && thread.sleepMs <= byMs) thread.step();
  }
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
    const run = new Run(device, randomFrom(from));
    const { random, service } = run;
    for (let left = 40 + random(120); left > 0; left--) {
      const what = random(100);
      if (what < 30) run.start();
      else if (what < 40) service.flush();
      else if (what < 80) run.step();
      else if (what < 87) service.poll();
      else if (what < 92) run.abort();
      else if (what < 94) run.kill();
      else if (what < 98) run.advance(1 + random(4));
      else if (what === 98) run.advance(150);
      else run.quiesceOrResume();
    }
    while (run.quiesced > 0) run.quiesceOrResume();
    // Only what was signalled runs, and time passes: whoever would wait for a lost wake-up never gets on.
    for (let round = 0; round < 2000 && run.live.size > 0; round++) {
      service.poll();
      for (let steps = 0; steps < 50 && run.alive.some(({ runs }) => runs); steps++) run.step();
      // Never so long that a thread ends for want of work: that would bring to light what is lost.
      if (round % 4 === 3) run.advance(4);
    }
    const context = `BIODONE_SEED=${from}`;
    expect(run.faults, context).toEqual([]);
    expect(run.live.size, `${context}: operations that never ended`).toBe(0);
    expect(service.statistics().inFlight, context).toBe(0);
    for (const { op, cancelled, asked, isReset } of run.ended) {
      expect(op.completions, context).toBe(1);
      if (cancelled) expect([op.error, op.transferredBytes], context).toEqual([ECANCELED, 0]);
      else if (op.error === ECANCELED) expect(asked, `${context}: ended with ECANCELED, and nobody has asked for it`).toBe(true);
      else if (op.error === EIO)
        expect(run.deaths + warnings.mock.calls.length, `${context}: EIO without a death`).toBeGreaterThan(0);
      else expect([op.error, op.transferredBytes], context).toEqual([0, isReset ? 0 : 512]);
    }
    deaths += run.deaths;
    operations += run.ended.length;
    const closing = service.close();
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
