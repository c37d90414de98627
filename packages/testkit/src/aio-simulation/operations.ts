import { AioOp, type AioServicePool, LINK_NONE, queueCompletion } from '@biodone/aio';
import { BLOCK_DISCARD, BLOCK_FLUSH, IO_IDLE } from '@biodone/blockdev';
import { EAGAIN, EALREADY, EBADF, EBUSY, IoBuffer, SystemError } from '@biodone/uring';
import { SeededRandom } from '../random.js';
import type { VirtualTime } from '../virtual-time.js';
import type { Ledger } from './ledger.js';
import { SIZE_BYTES } from './simulated-driver.js';
import type { SimulatedPool } from './simulated-pool.js';
import { type ChainPlace, drawOperation, drawPlan, drawTimer, type Submission, shotsOf } from './submission.js';

/** What callbacks throw on purpose. */
export class DeliberateError extends Error {}

/** What is done in the callback of an operation, which still stands there for whoever wants it. */
export type Reaction = (target: SimulatedPool, random: SeededRandom) => void;

/** What is special about an operation that is drawn. */
interface Drawn {
  readonly synchronous?: boolean;
  readonly controller?: AbortController | null;
  /** Its place in a chain, and whether it is a timeout that covers the one before it there. */
  readonly chain?: { readonly place: ChainPlace; readonly covers: boolean } | null;
}

/** Memory of all operations: each has a place in it, and there are more places than can be used at a time. */
const PLACES = 512;
const PLACE_BYTES = 8;
const memory = IoBuffer.allocate(PLACES * PLACE_BYTES);
/** Callbacks submit from callbacks, and not for ever. */
const SUBMISSIONS_MAX = 400;
/** Timeouts that come again for ever are cancelled at this shot: who waits for what they hold up waits no longer than until then. */
const SHOTS_MAX = 10;
/** How deep callbacks may be in callbacks, by those who wait. */
const DEPTH_MAX = 6;

/** Draws operations, submits them, and takes their completions. */
export class Operations {
  readonly #ledger: Ledger;
  readonly #time: VirtualTime;
  readonly #react: Reaction;
  /** Operations that belong to no pool, and are not used. */
  readonly #own: AioOp[] = [];
  #depth = 0;
  #stopped = false;

  constructor(ledger: Ledger, time: VirtualTime, react: Reaction) {
    this.#ledger = ledger;
    this.#time = time;
    this.#react = react;
  }

  /** From now on nothing is submitted any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Submits a new operation, or one that is given; whoever gives one has no use for it any more. */
  submit(target: SimulatedPool, random: SeededRandom, given?: AioOp): void {
    if (this.full) {
      if (given?.submitted === false) this.giveBack(target, given);
      return;
    }
    const op = given ?? this.take(target, random);
    const submission = this.draw(target, op, random, { controller: this.drawController(random) });
    const expected = this.#expected(target, submission, op.submitted ? op : null);
    if (op.submitted) target.unreaped.splice(target.unreaped.indexOf(op), 1);
    this.#ledger.live.add(submission);
    const result = this.#ledger.silently(() => target.pool.submit(op));
    if (!expected.includes(result)) this.#ledger.fault(`submit returned ${result} instead of ${expected.join(' or ')}`);
    this.accept(target, submission, result);
  }

  /** Whether nothing more is to be submitted. */
  get full(): boolean {
    return this.#stopped || this.#ledger.submissions >= SUBMISSIONS_MAX;
  }

