import { AioOp, AioServicePool, disciplineNames, LINK_HARD, LINK_NONE, LINK_SOFT, OrderingKey } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE } from '@biodone/blockdev';
import { EALREADY, ECANCELED, EIO, ETIME, ETIMEDOUT } from '@biodone/uring';
import { expect, it } from 'vitest';
import { type Manual, openManual } from './support/manual-device.js';
import { fill } from './support/operations.js';
import { seededRandom } from './support/random.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const SCHEDULES = 1500;
const STEPS = 40;
type Random = (below: number) => number;

/** What a schedule knows of a member of a chain. */
interface Member {
  readonly op: AioOp;
  readonly name: string;
  readonly link: number;
  readonly operation: number;
  /** Whether it covers the one before it, and is no step. */
  readonly isGuard: boolean;
  readonly isTimer: boolean;
  reached: boolean;
  /** Asked to end, by a cancel that was not too late. */
  cancelled: boolean;
  doneAt: number;
  error: number;
  isShort: boolean;
}

class ChainSchedule {
  readonly timers = new VirtualTimers();
  readonly manual: Manual;
  readonly pool: AioServicePool;
  readonly random: Random;
  readonly chains: Member[][] = [];
  readonly live = new Map<AioOp, Member>();
  readonly faults: string[] = [];
  readonly key = new OrderingKey();
  completions = 0;
  taken = 0;

  constructor(random: Random) {
    this.random = random;
    this.manual = openManual({ abortable: random(2) === 0, polled: false, timers: this.timers });
    const depth = 1 + random(16);
    this.pool = new AioServicePool(this.manual.device, {
      depth,
      inFlightMax: 1 + random(depth),
      bytesMax: random(3) === 0 ? 4096 : Number.POSITIVE_INFINITY,
      discipline: disciplineNames[random(4)] as 'fcfs',
      timers: this.timers,
    });
  }

  step(): void {
    const what = this.random(10);
    if (what < 3) this.submit();
    else if (what < 7) this.complete();
    else if (what === 7) this.cancel();
    else if (what === 8 && this.random(10) === 0) this.cancelAll();
    else if (what === 9) this.pool.poll();
    this.look();
  }

  submit(): void {
    const { random, pool } = this;
    const ops = Array.from({ length: 1 + random(7) }, () => (random(3) === 0 ? new AioOp() : pool.allocate()));
    for (const op of ops) this.fill(op);
    const verdicts: number[] = [];
    const taken = pool.submitAll(ops, verdicts);
    if (taken !== verdicts.filter((verdict) => verdict === 0).length) this.faults.push('the count is not that of the verdicts');
    this.taken += taken;
    let chain: Member[] = [];
    for (const [index, op] of ops.entries()) {
      if (verdicts[index] === 0) {
        const member = this.describe(op, `${this.chains.length}.${chain.length}`);
        chain.push(member);
        this.live.set(op, member);
      } else if (op.number < 2 ** 20) {
        pool.release(op);
      }
      if (verdicts[index] !== 0 || op.link === LINK_NONE) {
        if (chain.length > 0) this.chains.push(chain);
        chain = [];
      }
    }
    if (chain.length > 0) this.chains.push(chain);
  }

  fill(op: AioOp): void {
    const { random } = this;
    const operation = ([BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE, BLOCK_FLUSH] as const)[random(4)] as typeof BLOCK_READ;
    fill(op, {
      operation,
      offset: random(64) * 512,
      link: ([LINK_NONE, LINK_SOFT, LINK_SOFT, LINK_HARD] as const)[random(4)] as 0,
    });
    if ((operation as number) === BLOCK_FLUSH) Object.assign(op, { offset: 0, lengthBytes: 0, buffer: null });
    else if (random(5) === 0) op.orderingKey = this.key;
    if (random(5) === 0) op.timer = { timeoutMs: random(30), link: random(2) === 0 };
    else if (random(10) === 0) op.drain = true;
    if (random(12) === 0) op.deadlineMs = random(30);
    op.callback = (done) => this.ended(done);
  }

  describe(op: AioOp, name: string): Member {
    const { link, timer, operation } = op;
    const isGuard = timer?.link === true;
    return {
      op,
      name,
      link,
      operation,
      isGuard,
      isTimer: timer !== null,
      reached: false,
      cancelled: false,
      doneAt: -1,
      error: 0,
      isShort: false,
    };
  }

  ended(op: AioOp): void {
    const member = this.live.get(op);
    if (member === undefined) {
      this.faults.push('a completion of what was not submitted, or a second one');
      return;
    }
    this.live.delete(op);
    member.doneAt = this.completions;
    this.completions += 1;
    member.error = op.error;
    member.isShort = !member.isTimer && op.operation !== BLOCK_FLUSH && op.transferredBytes < op.lengthBytes;
    if (this.random(12) === 0) this.submit();
    if (this.random(20) === 0) this.cancel();
  }

