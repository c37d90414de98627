import { type AioOp, AioOpWaiter } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE, type BlockIo, IO_DONE } from '@biodone/blockdev';
import { ECANCELED, EDEADLK, EINVAL, ETIMEDOUT } from '@biodone/uring';
import { ENODEV } from '../errno.js';
import type { VirtualTime } from '../virtual-time.js';
import type { Submission } from './submission.js';

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
  /** While this is not 0, no callback may run. */
  silent = 0;
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

  /** Somebody has asked for the end of an operation, and this is the answer. */
  cancelled(submission: Submission, verdict: 'cancelled' | 'in-progress' | 'done'): void {
    const { name, deadlineAtMs } = submission;
    this.note('verdict', name, verdict);
    const { op, asked, synchronous } = submission;
    const over = op.state === IO_DONE || asked || synchronous || this.#time.now() >= deadlineAtMs;
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
    for (const other of this.live) {
      if (other.name >= name || other.op.state === IO_DONE) continue;
      if (drain) this.#mustBeOver(other, `${name}, which drains, was started`);
      if (other.drain) this.#mustBeOver(other, `${name}, which it holds, was started`);
      if (key !== null && key === other.key) this.#mustBeOver(other, `${name}, which has the same key, was started`);
      if (operation === BLOCK_FLUSH && other.operation !== BLOCK_FLUSH)
        this.#mustBeOver(other, `${name}, which covers it, was started`);
    }
    const end = key !== null && operation === BLOCK_WRITE ? this.ends.get(key) : undefined;
    if (end !== undefined && io.offset !== end) this.fault(`${name} was appended at ${io.offset} instead of ${end}`);
  }

  /** The device has ended a request. */
  ended(submission: Submission, error: number, bytes: number): void {
    const { name, key, operation } = submission;
    this.note('end', name, error);
    if (submission.deviceError >= 0) this.fault(`${name} was ended by the device twice`);
    submission.deviceError = error;
    submission.deviceBytes = bytes;
    const end = key === null ? undefined : this.ends.get(key);
    if (key !== null && end !== undefined && operation === BLOCK_WRITE) this.ends.set(key, end + bytes);
    if (operation === BLOCK_FLUSH && error !== 0 && error !== ECANCELED && this.poison === 0) this.poison = error;
  }

  /** An operation is told to be done: in its callback, or behind the call that has run it. */
  completed(submission: Submission, op: AioOp): void {
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
    if (op.private !== submission) this.fault(`${name} is not what it was`);
    this.#checkOutcome(submission);
    if (submission.handle !== null) this.#checkHandle(submission);
  }

  /** Unless the other one has been ended without the device, or is being so: nobody waits for those. */
  #mustBeOver(other: Submission, what: string): void {
    const { name, asked, synchronous, deadlineAtMs } = other;
    if (asked || synchronous || this.#time.now() >= deadlineAtMs) other.mustNotStart ??= `${what} before`;
    else this.fault(`${what} before ${name}`);
  }

  #checkOutcome(submission: Submission): void {
    const { name, error, bytes, cancelled, asked, deviceError, deviceBytes } = submission;
    if (cancelled && error !== ECANCELED) this.fault(`${name} was said to be cancelled, and ended with ${error}`);
    if (cancelled && bytes !== 0) this.fault(`${name} was said to be cancelled, and moved ${bytes} bytes`);
    if (submission.operation === BLOCK_FLUSH) {
      this.#checkFlush(submission);
      return;
    }
    if (error === ETIMEDOUT && this.#time.now() < submission.deadlineAtMs) this.fault(`${name} ended with ETIMEDOUT too early`);
    if (error === ECANCELED && !asked) this.fault(`${name} ended with ECANCELED, and nobody has asked for it`);
    if (deviceError >= 0 && deviceError !== ECANCELED) {
      if (error !== deviceError || bytes !== deviceBytes) {
        this.fault(`${name} ended with ${error} and ${bytes} bytes instead of ${deviceError} and ${deviceBytes}`);
      }
      return;
    }
    if (!this.#mayEndSo(submission, error)) this.fault(`${name} ended with ${error}, which nobody has said`);
  }

  #mayEndSo({ endsAt, synchronous }: Submission, error: number): boolean {
    if (error === ECANCELED || error === ETIMEDOUT) return true;
    if (error === ENODEV) return this.removed;
    if (error === EINVAL) return endsAt > this.smallestBytes;
    return error === EDEADLK && synchronous;
  }

  /** A flush fails with the first error of what it covers, else as the device says. */
  #checkFlush(flush: Submission): void {
    const { name, error, asked, covers, coveredBefore, deviceError, poison } = flush;
    if (error === ETIMEDOUT && this.#time.now() >= flush.deadlineAtMs) return;
    if (error === ECANCELED && asked) return;
    const allowed = [...coveredBefore].map((other) => other.error).filter((other) => other > 0);
    for (const other of covers) {
      const optional = other.mayBeOutside && other.starts === 0;
      if (other.error < 0 && !optional && error !== EDEADLK)
        this.fault(`flush ${name} was told before ${other.name}, which it covers`);
      if (other.error <= 0) continue;
      allowed.push(other.error);
      if (optional) continue;
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
