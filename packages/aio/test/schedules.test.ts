import { AioOp, AioServicePool, disciplineNames, OrderingKey, queueCompletion } from '@biodone/aio';
import { BLOCK_DISCARD, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE } from '@biodone/blockdev';
import { ECANCELED, EIO, ETIMEDOUT } from '@biodone/uring';
import { expect, it } from 'vitest';
import { type Manual, openManual } from './support/manual-device.js';
import { fill } from './support/operations.js';
import { seededRandom } from './support/random.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const SCHEDULES = 2000;
const STEPS = 60;
const OPERATIONS = [BLOCK_READ, BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD] as const;
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

/** One pool or two on a device, and all that can happen to them, at random. */
class Schedule {
  readonly timers = new VirtualTimers();
  readonly manual: Manual;
  /** Whether who waits moves the device on: otherwise nobody can be synchronous. */
  readonly polled: boolean;
  readonly pools: AioServicePool[];
  readonly keys: OrderingKey[];
  readonly random: Random;
  readonly submissions: Submission[] = [];
  readonly live = new Map<AioOp, Submission>();
  readonly faults: string[] = [];
  readonly suspects: { other: Submission; what: string }[] = [];
  closing: Promise<void>[] = [];

  constructor(random: Random) {
    this.random = random;
    this.polled = random(2) === 0;
    this.manual = openManual({ abortable: random(2) === 0, polled: this.polled, timers: this.timers });
    this.pools = Array.from({ length: 1 + random(2) }, () => {
      const depth = 1 + random(12);
      return new AioServicePool(this.manual.device, {
        depth,
        inFlightMax: 1 + random(depth),
        bytesMax: random(3) === 0 ? 2048 : Number.POSITIVE_INFINITY,
        discipline: disciplineNames[random(4)] as 'fcfs',
        timers: this.timers,
      });
    });
    this.keys = this.pools.map((_, index) => new OrderingKey(index === 0 ? { appendOffset: 0 } : {}));
  }

  step(): void {
    const { random } = this;
    const what = random(20);
    const pool = this.pools[random(this.pools.length)] as AioServicePool;
    if (what < 9) this.submit(pool);
    else if (what < 13) this.complete();
    else if (what === 13) this.cancelOne(pool);
    else if (what === 14) pool.poll();
    else if (what === 15) pool.discipline = disciplineNames[random(4)] as 'fcfs';
    else if (what === 16 && random(4) === 0) pool.cancelAll(random(2) === 0 ? {} : { operation: BLOCK_WRITE });
    else if (what === 17) this.reap(pool);
    else if (what === 18 && random(15) === 0) this.closing.push(pool.close({ cancel: random(2) === 0 }));
    for (const { started, inFlightMax, inFlight, depth, unreapedCount } of this.pools) {
      if (started > inFlightMax) this.faults.push(`${started} with the device, at most ${inFlightMax}`);
      if (inFlight + unreapedCount > depth) this.faults.push(`${inFlight} submitted, at most ${depth}`);
    }
  }

  submit(pool: AioServicePool): void {
    const { random } = this;
    const op = random(4) === 0 ? new AioOp() : pool.allocate();
    this.fill(pool, op);
    if (this.polled && random(15) === 0) this.runSync(pool, op);
    else this.submitAsync(pool, op);
  }

  fill(pool: AioServicePool, op: AioOp): void {
    const { random } = this;
    const operation = OPERATIONS[random(OPERATIONS.length)] as (typeof OPERATIONS)[number];
    const key = operation === BLOCK_WRITE && random(3) === 0 ? (this.keys[this.pools.indexOf(pool)] as OrderingKey) : null;
    fill(op, { operation, orderingKey: key, offset: random(64) * 512, priority: random(3) as 0 });
    if (operation === BLOCK_FLUSH) Object.assign(op, { offset: 0, lengthBytes: 0, buffer: null });
    op.drain = random(12) === 0;
    op.deadlineMs = random(8) === 0 ? random(30) : Number.POSITIVE_INFINITY;
  }

  /** It may call back for others while it waits, which submit more. */
  runSync(pool: AioServicePool, op: AioOp): void {
    op.callback = null;
    const submission = this.describe(op);
    this.submissions.push(submission);
    this.live.set(op, submission);
    if (pool.submit(op) !== 0) op.error = ECANCELED;
    this.check(op);
    if (op.number < 2 ** 20) pool.release(op);
  }

  describe({ operation, orderingKey: key, drain }: AioOp): Submission {
    return { name: this.submissions.length, operation, key, drain, done: false, error: 0 };
  }