  complete(): void {
    const { started } = this.manual;
    if (started.length === 0) return;
    this.look();
    const io = started[this.random(started.length)];
    const how = this.random(8);
    if (how === 0 && io?.operation !== BLOCK_FLUSH) this.manual.complete(io, EIO, 0);
    else if (how === 1 && io?.operation === BLOCK_READ) this.manual.complete(io, 0, 100);
    else this.manual.complete(io);
  }

  cancel(): void {
    const members = [...this.live.values()];
    const member = members[this.random(members.length)];
    if (member !== undefined && this.pool.cancel(member.op) !== 'done') member.cancelled = true;
  }

  cancelAll(): void {
    for (const member of this.live.values()) member.cancelled = true;
    this.pool.cancelAll();
  }

  /** Nothing is with the device before those that are before it in its chain are done. */
  look(): void {
    const { inFlight, depth } = this.pool;
    if (inFlight > depth) this.faults.push(`${inFlight} submitted, at most ${depth}`);
    for (const chain of this.chains) {
      for (const [index, member] of chain.entries()) {
        if (!this.manual.started.includes(member.op) || this.live.get(member.op) !== member) continue;
        member.reached = true;
        const early = chain.slice(0, index).find((other) => other.doneAt < 0 && !other.isGuard);
        // One that has ended while it waited for its callback is no longer what somebody waits for.
        if (early !== undefined && early.op.state !== 2)
          this.faults.push(`${member.name} has started before ${early.name} was done`);
      }
    }
  }

  async end(): Promise<void> {
    for (let turn = 0; this.live.size > 0 && turn < 200; turn++) {
      this.look();
      while (this.manual.started.length > 0) {
        this.complete();
        this.look();
      }
      await this.timers.advance(10);
    }
    if (this.live.size > 0) this.faults.push(`${[...this.live.values()].map(({ name }) => name).join(', ')} never ended`);
    if (this.completions !== this.taken) this.faults.push(`${this.taken} were taken, ${this.completions} completed`);
    await settled();
    for (const chain of this.chains) this.check(chain);
    if (this.timers.pending > 0) this.faults.push(`${this.timers.pending} timers are left`);
    if (this.key.pending > 0) this.faults.push('the key is left with somebody');
    await this.pool.close();
    await this.manual.device.close();
  }

  check(chain: Member[]): void {
    const steps = chain.filter(({ isGuard }) => !isGuard);
    let broken = false;
    let order = -1;
    for (const step of steps) {
      const { name, error, reached, cancelled, link, isShort } = step;
      const ended = error === ECANCELED || error === ETIMEDOUT;
      if (broken && reached) this.faults.push(`${name} has run in a chain that was broken`);
      if (broken && !ended) this.faults.push(`${name} is told ${error} in a chain that was broken`);
      if (!ended && step.doneAt < order) this.faults.push(`${name} has completed before one that is before it`);
      const guard = chain[chain.indexOf(step) + 1];
      const isCovered = guard?.isGuard === true;
      // A flush is told the errors of others.
      const isOwn = step.isTimer || step.operation !== BLOCK_FLUSH;
      if (error === ECANCELED && isOwn && !broken && !cancelled && !(isCovered && guard.error === ETIME))
        this.faults.push(`${name} was ended, and nothing has ended it`);
      if (isCovered) this.checkGuard(step, guard);
      if (!ended) order = step.doneAt;
      broken ||= cancelled || (link !== LINK_HARD && (error !== 0 || isShort));
    }
  }

  checkGuard(step: Member, guard: Member): void {
    const { error } = guard;
    if (error === ETIME && step.error !== ECANCELED && step.error !== ETIMEDOUT)
      this.faults.push(`${guard.name} says that it has ended ${step.name}, which ended with ${step.error}`);
    if (![ETIME, ECANCELED, EALREADY, ETIMEDOUT].includes(error)) this.faults.push(`${guard.name} ended with ${error}`);
  }
}

it(`chains keep their promises in ${SCHEDULES} random schedules`, { timeout: 120_000 }, async () => {
  const random = seededRandom('chain schedules');
  let chains = 0;
  for (let count = 0; count < SCHEDULES; count++) {
    const schedule = new ChainSchedule(random);
    for (let step = 0; step < STEPS; step++) {
      schedule.step();
      if (random(4) === 0) await schedule.timers.advance(random(10));
    }
    await schedule.end();
    chains += schedule.chains.filter(({ length }) => length > 1).length;
    expect(schedule.faults, `schedule ${count}`).toEqual([]);
  }
  // Most of what is tried is no chain that is refused.
  expect(chains).toBeGreaterThan(SCHEDULES);
});
