import type { ExtentList } from '@biodone/blockdev';
import { ECANCELED, ETIMEDOUT, SystemError } from '@biodone/uring';
import { type AioOp, IS_TIMER } from './aio-op.js';
import { nameOfDevice } from './device-name.js';
import { deviceOf } from './explain.js';
import { type AioLink, LINK_HARD } from './link-kind.js';
import { failureOf, type Manner, nameOf, type Request } from './promise-operation.js';

/** What an operation of `promises.batch` or `promises.chain` has done. */
export interface BatchOutcome {
  /** Where: of a write with an `OrderingKey` that appends, where it was written. */
  readonly offset: number;
  /** How many bytes were moved, fewer than asked where it was short. */
  readonly bytes: number;
  /** The answer of a BLOCK_EXTENTS; null of others. */
  readonly extents: ExtentList | null;
}

/** What is asked for, checked. */
export interface MemberRequest {
  readonly request: Request;
  readonly manner: Manner;
  readonly link: AioLink;
  /** Infinity for none. */
  readonly linkTimeoutMs: number;
}

/** An operation of a batch: `private` of its AioOp, and of that of its link timeout. */
export class Member {
  readonly asked: MemberRequest;
  readonly index: number;
  /** By its pool's clock. */
  readonly dueMs: number;
  /** Calls when it, or its link timeout, has ended. */
  readonly ended: () => void;
  /** Which one its chain begins with. */
  chainStart = 0;
  /** Why it was not submitted, or what it has failed with. */
  #failure: Error | null = null;
  #isBystander = false;
  #error = 0;
  #path: string | undefined;
  #isTimedOut = false;
  #outcome: BatchOutcome | null = null;

  constructor(asked: MemberRequest, index: number, dueMs: number, ended: () => void) {
    this.asked = asked;
    this.index = index;
    this.dueMs = dueMs;
    this.ended = ended;
  }

  get name(): string {
    return nameOf(this.asked.request);
  }

  /** What has become of the operation, or of its link timeout. */
  note(op: AioOp): void {
    if ((op.features & IS_TIMER) !== 0) {
      // It is asked for also of one that has been started, and may have been ended by this then: that one's own error says so.
      this.#isTimedOut = op.error !== ECANCELED;
      return;
    }
    const { error, offset, transferredBytes, extents } = op;
    const device = error === 0 ? null : deviceOf(op);
    this.#error = error;
    this.#path = device === null ? undefined : nameOfDevice(device);
    if (error !== 0) this.#failure = failureOf(op);
    else this.#outcome = { offset, bytes: transferredBytes, extents };
  }

  /** It was not submitted. @param isBystander whether that is because of another one of its chain */
  refuse(failure: Error, isBystander: boolean): void {
    // Of the operation, and not of its link timeout, which comes behind it.
    this.#failure ??= failure;
    this.#isBystander ||= isBystander;
  }

  /** What has become of it, when all have ended. @param culprit because of which one it did not run */
  result(culprit: Member | null): PromiseSettledResult<BatchOutcome> {
    if (this.#outcome !== null) return { status: 'fulfilled', value: this.#outcome };
    return { status: 'rejected', reason: this.#reason(culprit) };
  }

  /** Whether it has ended as it does if one before it in its chain has ended in a way that breaks a link. */
  get isVictim(): boolean {
    return this.#isBystander || (this.#error === ECANCELED && !this.#isTimedOut);
  }

  /** How it has ended, if those behind it do not run because of this; null if they may. */
  get breakage(): string | null {
    if (this.asked.link === LINK_HARD) return null;
    if (this.#failure !== null) return `has failed with ${this.#isTimedOut ? 'ETIMEDOUT' : (this.#failure as SystemError).code}`;
    const { request } = this.asked;
    const bytes = this.#outcome?.bytes ?? 0;
    const isShort = (request.buffer !== null || request.vector !== null) && bytes < request.lengthBytes;
    return isShort ? `was short: ${bytes} of ${request.lengthBytes} bytes` : null;
  }

  #reason(culprit: Member | null): Error {
    if (this.#error !== ECANCELED) return this.#failure as Error;
    if (this.#isTimedOut) return new SystemError(ETIMEDOUT, this.name, this.#path, 'its link timeout has come');
    if (culprit === null) return this.#failure as Error;
    const advice = `operations[${culprit.index}], which is before it in its chain, ${culprit.breakage}`;
    return new SystemError(ECANCELED, this.name, this.#path, advice);
  }
}
