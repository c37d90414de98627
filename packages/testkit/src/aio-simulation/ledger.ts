import { getEventListeners } from 'node:events';
import { type AioOp, AioOpWaiter } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE, type BlockIo, IO_DONE } from '@biodone/blockdev';
import { EALREADY, ECANCELED, EDEADLK, EINVAL, ETIME, ETIMEDOUT } from '@biodone/uring';
import { ENODEV } from '../errno.js';
import type { VirtualTime } from '../virtual-time.js';
import { breaks, covers, type Submission, shotsOf } from './submission.js';

/** Options of {@link Ledger}. */
interface LedgerOptions {
  readonly sizeBytes: number;
  /** Whether only the event loop completes requests. */
  readonly loopOnly: boolean;
  readonly traced: boolean;
}

/** What has happened to whom, and whether it may have: the rules that hold whatever the schedule. */
export class Ledger {
  /** What is under way, in the order of submission. */
  readonly live: Set<Submission> = new Set();
  readonly faults: string[] = [];
  readonly trace: string[] = [];
  /** Of all that has happened: two runs of a schedule have the same. */
  hash = 0x811c9dc5;
  submissions = 0;
  /** The device is gone; how small it was; with which error a flush has failed. */
  removed = false;
  smallestBytes: number;
  poison = 0;
  readonly loopOnly: boolean;
  /** Where the next write with a key goes. */
  readonly ends: Map<object, number> = new Map();
  /** Of all signals that operations have or have had. */
  readonly controllers: AbortController[] = [];
  /** While this is not 0, no callback may run. */
  silent = 0;
  /** The synchronous operations that this thread is in, the innermost last. */
  readonly blocking: Submission[] = [];
  readonly #time: VirtualTime;
  readonly #traced: boolean;

  constructor(time: VirtualTime, { sizeBytes, loopOnly, traced }: LedgerOptions) {
    this.#time = time;
    this.#traced = traced;
    this.smallestBytes = sizeBytes;
    this.loopOnly = loopOnly;
  }

  fault(what: string): void {
    this.faults.push(what);
    this.note('FAULT', -1, what);
  }

