import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  type AioMessage,
  type AioOp,
  AioServiceClass,
  type BalanceName,
  balanceNames,
  disciplineNames,
  OrderingKey,
  queueCompletion,
} from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockIo, type BlockOperation } from '@biodone/blockdev';
import { ECANCELED, EIO, ETIMEDOUT } from '@biodone/uring';
import { expect, it } from 'vitest';
import { type Manual, openManual } from './support/manual-device.js';
import { fill } from './support/operations.js';
import { seededRandom } from './support/random.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const SCHEDULES = 1000;
const STEPS = 60;
type Random = (below: number) => number;

/** What a schedule knows of an operation. */
interface Submission {
  readonly name: number;
  readonly operation: number;
  readonly key: OrderingKey | null;
  readonly drain: boolean;
  done: boolean;
  error: number;
}

/** A class of two to four pools, and all that can happen to it, at random. */
class Schedule {
  readonly timers = new VirtualTimers();
  readonly manuals: Manual[];
  readonly target: AioServiceClass;
  readonly steals: boolean;
  readonly keys = [new OrderingKey({ appendOffset: 0 }), new OrderingKey(), new OrderingKey()];
  readonly random: Random;
  readonly submissions: Submission[] = [];
  readonly live = new Map<BlockIo, Submission>();
  /** At which device operations with each key have been seen. */
  readonly homes = new Map<OrderingKey, Manual>();
  readonly faults: string[] = [];
  readonly suspects: { other: Submission; what: string }[] = [];
  closing: Promise<unknown>[] = [];
  /** What tracing has told of each operation that is under way, and who listens to it. */
  readonly traced = new Map<number, string>();
  readonly listeners: [channel: string, listener: (message: unknown) => void][] = [];

  constructor(random: Random) {
    this.random = random;
    if (random(2) === 0) this.listen();
    this.steals = random(4) > 0;
    const abortable = random(2) === 0;
    this.manuals = Array.from({ length: 2 + random(3) }, () => openManual({ abortable, timers: this.timers }));
    const pools = this.manuals.map(({ device }) => {
      const depth = 1 + random(10);
      return {
        device,
        depth,
        inFlightMax: 1 + random(Math.min(depth, 3)),
        bytesMax: random(4) === 0 ? 2048 : Number.POSITIVE_INFINITY,
        discipline: disciplineNames[random(4)] as 'fcfs',
      };
    });
    const balance = balanceNames[random(balanceNames.length)] as BalanceName;
    const options = { balance, steal: this.steals, sameData: true, timers: this.timers, random };
    this.target = new AioServiceClass(pools, options);
  }

  /** Each operation is submitted, started at most once, and completed. */
  listen(): void {
    for (const event of ['submit', 'start', 'complete']) {
      const listener = (message: unknown): void => {
        const { id } = message as AioMessage;
        const story = `${this.traced.get(id) ?? ''} ${event}`;
        if (event !== 'complete') this.traced.set(id, story);
        else if (/^ submit( start)? complete$/.test(story)) this.traced.delete(id);
        else this.faults.push(`traced as${story}`);
      };
      subscribe(`biodone:aio:${event}`, listener);
      this.listeners.push([`biodone:aio:${event}`, listener]);
    }
  }

  step(): void {
    const { random, target } = this;
    const what = random(20);
    if (what < 10) this.submit();
    else if (what < 15) this.complete();
    else if (what === 15) this.cancelOne();
    else if (what === 16 && random(4) === 0) target.cancelAll(random(2) === 0 ? {} : { operation: BLOCK_WRITE });
    else if (what === 17) this.reap();
    else if (what === 18 && random(3) === 0) target.whenAvailable(() => this.submit());
    else if (what === 19 && random(15) === 0) this.closing.push(target.close({ cancel: random(2) === 0 }));
    this.look();
  }

  /** What holds at every moment. */
  look(): void {
    for (const [index, { started, inFlightMax, inFlight, depth, unreapedCount }] of this.target.pools.entries()) {
      if (started > inFlightMax) this.faults.push(`pool ${index} has started ${started}, at most ${inFlightMax}`);
      if (inFlight + unreapedCount > depth) this.faults.push(`pool ${index} has ${inFlight}, at most ${depth}`);
    }
    for (const manual of this.manuals) for (const io of manual.started) this.lookAt(io, manual);
  }

  /** Rule 14. */
  lookAt(io: BlockIo, manual: Manual): void {
    const key = this.live.get(io)?.key;
    if (!key) return;
    const home = this.homes.get(key) ?? manual;
    this.homes.set(key, home);
    if (home !== manual) this.faults.push('an ordering key has been at two devices');
  }

  /** While a pool could start something, nothing waits that it could take. */
  lookForIdle(): void {
    if (!this.steals || this.target.closed) return;
    const idle = this.target.pools.some(
      ({ inFlight, inFlightMax, bytesMax, depth, unreapedCount }) =>
        inFlight < inFlightMax && inFlight + unreapedCount < depth && bytesMax === Number.POSITIVE_INFINITY,
    );
    if (!idle) return;
    const queued = this.target.dump().filter(({ phase }) => phase === 'queued');
    const heads = queued.filter(({ id }) => {
      const op = this.target.find(id);
      return op !== null && op.orderingKey === null && op.operation !== BLOCK_FLUSH;
    });
    // What stands behind one with a key may have to wait for that.
    const ordered = queued.length > heads.length;
    if (heads.length > 0 && !ordered) this.faults.push(`${heads.length} wait although a pool is idle`);
  }