  /** Has the calling thread run one. Callbacks of others run in there. */
  submitSync(target: SimulatedPool, random: SeededRandom): void {
    if (this.full || this.#depth > DEPTH_MAX) return;
    const op = this.take(target, random);
    const submission = this.draw(target, op, random, { synchronous: true, controller: this.drawController(random) });
    const expected = target.pool.closed ? EBADF : 0;
    this.#ledger.live.add(submission);
    this.#depth += 1;
    this.#ledger.blocking.push(submission);
    const { silent } = this.#ledger;
    this.#ledger.silent = 0;
    const result = target.pool.submit(op);
    this.#ledger.silent = silent;
    this.#ledger.blocking.pop();
    this.#depth -= 1;
    if (result !== expected) this.#ledger.fault(`a synchronous submit returned ${result} instead of ${expected}`);
    this.#ledger.live.delete(submission);
    if (result === 0) this.#ledger.completed(submission, op, target);
    if (op.submitted) this.#ledger.fault(`${submission.name} is under way, and was synchronous`);
    this.giveBack(target, op);
  }

  /** Nobody has a use for an operation any more. */
  giveBack(target: SimulatedPool, op: AioOp): void {
    if (target.made.has(op)) target.release(op);
    else this.#own.push(op);
  }

  /** Of some operations, the signal that ends them: one of their own, which may have been aborted before, or one that others have too. */
  drawController(random: SeededRandom): AbortController | null {
    if (random.below(6) > 0) return null;
    const { controllers } = this.#ledger;
    const shared = controllers.at(-1);
    if (shared?.signal.aborted === false && random.below(2) === 0) return shared;
    const controller = new AbortController();
    if (random.below(6) === 0) controller.abort();
    controllers.push(controller);
    return controller;
  }

  /** An operation to be submitted: the pool's, or one of nobody's. */
  take(target: SimulatedPool, random: SeededRandom): AioOp {
    return random.below(4) === 0 ? (this.#own.pop() ?? new AioOp()) : target.allocate();
  }

  /** The answer to a submission is there. */
  accept(target: SimulatedPool, submission: Submission, result: number): void {
    if (result === 0) {
      target.accepted += 1;
      this.#ledger.accepted(submission);
      return;
    }
    if (result === EAGAIN && submission.chain === null) target.refused += 1;
    submission.refused = true;
    this.#ledger.live.delete(submission);
    this.giveBack(target, submission.op);
  }

  /** What a submission of one operation may be answered with. @param leaving what is reaped by it */
  #expected(target: SimulatedPool, { key, memoryBytes }: Submission, leaving: AioOp | null): readonly number[] {
    if (target.pool.closed) return [EBADF];
    if (key === null || target.pools.length === 1) return target.answersTo(memoryBytes, 1, leaving);
    const [home] = this.#ledger.homesOf(key);
    // Nothing tells which pool the key belongs to while nothing is under way with it.
    if (home === undefined) return [0, EAGAIN];
    if (!target.hasRoomIn(home as AioServicePool, memoryBytes, 1, leaving)) return [EAGAIN];
    return target.waiters.length > 0 ? [0, EAGAIN] : [0];
  }

  /** Fills an operation in, and writes down what is to come of it. */
  draw(
    target: SimulatedPool,
    op: AioOp,
    random: SeededRandom,
    { synchronous = false, controller = null, chain = null }: Drawn,
  ): Submission {
    const { live } = this.#ledger;
    const name = this.#ledger.submissions;
    this.#ledger.submissions += 1;
    const isGuard = chain?.covers === true;
    const timer = synchronous ? null : drawTimer(random, this.#time.now(), isGuard);
    const isFlush = this.#fill(op, name, random) && timer === null;
    const deadlineMs = timer === null && random.below(7) === 0 ? random.below(25) : Number.POSITIVE_INFINITY;
    const key = !isFlush && timer === null && random.below(4) === 0 ? random.pick(target.keys) : null;
    op.orderingKey = key;
    op.timer = timer;
    op.link = chain?.place.link ?? LINK_NONE;
    op.drain = timer === null && random.below(14) === 0;
    op.deadlineMs = deadlineMs;
    op.priority = random.pick([0, 1, 2] as const);
    op.signal = controller?.signal ?? null;
    // So that it can be seen when this use of it is over.
    op.state = IO_IDLE;
    const { operation, lengthBytes, drain } = op;
    const { timeoutMs = 0, absolute = false } = timer ?? {};
    const before = [...live].filter((other) => other.timer === null);
    const flushes = isFlush ? before.filter((other) => other.operation === BLOCK_FLUSH) : [];
    const submission: Submission = {
      name,
      op,
      id: op.id,
      submittedAtMs: this.#time.now(),
      pool: target.index,
      timer,
      dueAtMs: timer === null ? Number.POSITIVE_INFINITY : timeoutMs * shotsOf(timer) + (absolute ? 0 : this.#time.now()),
      shotsTold: 0,
      nextShotAtMs: chain === null ? timeoutMs + this.#time.now() : Number.POSITIVE_INFINITY,
      completedBefore: target.completed,
      chain: chain?.place ?? null,
      operation,
      memoryBytes: timer === null && operation < BLOCK_FLUSH ? lengthBytes : 0,
      lengthBytes,
      // Where an append goes nobody knows yet.
      endsAt: key?.appendOffset == null ? op.offset + lengthBytes : Number.POSITIVE_INFINITY,
      key,
      drain,
      synchronous,
      deadlineAtMs: this.#time.now() + deadlineMs,
      controller,
      plan: drawPlan(random, operation, lengthBytes),
      dice: random.below(2 ** 32),
      // One that is not reaped yet would give the handle of the use before.
      handle: random.below(60) === 0 && !op.submitted ? op.handle() : null,
      covers: isFlush ? before.filter((other) => other.operation !== BLOCK_FLUSH) : [],
      coveredBefore: new Set(flushes.flatMap(({ covers, coveredBefore }) => [...covers, ...coveredBefore])),
      mayBeOutside: controller?.signal.aborted === true || drain || before.some((other) => other.drain),
      poison: this.#ledger.poison,
      refused: false,
      asked: controller?.signal.aborted === true,
      cancelled: false,
      broken: false,
      starts: 0,
      mustNotStart: null,
      deviceError: -1,
      deviceBytes: 0,
      deviceEndedAtMs: -1,
      error: -1,
      bytes: 0,
    };
    op.private = submission;
    op.callback = synchronous ? null : () => this.#told(target, submission);
    const what =
      timer === null
        ? `op ${operation} at ${op.offset}+${lengthBytes}`
        : `timer ${JSON.stringify(timer)}${timer.shots === Number.POSITIVE_INFINITY ? ' for ever' : ''}`;
    const how = `${synchronous ? ', sync' : ''}${drain ? ', drains' : ''}${key === null ? '' : `, key ${target.keys.indexOf(key)}`}`;
    const linked = chain === null ? '' : `, link ${op.link} behind ${chain.place.previous?.name ?? 'none'}`;
    this.#ledger.note('submit', name, `${what} to pool ${target.index}${how}${linked}`);
    return submission;
  }

  /** Returns whether it is a flush. */
  #fill(op: AioOp, name: number, random: SeededRandom): boolean {
    const operation = drawOperation(random);
    op.operation = operation;
    op.lengthBytes = operation === BLOCK_FLUSH ? 0 : 1 + random.below(PLACE_BYTES);
    op.offset = operation === BLOCK_FLUSH ? 0 : random.below(SIZE_BYTES - op.lengthBytes);
    op.bufferOffset = (name % PLACES) * PLACE_BYTES;
    op.buffer = operation === BLOCK_FLUSH || operation === BLOCK_DISCARD ? null : memory;
    if (operation !== BLOCK_FLUSH && operation !== BLOCK_DISCARD)
      memory.bytes.fill(1 + (name % 255), op.bufferOffset, op.bufferOffset + PLACE_BYTES);
    return operation === BLOCK_FLUSH;
  }

  /** The callback of all operations. */
  #told(target: SimulatedPool, submission: Submission): boolean {
    const { op, dice } = submission;
    if (op.more) return this.#shot(target, submission);
    const random = new SeededRandom(dice);
    this.#ledger.completed(submission, op, target);
    // Whoever has the object next, and however it comes to them.
    target.staleIds.push(submission.id);
    target.bytes += submission.bytes;
    if (submission.timer === null) target.completed += 1;
    if (submission.error !== 0) target.errors += 1;
    const what = random.below(24);
    if (what === 0) {
      this.submit(target, random, op);
      return random.below(2) === 0;
    }
    if (what < 4) {
      target.unreaped.push(op);
      queueCompletion(op);
      return what < 3 || !this.#reapNow(target, op);
    }
    if (what < 6 && target.made.has(op)) {
      target.kept.push(op);
      return true;
    }
    if (what === 6 && target.made.has(op)) {
      target.release(op);
      // The object may be somebody else's before this has returned.
      if (random.below(2) === 0) target.kept.push(target.allocate());
      else this.#reactTo(target, random);
      return random.below(2) === 0;
    }
    try {
      if (what < 14) this.#reactTo(target, random);
      if (what === 14) throw new DeliberateError('thrown by a callback on purpose');
    } finally {
      // The pool takes it back when this has returned.
      if (target.made.has(op)) target.out -= 1;
      else this.#own.push(op);
    }
    return false;
  }

  /** The callback of a timeout whose time comes again. It is the pool's still, whatever is done here and returned. */
  #shot(target: SimulatedPool, submission: Submission): boolean {
    const { op, dice } = submission;
    this.#ledger.shot(submission, op);
    const random = new SeededRandom(dice + submission.shotsTold);
    this.#refused(() => target.pool.submit(op), EALREADY);
    this.#refused(() => target.release(op), EBUSY, target.made.has(op));
    this.#refused(() => queueCompletion(op), EALREADY);
    const what = random.below(8);
    if (what < 3) this.#reactTo(target, random);
    // It may have been ended in there, and its object be another's.
    const goesOn = this.#ledger.live.has(submission) && op.more;
    if (goesOn && (what === 3 || submission.shotsTold >= SHOTS_MAX)) this.#endShots(target, submission);
    if (what === 4) throw new DeliberateError('thrown by a callback on purpose');
    return random.below(2) === 0;
  }

