import { EALREADY, ECANCELED, EINVAL } from '@biodone/uring';
import { AioOp, IS_MEMBER } from './aio-op.js';
import { outOfRange } from './errors.js';
import { chainEnd, forge, isGuard, release } from './links.js';

/** Where the verdicts of a batch go: an Int32Array as long as the batch, or an array. */
export interface Verdicts {
  readonly length: number;
  [index: number]: number;
}

/** What a batch asks of the pool or the class that it is submitted to. */
export interface BatchTarget {
  /** Submits one operation. Returns 0, or why nothing was done. */
  submit(op: AioOp): number;
  /** What is wrong with how the caller uses an operation: 0, EALREADY or EINVAL. */
  misuse(op: AioOp): number;
  /** Whether its ordering key keeps an operation away from here: EINVAL, or 0. */
  keyFault(op: AioOp): number;
  /**
   * The pool that can have so many operations now, all together; otherwise EAGAIN, EBADF, or EINVAL if none ever could. A refusal for lack of room is
   * counted.
   */
  takerOf(ops: readonly AioOp[], start: number, end: number): ChainTaker | number;
}

/** What a chain asks of the pool that has room for it. */
export interface ChainTaker {
  /** Takes an operation in, which nothing speaks against. */
  accept(op: AioOp): void;
  proceed(op: AioOp): void;
  reconsider(): void;
}

/** Submits operations in their order, chain by chain, and goes on behind what is refused. Returns how many were taken. */
export function submitBatch(ops: readonly AioOp[], verdicts: Verdicts | null, target: BatchTarget): number {
  if (verdicts instanceof Int32Array && verdicts.length < ops.length)
    throw outOfRange('verdicts.length', `>= ${ops.length}, the number of operations`, verdicts.length);
  let taken = 0;
  for (let start = 0, end = 0; start < ops.length; start = end) {
    end = chainEnd(ops, start);
    if (end - start > 1) {
      taken += submitChain(ops, start, end, verdicts, target);
      continue;
    }
    const op = ops[start] as AioOp;
    const refused = faultOf(op, null, target) || target.submit(op);
    if (refused === 0) taken += 1;
    if (verdicts !== null) verdicts[start] = refused;
  }
  return taken;
}

/** Submits a chain, all of it or nothing. Returns how many operations were taken. */
function submitChain(ops: readonly AioOp[], start: number, end: number, verdicts: Verdicts | null, target: BatchTarget): number {
  let fault = 0;
  let at = start;
  for (; at < end; at++) {
    const op = ops[at] as AioOp;
    fault = memberFault(op, at === start ? null : (ops[at - 1] as AioOp), target);
    if (fault !== 0) break;
    op.features |= IS_MEMBER;
  }
  const taker = fault !== 0 ? ECANCELED : target.takerOf(ops, start, end);
  const refused = typeof taker === 'number' ? taker : 0;
  if (verdicts !== null) for (let index = start; index < end; index++) verdicts[index] = index === at ? fault : refused;
  if (typeof taker === 'number') {
    for (let index = start; index < at; index++) (ops[index] as AioOp).features &= ~IS_MEMBER;
    return 0;
  }
  forge(ops, start, end);
  for (let index = start; index < end; index++) taker.accept(ops[index] as AioOp);
  release(ops[start] as AioOp, taker);
  taker.reconsider();
  return end - start;
}

/** What keeps an operation from being a member of a chain, behind `previous`. */
function memberFault(op: AioOp, previous: AioOp | null, target: BatchTarget): number {
  const fault = faultOf(op, previous, target);
  if (fault !== 0) return fault;
  if ((op.features & IS_MEMBER) !== 0) return EALREADY;
  // Nobody would run it: its turn comes in the completion of another one.
  return op.callback === null ? EINVAL : 0;
}

function faultOf(op: AioOp, previous: AioOp | null, target: BatchTarget): number {
  if (!(op instanceof AioOp)) return EINVAL;
  if (isGuard(op) && (previous === null || isGuard(previous))) return EINVAL;
  return target.misuse(op) || target.keyFault(op);
}
