import { AbortError } from '@biodone/sync';
import { ECANCELED, EINVAL } from '@biodone/uring';
import type { AioOp } from './aio-op.js';
import { LINK_NONE, LINK_SOFT } from './link-kind.js';
import { chainEnd } from './links.js';
import { EAGAIN } from './operation-calls.js';
import type { OperationTarget } from './operation-target.js';
import { type BatchOutcome, Member, type MemberRequest } from './promise-member.js';
import { applyManner, describe, refusalOf } from './promise-operation.js';
import { waitForRoom } from './promise-room.js';
import { memoryBytesOf } from './usable.js';

/** How a batch is to be done. */
export interface RunOptions {
  readonly signal: AbortSignal | null;
  /** Infinity for none. */
  readonly deadlineMs: number;
  readonly wait: boolean;
}

/** A batch of operations on their way, from their submission to the end of the last. */
export class BatchRun {
  readonly #pool: OperationTarget;
  readonly #options: RunOptions;
  readonly #members: readonly Member[];
  readonly #done: (run: BatchRun) => void;
  /** Those of the members, each followed by its link timeout. */
  #ops: AioOp[] = [];
  #left = 0;
  /** Whether time has passed since the call. */
  #hasWaited = false;

  /** @param done is called once, never in here, unless nothing was submitted */
  constructor(pool: OperationTarget, asked: readonly MemberRequest[], options: RunOptions, done: (run: BatchRun) => void) {
    const nowMs = pool.timers.now();
    this.#pool = pool;
    this.#options = options;
    this.#done = done;
    const ended = (): void => this.#ended();
    this.#members = asked.map((each, index) => {
      const deadlineMs = Math.min(options.deadlineMs, each.manner.deadlineMs ?? Number.POSITIVE_INFINITY);
      return new Member(each, index, nowMs + deadlineMs, ended);
    });
  }

  /** What has become of each, and the first that has failed by itself, or the first that has failed; -1 if none has. For when all have ended. */
  outcome(): { readonly results: PromiseSettledResult<BatchOutcome>[]; readonly fault: number } {
    const members = this.#members;
    const culprits = members.map((member) => (member.isVictim ? this.#culpritOf(member) : null));
    const results = members.map((member, index) => member.result(culprits[index] as Member | null));
    const failed = (index: number): boolean => results[index]?.status === 'rejected';
    const fault = members.findIndex(({ isVictim }, index) => failed(index) && !isVictim);
    return { results, fault: fault >= 0 ? fault : members.findIndex((_, index) => failed(index)) };
  }

  /**
   * Submits them. With an exception, nothing was.
   *
   * @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE for how an operation is to be done
   */
  begin(): void {
    try {
      for (const member of this.#members) this.#make(member);
    } catch (error) {
      for (const op of this.#ops) this.#pool.release(op);
      throw error;
    }
    this.#left = this.#ops.length;
    if (this.#left === 0) this.#done(this);
    else this.#submitFrom(0);
  }

  #make(member: Member): void {
    const { request, manner, link, linkTimeoutMs } = member.asked;
    const isLast = member.index === this.#members.length - 1;
    const isGuarded = linkTimeoutMs !== Number.POSITIVE_INFINITY;
    const op = this.#allocate(member);
    describe(op, request);
    try {
      applyManner(op, manner);
      op.deadlineMs = this.#leftMs(member);
      if (this.#options.signal !== null) op.signal = this.#options.signal;
      const linkToNext = isLast ? LINK_NONE : link;
      op.link = isGuarded && linkToNext === LINK_NONE ? LINK_SOFT : linkToNext;
      if (!isGuarded) return;
      const guard = this.#allocate(member);
      guard.timer = { timeoutMs: linkTimeoutMs, link: true };
      guard.link = linkToNext;
    } catch (error) {
      (error as Error).message = `operations[${member.index}]: ${(error as Error).message}`;
      throw error;
    }
  }

  #allocate(member: Member): AioOp {
    const op = this.#pool.allocate();
    this.#ops.push(op);
    op.private = member;
    op.callback = settle;
    return op;
  }

  /** Submits chain by chain, each as soon as there is room for it, if it may wait. */
  #submitFrom(first: number): void {
    for (let start = first, end = first; start < this.#ops.length; start = end) {
      end = chainEnd(this.#ops, start);
      const chain = this.#ops.slice(start, end);
      const verdicts = chain.map(() => 0);
      for (const op of chain) this.#prepare(op, start);
      this.#pool.submitAll(chain, verdicts);
      if (verdicts[0] === EAGAIN && this.#options.wait) {
        this.#submitLater(chain, start, end);
        return;
      }
      if (verdicts[0] !== 0) this.#refuse(chain, verdicts);
    }
  }

  #prepare(op: AioOp, start: number): void {
    const member = op.private as Member;
    member.chainStart = ((this.#ops[start] as AioOp).private as Member).index;
    if (this.#hasWaited && op.timer === null) op.deadlineMs = this.#leftMs(member);
  }

  /** What is left of its deadline: nothing, if making what is before it has taken longer. */
  #leftMs({ dueMs }: Member): number {
    return Math.max(0, dueMs - this.#pool.timers.now());
  }

  #submitLater(chain: readonly AioOp[], start: number, end: number): void {
    const dueMs = Math.min(...chain.map((op) => (op.private as Member).dueMs));
    const wish = {
      signal: this.#options.signal,
      orderingKey: chain.find(({ orderingKey }) => orderingKey !== null)?.orderingKey ?? null,
      deadlineMs: Math.max(0, dueMs - this.#pool.timers.now()),
      lengthBytes: memoryBytesOf(chain, 0, chain.length),
      count: chain.length,
    };
    waitForRoom(this.#pool, wish, (error) => {
      this.#hasWaited = true;
      if (error !== 0) this.#refuse(chain, new Array<number>(chain.length).fill(error));
      this.#submitFrom(error === 0 ? start : end);
    });
  }

  /** Of a chain nothing was submitted. */
  #refuse(chain: readonly AioOp[], verdicts: readonly number[]): void {
    const { signal } = this.#options;
    const bad = chain[verdicts.findIndex((verdict) => verdict !== ECANCELED)];
    const because = bad === undefined ? null : `operations[${(bad.private as Member).index}] of its chain was refused`;
    for (const [place, op] of chain.entries()) {
      const member = op.private as Member;
      const verdict = verdicts[place] as number;
      const isBystander = verdict === ECANCELED && because !== null;
      if (verdict === ECANCELED && because === null) member.refuse(new AbortError(signal?.reason), false);
      else
        member.refuse(
          refusalOf(this.#pool, verdict, member.name, isBystander ? because : this.#reasonOf(verdict, chain)),
          isBystander,
        );
      this.#pool.release(op);
    }
    for (let count = chain.length; count > 0; count--) this.#ended();
  }

  /** What `refusalOf` does not know; null for what it does. */
  #reasonOf(verdict: number, chain: readonly AioOp[]): string | null {
    if (verdict !== EINVAL) return null;
    const { depth } = this.#pool;
    if (chain.length <= depth) return 'operations with its ordering key are under way in another pool';
    return `a chain of ${chain.length}, its link timeouts counted, is longer than the pool's depth, ${depth}`;
  }

  /** Because of which one a member did not run; null if that was not because of one. */
  #culpritOf({ index, chainStart }: Member): Member | null {
    for (let before = index - 1; before >= chainStart; before--) {
      const member = this.#members[before] as Member;
      if (!member.isVictim) return member.breakage === null ? null : member;
    }
    return null;
  }

  #ended(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#done(this);
  }
}

/** The callback of all operations here. */
function settle(op: AioOp): void {
  const member = op.private as Member;
  member.note(op);
  member.ended();
}