  /** Cancels a timeout in its own callback. */
  #endShots(target: SimulatedPool, submission: Submission): void {
    const verdict = this.#ledger.silently(() => target.pool.cancel(submission.op));
    target.verdicts[verdict] += 1;
    this.#ledger.cancelled(submission, verdict);
    if (verdict !== 'cancelled') this.#ledger.fault(`${submission.name} is ${verdict} when it is cancelled in its own callback`);
  }

  /** What is under way is not to be had. */
  #refused(call: () => unknown, errno: number, applies = true): void {
    if (!applies) return;
    try {
      call();
      this.#ledger.fault('what is under way was submitted, released or kept');
    } catch (error) {
      if (!(error instanceof SystemError) || error.errno !== -errno)
        this.#ledger.fault(`what is under way is refused with ${String(error)}`);
    }
  }

  /** Reaps a completion where it is kept: from then on it is the reaper's, whatever the callback returns. False if others are before it. */
  #reapNow(target: SimulatedPool, op: AioOp): boolean {
    if (target.unreaped.length > 1 || !target.made.has(op)) return false;
    if (target.pool.reap() !== op) this.#ledger.fault('another completion was reaped than the only one');
    target.unreaped.length = 0;
    target.kept.push(op);
    return true;
  }

  #reactTo(target: SimulatedPool, random: SeededRandom): void {
    if (this.#depth > DEPTH_MAX) return;
    this.#depth += 1;
    try {
      this.#react(target, random);
    } finally {
      this.#depth -= 1;
    }
  }
}
