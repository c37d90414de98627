import { type AioServicePool, disciplineNames } from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE, IO_DONE } from '@biodone/blockdev';
import { EBADF, SystemError } from '@biodone/uring';
import type { SeededRandom } from '../random.js';
import type { VirtualTime } from '../virtual-time.js';
import { Batches } from './batches.js';
import type { Ledger } from './ledger.js';
import { Operations } from './operations.js';
import type { SimulatedPool } from './simulated-pool.js';
import type { Submission } from './submission.js';

/** The phases of operations that wait in their pool. */
const WAITING: readonly string[] = ['held', 'ordered', 'barrier', 'queued', 'linked', 'timing'];

/** What somebody can do to a pool, outside of callbacks or in one, and what must come of it. */
export class Actions {
  readonly operations: Operations;
  readonly batches: Batches;
  readonly #ledger: Ledger;
  readonly #time: VirtualTime;

  constructor(ledger: Ledger, time: VirtualTime) {
    this.#ledger = ledger;
    this.#time = time;
    this.operations = new Operations(ledger, time, (target, random) => this.#react(target, random));
    this.batches = new Batches(ledger, this.operations);
  }

  cancel(target: SimulatedPool, random: SeededRandom): void {
    const submission = this.#pick(target, random);
    if (submission === null) return;
    const { op, id } = submission;
    const { asked } = submission;
    // Others may start inside, that have waited for it.
    submission.asked = true;
    const verdict = this.#ledger.silently(() => target.pool.cancel(random.below(2) === 0 ? op : id));
    submission.asked = asked;
    target.verdicts[verdict] += 1;
    this.#ledger.cancelled(submission, verdict);
  }

  /** Cancels a timeout, at the end. */
  endTimer(submission: Submission): void {
    submission.asked = true;
    this.#ledger.silently(() => (submission.op.owner as AioServicePool).cancel(submission.op));
  }

  /** The id is of a use that is over: the use that there is now is left alone, which shows when it ends. */
  cancelStale(target: SimulatedPool, random: SeededRandom): void {
    if (random.below(3) === 0) {
      const unused = target.allocate();
      target.staleIds.push(unused.id);
      target.release(unused);
    }
    if (target.staleIds.length === 0) return;
    const id = random.pick(target.staleIds);
    const found = target.pool.find(id);
    // Until the object is used again it still has this id.
    if (target.live.some(({ op }) => op === found)) this.#ledger.fault(`the id ${id} of an earlier use is found`);
    const verdict = this.#ledger.silently(() => target.pool.cancel(id));
    target.verdicts[verdict] += 1;
    if (verdict !== 'done') this.#ledger.fault(`the id ${id} of an earlier use is said to be ${verdict}`);
  }

  cancelAll(target: SimulatedPool, random: SeededRandom): void {
    const operation = random.pick([BLOCK_READ, BLOCK_WRITE, null]);
    const meant = this.#of(target).filter(
      (submission) => operation === null || (submission.operation === operation && submission.timer === null),
    );
    const certain = this.#waiting(target, meant);
    for (const submission of meant) submission.asked = true;
    const filter = operation === null ? {} : { operation };
    const { cancelled, inProgress } = this.#ledger.silently(() => target.pool.cancelAll(filter));
    const count = cancelled + inProgress;
    if (count > meant.length || count < certain.length) {
      this.#ledger.fault(`cancelAll speaks of ${count} operations: ${certain.length} to ${meant.length} were under way`);
    }
    for (const submission of certain) submission.mustNotStart = 'all were cancelled';
  }