  submitAsync(pool: AioServicePool, op: AioOp): void {
    const { random } = this;
    const abort = random(8) === 0 ? new AbortController() : null;
    op.signal = abort?.signal ?? null;
    if (random(30) === 0) abort?.abort();
    const submission = this.describe(op);
    const reaped = random(5) === 0;
    op.callback = (done) => {
      this.check(done);
      return reaped ? queueCompletion(done) : this.ended(pool, done);
    };
    const refused = pool.submit(op);
    if (refused !== 0) {
      if (op.number < 2 ** 20) pool.release(op);
      return;
    }
    this.submissions.push(submission);
    this.live.set(op, submission);
    if (abort !== null && random(2) === 0) abort.abort();
  }

  /** A callback that may do anything. */
  ended(pool: AioServicePool, op: AioOp): boolean {
    const { random } = this;
    const what = random(12);
    if (what === 0) this.submit(pool);
    else if (what === 1) this.cancelOne(pool);
    else if (what === 2) pool.poll();
    else if (what === 3 && op.number < 2 ** 20) {
      pool.release(op);
      return true;
    }
    return false;
  }

  check(op: AioOp): void {
    const submission = this.live.get(op);
    if (submission === undefined) {
      this.faults.push('a completion of what was not submitted');
      return;
    }
    this.live.delete(op);
    submission.done = true;
    submission.error = op.error;
    if (op.submitted) this.faults.push(`${submission.name} is told before it is over`);
    if (submission.error !== 0) return;
    if (submission.operation === BLOCK_FLUSH) this.checkCovered(submission);
    const before = this.submissions.filter((other) => other.name < submission.name && !other.done);
    for (const other of before) {
      if (submission.key !== null && other.key === submission.key) this.suspect(other, `${submission.name} came before`);
      if (submission.drain) this.suspect(other, `${submission.name} drains, and did not wait for`);
      if (other.drain) this.suspect(other, `${submission.name} was not held by`);
    }
  }

  /** All that was submitted before, in whatever pool of the device, is done. */
  checkCovered(flush: Submission): void {
    for (const other of this.submissions) {
      if (other.name < flush.name && !other.done && other.operation !== BLOCK_FLUSH)
        this.suspect(other, `flush ${flush.name} did not wait for`);
    }
  }

  /** A fault, unless the other one has been ended without the device: nobody waits for those. */
  suspect(other: Submission, what: string): void {
    this.suspects.push({ other, what });
  }

  complete(): void {
    const { started } = this.manual;
    if (started.length === 0) return;
    const io = started[this.random(started.length)];
    const error = this.random(8) === 0 && io?.operation !== BLOCK_FLUSH ? EIO : 0;
    this.manual.complete(io, error, error === 0 ? io?.lengthBytes : 0);
  }

  cancelOne(pool: AioServicePool): void {
    const ops = [...this.live.keys()].filter((op) => op.owner === pool);
    const op = ops[this.random(ops.length)];
    if (op !== undefined) pool.cancel(this.random(2) === 0 ? op : op.id);
  }

  reap(pool: AioServicePool): void {
    const op = pool.reap();
    if (op === null) return;
    if (op.number < 2 ** 20) pool.release(op);
  }

  /** Lets everything end, and sees that it does. */
  async end(): Promise<void> {
    for (let turn = 0; this.live.size > 0 && turn < 400; turn++) {
      this.manual.completeAll();
      await settled();
      for (const pool of this.pools) while (pool.unreapedCount > 0) this.reap(pool);
    }
    if (this.live.size > 0) {
      this.faults.push(`${[...this.live.values()].map(({ name }) => name).join(', ')} never ended`);
      return;
    }
    for (const pool of this.pools) {
      if (pool.inFlight !== 0) this.faults.push(`${pool.inFlight} left in a pool`);
      const { submitted, completed, inFlight, queued } = pool.stats();
      if (submitted !== completed || inFlight + queued !== 0) this.faults.push('the statistics do not add up');
    }
    await Promise.all([...this.closing, ...this.pools.map((pool) => pool.close())]);
    await this.manual.device.close();
    for (const { other, what } of this.suspects) {
      if (other.error !== ECANCELED && other.error !== ETIMEDOUT) this.faults.push(`${what} ${other.name}`);
    }
    if (this.timers.pending > 0) this.faults.push(`${this.timers.pending} timers are left`);
  }
}

it(`completes each operation once, in order and within the limits: ${SCHEDULES} random schedules`, {
  timeout: 120_000,
}, async () => {
  const random = seededRandom('schedules');
  for (let count = 0; count < SCHEDULES; count++) {
    const schedule = new Schedule(random);
    for (let step = 0; step < STEPS; step++) {
      schedule.step();
      if (random(3) === 0) await schedule.timers.advance(random(10));
    }
    await schedule.end();
    expect(schedule.faults, `schedule ${count}`).toEqual([]);
  }
});