  /** Writes down what happens. */
  note(what: string, name: number, detail: string | number = ''): void {
    const text = `${what} ${name} ${detail}`;
    for (let index = 0; index < text.length; index++) this.hash = Math.imul(this.hash ^ text.charCodeAt(index), 16777619) >>> 0;
    if (this.#traced) this.trace.push(`${this.#time.now()} ms: ${what}${name < 0 ? '' : ` ${name}`} ${detail}`);
  }

  /** Runs what no callback may run in. */
  silently<T>(call: () => T): T {
    this.silent += 1;
    try {
      return call();
    } finally {
      this.silent -= 1;
    }
  }

  /** Holds when all is over: nobody listens to a signal any more. */
  checkSignals(): void {
    const left = this.controllers.filter(({ signal }) => getEventListeners(signal, 'abort').length > 0);
    if (left.length > 0) this.fault(`${left.length} signals still have listeners`);
  }

  /** Somebody has asked for the end of an operation, and this is the answer. */
  cancelled(submission: Submission, verdict: 'cancelled' | 'in-progress' | 'done'): void {
    const { name, deadlineAtMs } = submission;
    this.note('verdict', name, verdict);
    const { op, asked } = submission;
    const over = op.state === IO_DONE || asked || this.#mayHaveEnded(submission);
    if (verdict === 'done' && !over) this.fault(`${name} is said to be done, and goes on`);
    if (verdict !== 'done') submission.asked = true;
    if (verdict === 'in-progress' && submission.starts === 0)
      this.fault(`${name} is said to be in progress, and has not been started`);
    if (verdict !== 'cancelled') return;
    if (this.#time.now() < deadlineAtMs) submission.cancelled = true;
    if (submission.deviceError < 0) submission.mustNotStart = 'it was cancelled';
  }

  /** The device is given a request. All that it has to wait for must be over. */
  started(submission: Submission, io: BlockIo): void {
    const { name, operation, key, drain } = submission;
    this.note('start', name);
    submission.starts += 1;
    if (!this.live.has(submission)) this.fault(`${name} reached the device after its end`);
    if (submission.mustNotStart !== null) this.fault(`${name} reached the device: ${submission.mustNotStart}`);
    if (submission.deviceError >= 0) this.fault(`${name} reached the device after that had ended it`);
    this.#checkChain(submission);
    this.#checkOwner(submission);
    for (const other of this.live) {
      if (other.name >= name || other.op.state === IO_DONE || other.timer !== null || !isTaken(other)) continue;
      if (drain) this.#mustBeOver(other, `${name}, which drains, was started`);
      if (other.drain) this.#mustBeOver(other, `${name}, which it holds, was started`);
      if (key !== null && key === other.key) this.#mustBeOver(other, `${name}, which has the same key, was started`);
      if (operation === BLOCK_FLUSH && other.operation !== BLOCK_FLUSH)
        this.#mustBeOver(other, `${name}, which covers it, was started`);
    }
    const end = key !== null && operation === BLOCK_WRITE ? this.ends.get(key) : undefined;
    if (end !== undefined && io.offset !== end) this.fault(`${name} was appended at ${io.offset} instead of ${end}`);
  }

  /** An operation has been taken. */
  accepted(submission: Submission): void {
    this.#checkOwner(submission);
  }

  /** The pools that the operations with a key are with. @param but those that do not count */
  homesOf(key: object, but: readonly Submission[] = []): readonly object[] {
    const here = [...this.live].filter((other) => other.key === key && !but.includes(other) && !this.#mayHaveEnded(other));
    const owners = here.map(({ op }) => op.owner);
    return [...new Set(owners)].filter((owner) => owner !== null);
  }

  /** Whether a thread that waits may be told that this would last for ever. */
  get mayDeadlock(): boolean {
    if (this.loopOnly) return true;
    return ![...this.live].some(
      ({ starts, deviceError, op, synchronous, deadlineAtMs, timer, chain }) =>
        (starts > 0 && deviceError < 0 && op.state !== IO_DONE) ||
        (!synchronous && deadlineAtMs !== Number.POSITIVE_INFINITY) ||
        (timer !== null && chain === null && timer.timeoutMs !== Number.POSITIVE_INFINITY),
    );
  }

  /** The device has ended a request. */
  ended(submission: Submission, error: number, bytes: number): void {
    const { name, key, operation } = submission;
    this.note('end', name, error);
    if (submission.deviceError >= 0) this.fault(`${name} was ended by the device twice`);
    submission.deviceError = error;
    submission.deviceBytes = bytes;
    submission.deviceEndedAtMs = this.#time.now();
    const end = key === null ? undefined : this.ends.get(key);
    if (key !== null && end !== undefined && operation === BLOCK_WRITE) this.ends.set(key, end + bytes);
    if (operation === BLOCK_FLUSH && error !== 0 && error !== ECANCELED && this.poison === 0) this.poison = error;
  }

  /** An operation is told to be done: in its callback, or behind the call that has run it. */
  completed(submission: Submission, op: AioOp, target: { readonly completed: number }): void {
    const { name, synchronous } = submission;
    if (submission.error >= 0) {
      this.fault(`${name} was completed twice`);
      return;
    }
    this.live.delete(submission);
    submission.error = op.error;
    submission.bytes = op.transferredBytes;
    this.note('told', name, op.error);
    if (this.silent > 0 && !synchronous) this.fault(`${name} was told inside a call that calls nobody`);
    if (op.submitted) this.fault(`${name} was told before it was over`);
    if (op.state !== IO_DONE) this.fault(`${name} was told in state ${op.state}`);
    if (op.id !== submission.id) this.fault(`${name} had the id ${submission.id}, and has ${op.id}`);
    if (op.private !== submission) this.fault(`${name} is not what it was`);
    if (submission.timer === null) this.#checkOutcome(submission);
    else this.#checkTimer(submission, target.completed - submission.completedBefore);
    this.#breakChain(submission);
    if (submission.handle !== null) this.#checkHandle(submission);
  }

  /** A timeout is told that its time has come, and goes on: it is under way, not ended by anybody, and neither early nor told too often. */
  shot(submission: Submission, op: AioOp): void {
    const { name, timer, cancelled, error, handle } = submission;
    submission.shotsTold += 1;
    const { shotsTold } = submission;
    this.note('shot', name, shotsTold);
    if (this.silent > 0) this.fault(`a shot of ${name} was told inside a call that calls nobody`);
    if (error >= 0 || cancelled || !this.live.has(submission)) this.fault(`a shot of ${name} was told after its end`);
    if (op.error !== ETIME || !op.submitted || op.id !== submission.id || op.private !== submission)
      this.fault(`a shot of ${name} was told with error ${op.error}, and id ${op.id} instead of ${submission.id}`);
    if (shotsTold >= shotsOf(timer)) this.fault(`shot ${shotsTold} of ${name}, of ${shotsOf(timer)}, was no completion`);
    if (timer === null) return;
    if (this.#time.now() < submission.submittedAtMs + timer.timeoutMs * shotsTold)
      this.fault(`shot ${shotsTold} of ${name} came too early`);
    submission.nextShotAtMs = this.#time.now() + timer.timeoutMs;
    if (handle !== null && new AioOpWaiter(handle).done) this.fault(`another thread sees an end of ${name}, which goes on`);
  }

  /** Unless the other one has been ended without the device, or is being so: nobody waits for those. */
  #mustBeOver(other: Submission, what: string): void {
    if (this.#mayHaveEnded(other)) other.mustNotStart ??= `${what} before`;
    else this.fault(`${what} before ${other.name}`);
  }

  /** Whether it may be over although nobody has been told yet. */
  #mayHaveEnded(submission: Submission): boolean {
    const { asked, synchronous, deadlineAtMs, chain } = submission;
    const nowMs = this.#time.now();
    if (asked || synchronous || nowMs >= deadlineAtMs || this.#mayBeBroken(submission)) return true;
    const guard = chain?.guard ?? null;
    return guard !== null && nowMs >= guard.dueAtMs;
  }

  /** The one before it in its chain must be over, and must not have broken it. */
  #checkChain({ name, chain }: Submission): void {
    const previous = chain?.previous ?? null;
    if (previous === null) return;
    const isTold = previous.error >= 0;
    const { error, transferredBytes } = previous.op;
    if (!isTold && previous.op.state !== IO_DONE) {
      this.#mustBeOver(previous, `${name}, which is behind it in a chain, was started`);
    } else if (breaks(previous, isTold ? previous.error : error, isTold ? previous.bytes : transferredBytes) === 'yes') {
      this.fault(`${name} reached the device, and its chain had been broken`);
    }
  }

  /** Rule 14: those with one key, and the members of a chain, are all with one pool. */
  #checkOwner(submission: Submission): void {
    const { name, op, key, chain } = submission;
    const here = (one: Submission): boolean => isTaken(one) && !this.#mayHaveEnded(one);
    // What has been ended has left its place.
    if (!here(submission)) return;
    for (const other of this.live) {
      const belongs = (key !== null && other.key === key) || chain?.members.includes(other) === true;
      if (belongs && here(other) && other.op.owner !== op.owner) this.fault(`${name} is in another pool than ${other.name}`);
    }
  }

  /** Whether its chain may have been broken before it. */
  #mayBeBroken({ chain, broken }: Submission): boolean {
    if (broken) return true;
    for (let one = chain?.previous ?? null; one !== null; one = one.chain?.previous ?? null) {
      const isDone = one.error >= 0 || one.op.private !== one || one.op.state === IO_DONE;
      const error = one.error >= 0 ? one.error : one.op.error;
      const bytes = one.error >= 0 ? one.bytes : one.op.transferredBytes;
      if (one.asked || (isDone && breaks(one, error, bytes) !== 'no')) return true;
      if (this.#time.now() >= one.deadlineAtMs || (one.chain?.guard != null && this.#time.now() >= one.chain.guard.dueAtMs))
        return true;
    }
    return false;
  }

  /** An operation is over: if it breaks its chain, the next one must end without having been started. */
  #breakChain(submission: Submission): void {
    const { name, chain, error, bytes } = submission;
    if (chain === null || covers(submission) || breaks(submission, error, bytes) !== 'yes') return;
    const next = chain.members.find((other) => other.chain?.previous === submission && !covers(other));
    if (next === undefined || next.error >= 0) return;
    next.broken = true;
    next.mustNotStart ??= `its chain was broken by ${name}`;
  }

  #checkTimer(submission: Submission, completions: number): void {
    const { name, error, timer, dueAtMs, cancelled, chain } = submission;
    const covered = covers(submission) ? (chain?.previous ?? null) : null;
    const isDue = this.#time.now() >= dueAtMs;
    if (cancelled && error !== ECANCELED) this.fault(`timeout ${name} was said to be cancelled, and ended with ${error}`);
    if (error === ETIME && submission.shotsTold + 1 !== shotsOf(timer))
      this.fault(`timeout ${name} ended after ${submission.shotsTold} shots of ${shotsOf(timer)}`);
    if (error === ETIME && !isDue) this.fault(`timeout ${name} ended too early`);
    if (error === ETIME && covered !== null && covered.error >= 0 && covered.error !== ECANCELED && covered.error !== ETIMEDOUT)
      this.fault(`timeout ${name} says that it has ended ${covered.name}, which ended with ${covered.error}`);
    if (error === 0 && !((timer?.count ?? 0) > 0 && completions >= (timer?.count ?? 0)))
      this.fault(`timeout ${name} ended with 0 after ${completions} completions`);
    if (covered !== null && (error === ETIME || error === EALREADY)) this.#checkTurn(submission, covered);
    if (error === EALREADY && (covered === null || !isDue)) this.fault(`timeout ${name} ended with EALREADY`);
    const mayBeCancelled =
      this.#mayBeCancelled(submission) || (covered !== null && (covered.error >= 0 || covered.op.state === IO_DONE));
    if (error === ECANCELED && !mayBeCancelled) this.fault(`timeout ${name} ended with ECANCELED, and nobody has asked for it`);
    if (![0, ETIME, ECANCELED, EALREADY].includes(error)) this.fault(`timeout ${name} ended with ${error}`);
  }