  cancelSync(target: SimulatedPool, random: SeededRandom): void {
    const submission = this.#pick(target, random);
    if (submission === null) return;
    const untilMs = this.#time.now() + random.pick([0, 4, Number.POSITIVE_INFINITY]);
    submission.asked = true;
    const ended = this.#orDeadlock(() => target.pool.cancelSync(submission.op, untilMs - this.#time.now()));
    if (ended === 'ETIME' && this.#time.now() < untilMs) this.#ledger.fault(`cancelSync of ${submission.name} gave up too early`);
    if (ended === 'cancelled' || ended === 'done') {
      const { name, error } = submission;
      // What is done and not told yet is told later.
      if (error < 0 && submission.op.state !== IO_DONE)
        this.#ledger.fault(`cancelSync of ${name} returned ${ended}, and it goes on`);
    }
  }

  /** Aborts a signal: of one operation, of several, or of some that are over, whose objects others may have by now. */
  abort(random: SeededRandom): void {
    const able = this.#ledger.controllers.filter(({ signal }) => !signal.aborted);
    if (able.length === 0) return;
    const controller = random.pick(able);
    const meant = [...this.#ledger.live].filter((submission) => submission.controller === controller);
    this.#ledger.note('abort', -1, meant.map(({ name }) => name).join());
    for (const submission of meant) {
      submission.asked = true;
      // What the calling thread has not begun it does not begin any more.
      if (submission.synchronous && submission.starts === 0) submission.mustNotStart = 'its signal was aborted';
    }
    this.#ledger.silently(() => controller.abort());
  }

  poll(target: SimulatedPool): void {
    const [first] = target.waiters;
    target.pool.poll();
    if (target.oweRoom && target.waiters[0] === first) this.#ledger.fault('poll does not tell who waits for room');
  }

  wait(target: SimulatedPool, random: SeededRandom): void {
    this.#orDeadlock(() => target.pool.wait(random.pick([0, 3, 20, Number.POSITIVE_INFINITY])));
  }

  /** Takes the oldest completion that nobody has taken, and submits it again or gives it back. */
  reap(target: SimulatedPool, random: SeededRandom): void {
    const [oldest] = target.unreaped;
    if (oldest !== undefined && random.below(8) === 0) {
      this.operations.submit(target, random, oldest);
      return;
    }
    const waits = random.below(4) === 0;
    const timeoutMs = random.pick([0, 5, 5, Number.POSITIVE_INFINITY]);
    const op = waits ? this.#orDeadlock(() => target.pool.waitComplete(timeoutMs)) : target.pool.reap();
    if (op === null || typeof op === 'string') {
      if (target.unreaped.length > 0 && op !== 'EDEADLK') this.#ledger.fault(`a completion is there, and is not reaped: ${op}`);
      return;
    }
    // A class takes the oldest of one of its pools.
    const index = target.unreaped.findIndex((other) => other.owner === op.owner);
    if (op !== target.unreaped[index]) this.#ledger.fault('another completion was reaped than the oldest');
    target.unreaped.splice(index, 1);
    if (random.below(3) === 0) this.operations.submit(target, random, op);
    else this.operations.giveBack(target, op);
  }

  /** Submits what a callback has kept, or gives it back. */
  reuse(target: SimulatedPool, random: SeededRandom): void {
    const op = target.kept.pop();
    if (op === undefined) return;
    if (random.below(2) === 0) this.operations.submit(target, random, op);
    else this.operations.giveBack(target, op);
  }

  awaitRoom(target: SimulatedPool, random: SeededRandom): void {
    const waiter = { bytes: random.below(20), count: random.below(4) === 0 ? 1 + random.below(target.depth) : 1 };
    const submits = random.below(2) === 0;
    target.waiters.push(waiter);
    const told = (error: number): void => {
      const { closed } = target.pool;
      if (this.#ledger.silent > 0) this.#ledger.fault('somebody is told of room inside a call that calls nobody');
      if (target.waiters.shift() !== waiter) this.#ledger.fault('who waits for room is told out of turn, or twice');
      if (error !== (closed ? EBADF : 0)) this.#ledger.fault(`who waits for room is told ${error}`);
      const hasRoom = waiter.count > target.depth || target.hasRoom(waiter.bytes, waiter.count);
      if (!closed && !hasRoom) this.#ledger.fault('there is no room, and somebody is told so');
      if (!submits || error !== 0) return;
      target.inTurn = true;
      this.operations.submit(target, random);
      target.inTurn = false;
    };
    this.#ledger.silently(() => target.pool.whenAvailable(told, waiter.bytes, waiter.count));
  }

  setDiscipline(target: SimulatedPool, random: SeededRandom): void {
    this.#ledger.silently(() => {
      target.discipline = random.pick(disciplineNames);
    });
  }

  configure(target: SimulatedPool, random: SeededRandom): void {
    this.#ledger.silently(() => target.configure(random));
  }

  close(target: SimulatedPool, random: SeededRandom): void {
    const cancel = random.below(2) === 0;
    const ended = cancel ? this.#endAll(target) : [];
    target.close(random.pick([0, 5, 50, Number.POSITIVE_INFINITY]), cancel);
    for (const submission of ended) submission.mustNotStart = 'all were cancelled by a close';
  }

  closeSync(target: SimulatedPool, random: SeededRandom): void {
    const cancel = random.below(2) === 0;
    // Those that are cancelled are so before anything else happens in there.
    if (cancel) for (const submission of this.#endAll(target)) submission.mustNotStart = 'all were cancelled by a close';
    const deadlineMs = random.pick([0, 5, 50, Number.POSITIVE_INFINITY]);
    this.#orDeadlock(() => target.closeSync(deadlineMs, cancel));
  }

  /** What callbacks do. */
  #react(target: SimulatedPool, random: SeededRandom): void {
    const what = random.below(20);
    if (what < 8) this.operations.submit(target, random);
    else if (what < 11) this.cancel(target, random);
    else if (what < 12) target.pool.poll();
    else if (what === 12) this.batches.submit(target, random);
    else if (what === 13) this.operations.submitSync(target, random);
    else if (what === 14) this.wait(target, random);
    else if (what === 15) this.awaitRoom(target, random);
    else if (what === 16) this.reap(target, random);
    else if (what === 17) this.setDiscipline(target, random);
    else if (what === 18) this.abort(random);
    else if (random.below(5) === 0) this.configure(target, random);
    else if (random.below(4) === 0) this.close(target, random);
    else if (random.below(8) === 0) this.closeSync(target, random);
    else if (random.below(3) === 0) this.cancelAll(target, random);
  }

  /** All are to be ended. Returns those that will not start. */
  #endAll(target: SimulatedPool): Submission[] {
    const all = this.#of(target);
    for (const submission of all) submission.asked = true;
    return this.#waiting(target, all);
  }

  /** Which of them wait in their pool. Those that the device holds back may begin when others there end. */
  #waiting(target: SimulatedPool, among: readonly Submission[]): Submission[] {
    const waiting = new Set(target.pool.dump().flatMap(({ id, phase }) => (WAITING.includes(phase) ? [id] : [])));
    return among.filter(({ id }) => waiting.has(id));
  }

  #of(target: SimulatedPool): Submission[] {
    return [...this.#ledger.live].filter(({ pool }) => pool === target.index);
  }

  #pick(target: SimulatedPool, random: SeededRandom): Submission | null {
    const { live } = target;
    return live.length === 0 ? null : random.pick(live);
  }

  /** Where only the event loop completes requests nobody may wait, nor where all waits for who is below on the stack. They are told so. */
  #orDeadlock<T>(call: () => T): T | 'EDEADLK' {
    try {
      return call();
    } catch (error) {
      if (error instanceof SystemError && error.code === 'EDEADLK' && error.syscall === 'wait') {
        if (!this.#ledger.mayDeadlock) this.#ledger.fault('a wait says EDEADLK, and something is still to come');
        return 'EDEADLK';
      }
      throw error;
    }
  }
}