  submit(): void {
    const { random, target } = this;
    const op = target.allocate();
    const operation = [BLOCK_READ, BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE, BLOCK_FLUSH][random(5)] as BlockOperation;
    const key = operation !== BLOCK_FLUSH && random(3) === 0 ? (this.keys[random(3)] as OrderingKey) : null;
    fill(op, { operation, orderingKey: key, offset: random(64) * 512, priority: random(3) as 0 });
    if (operation === BLOCK_FLUSH) Object.assign(op, { offset: 0, lengthBytes: 0, buffer: null });
    if (random(8) === 0) op.deadlineMs = random(30);
    const abort = random(8) === 0 ? new AbortController() : null;
    op.signal = abort?.signal ?? null;
    op.drain = random(15) === 0;
    const submission = { name: this.submissions.length, operation, key, drain: op.drain, done: false, error: 0 };
    const reaped = random(5) === 0;
    op.callback = (done) => {
      this.ended(done);
      if (reaped) return queueCompletion(done);
      if (random(10) === 0) this.submit();
      return false;
    };
    if (target.submit(op) !== 0) {
      target.release(op);
      return;
    }
    this.submissions.push(submission);
    this.live.set(op, submission);
    if (abort !== null && random(2) === 0) abort.abort();
  }

  ended(op: AioOp): void {
    const submission = this.live.get(op);
    if (submission === undefined) {
      this.faults.push('a completion of what was not submitted');
      return;
    }
    this.live.delete(op);
    submission.done = true;
    submission.error = op.error;
    if (op.submitted) this.faults.push(`${submission.name} is told before it is over`);
    if (submission.error === 0) this.checkOrder(submission);
  }

  checkOrder(submission: Submission): void {
    for (const other of this.submissions) {
      if (other.name >= submission.name || other.done) continue;
      const covered = submission.operation === BLOCK_FLUSH && other.operation !== BLOCK_FLUSH;
      if (covered) this.suspects.push({ other, what: `flush ${submission.name} did not cover` });
      if (submission.key !== null && other.key === submission.key)
        this.suspects.push({ other, what: `${submission.name} came before` });
      if (submission.drain) this.suspects.push({ other, what: `${submission.name} drains, and did not wait for` });
      if (other.drain) this.suspects.push({ other, what: `${submission.name} was not held by` });
    }
  }

  complete(): void {
    const busy = this.manuals.filter(({ started }) => started.length > 0);
    const manual = busy[this.random(busy.length)];
    if (manual === undefined) return;
    const io = manual.started[this.random(manual.started.length)];
    const error = this.random(8) === 0 && io?.operation !== BLOCK_FLUSH ? EIO : 0;
    manual.complete(io, error, error === 0 ? io?.lengthBytes : 0);
  }

  cancelOne(): void {
    const ops = [...this.live.keys()] as AioOp[];
    const op = ops[this.random(ops.length)];
    if (op !== undefined) this.target.cancel(this.random(2) === 0 ? op : op.id);
  }

  reap(): void {
    const op = this.target.reap();
    if (op !== null) this.target.release(op);
  }

  /** Lets everything end, and sees that it does. */
  async end(): Promise<void> {
    const { target } = this;
    this.closing.push(target.close());
    for (let turn = 0; this.live.size > 0 && turn < 400; turn++) {
      for (const manual of this.manuals) manual.completeAll();
      await settled();
      while (target.unreapedCount > 0) this.reap();
    }
    if (this.live.size > 0) {
      this.faults.push(`${[...this.live.values()].map(({ name }) => name).join(', ')} never ended`);
      return;
    }
    for (const [channel, listener] of this.listeners) unsubscribe(channel, listener);
    if (this.traced.size > 0) this.faults.push(`tracing has not told the end of ${this.traced.size}`);
    const { submitted, completed, inFlight, queued } = target.stats();
    if (submitted !== completed || inFlight + queued !== 0) this.faults.push('the statistics do not add up');
    await Promise.all(this.closing);
    await settled();
    for (const { device } of this.manuals) await device.close();
    for (const { other, what } of this.suspects) {
      if (other.error !== ECANCELED && other.error !== ETIMEDOUT) this.faults.push(`${what} ${other.name}`);
    }
    if (this.timers.pending > 0) this.faults.push(`${this.timers.pending} timers are left`);
  }
}

it(`completes each operation of a class once, in order, at one device a key, and lets none wait for nothing: ${SCHEDULES} random schedules`, {
  timeout: 120_000,
}, async () => {
  const random = seededRandom('class schedules');
  let stolen = 0;
  for (let count = 0; count < SCHEDULES; count++) {
    const schedule = new Schedule(random);
    for (let step = 0; step < STEPS; step++) {
      schedule.step();
      if (random(3) === 0) {
        await schedule.timers.advance(random(10));
        schedule.lookForIdle();
      }
    }
    await schedule.end();
    stolen += schedule.target.stats().stolen;
    expect(schedule.faults, `schedule ${count}`).toEqual([]);
  }
  // Otherwise this has tested nothing of it.
  expect(stolen).toBeGreaterThan(SCHEDULES / 10);
});