  /** The time of a link timeout runs from when the turn of the operation that it covers has come. */
  #checkTurn({ name, timer }: Submission, covered: Submission): void {
    const previous = covered.chain?.previous ?? null;
    if (previous === null || timer === null || this.#mayHaveEnded(previous)) return;
    const { error, op, deviceEndedAtMs } = previous;
    const isOver = error >= 0 || op.state === IO_DONE;
    const atMs = timer.absolute === true ? 0 : deviceEndedAtMs + timer.timeoutMs;
    if (!isOver || (deviceEndedAtMs >= 0 && this.#time.now() < atMs)) this.fault(`timeout ${name} has run before its turn`);
  }

  #checkOutcome(submission: Submission): void {
    const { name, error, bytes, cancelled, broken, deviceError, deviceBytes } = submission;
    if (cancelled && error !== ECANCELED) this.fault(`${name} was said to be cancelled, and ended with ${error}`);
    if (cancelled && bytes !== 0) this.fault(`${name} was said to be cancelled, and moved ${bytes} bytes`);
    if (submission.operation === BLOCK_FLUSH) {
      this.#checkFlush(submission);
      return;
    }
    if (error === ETIMEDOUT && this.#time.now() < submission.deadlineAtMs) this.fault(`${name} ended with ETIMEDOUT too early`);
    if (broken && error !== ECANCELED && error !== ETIMEDOUT) this.fault(`${name} ended with ${error}, and its chain was broken`);
    if (error === ECANCELED && !this.#mayBeCancelled(submission))
      this.fault(`${name} ended with ECANCELED, and nobody has asked for it`);
    if (deviceError >= 0 && deviceError !== ECANCELED) {
      if (error !== deviceError || bytes !== deviceBytes) {
        this.fault(`${name} ended with ${error} and ${bytes} bytes instead of ${deviceError} and ${deviceBytes}`);
      }
      return;
    }
    if (!this.#mayEndSo(submission, error)) this.fault(`${name} ended with ${error}, which nobody has said`);
  }

  #mayBeCancelled(submission: Submission): boolean {
    const guard = submission.chain?.guard ?? null;
    return submission.asked || this.#mayBeBroken(submission) || (guard !== null && this.#time.now() >= guard.dueAtMs);
  }

  #mayEndSo({ endsAt, synchronous }: Submission, error: number): boolean {
    if (error === ECANCELED || error === ETIMEDOUT) return true;
    if (error === ENODEV) return this.removed;
    if (error === EINVAL) return endsAt > this.smallestBytes;
    return error === EDEADLK && synchronous;
  }

  /** A flush fails with the first error of the writes that it covers, wherever these were when they ended, else as the device says. */
  #checkFlush(flush: Submission): void {
    const { name, error, coveredBefore, deviceError, poison } = flush;
    if (error === ETIMEDOUT && this.#time.now() >= flush.deadlineAtMs) return;
    if (error === ECANCELED && this.#mayBeCancelled(flush)) return;
    if (flush.broken) this.fault(`flush ${name} ended with ${error}, and its chain was broken`);
    const allowed = [...coveredBefore]
      .filter(isWrite)
      .map(errorOf)
      .filter((other) => other > 0);
    for (const other of flush.covers) {
      if (other.refused) continue;
      const isOutside = other.mayBeOutside && other.starts === 0 && this.#mayHaveEnded(other);
      if (other.error < 0 && !isOutside && error !== EDEADLK)
        this.fault(`flush ${name} was told before ${other.name}, which it covers`);
      if (!isWrite(other) || errorOf(other) <= 0) continue;
      allowed.push(errorOf(other));
      this.#expectOneOf(flush, allowed);
      return;
    }
    if (deviceError > 0) allowed.push(deviceError);
    if (this.poison !== 0) allowed.push(this.poison);
    if (deviceError === 0 && poison === 0) allowed.push(0);
    this.#expectOneOf(flush, allowed);
  }

  #expectOneOf(flush: Submission, allowed: readonly number[]): void {
    const { name, error, deviceError } = flush;
    if (allowed.includes(error) || (deviceError < 0 && this.#mayEndSo(flush, error) && error !== ECANCELED)) return;
    this.fault(`flush ${name} ended with ${error} instead of ${[...new Set(allowed)].join(' or ')}`);
  }

  #checkHandle({ name, handle, error, bytes }: Submission): void {
    const outcome = handle === null ? null : new AioOpWaiter(handle).wait(0);
    if (outcome?.error !== error || outcome.transferredBytes !== bytes) this.fault(`another thread sees another end of ${name}`);
  }
}

/** Whether an operation is with its pool: in a batch, the answer to it may be still to come. */
function isTaken({ op, synchronous }: Submission): boolean {
  return synchronous || op.submitted;
}

/** What an operation has ended with, or does, although nobody was told yet; -1 before. */
function errorOf({ op, error }: Submission): number {
  return error < 0 && op.state === IO_DONE ? op.error : error;
}

function isWrite({ operation }: Submission): boolean {
  return operation === BLOCK_WRITE;
}
