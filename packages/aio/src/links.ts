import { type AbortVerdict, BLOCK_READ, BLOCK_WRITE } from '@biodone/blockdev';
import { type AioOp, IS_LINKED, IS_MEMBER, IS_SEVERED, IS_TIMER } from './aio-op.js';
import { LINK_HARD, LINK_NONE } from './link-kind.js';

/** What a chain asks of the pool that its members are submitted to. */
export interface ChainPool {
  /** An operation whose place in the order of its file has come before the end of the member before it: that one has ended now. */
  proceed(op: AioOp): void;
  /** Asks for the end of a member that is not done. */
  end(op: AioOp): AbortVerdict;
}

/**
 * Chains of operations: io_uring_linked_requests(7).
 *
 * Members take their places in the order of their file when they are submitted, as all operations do: a flush behind the chain covers them, and a
 * key gives them its turn in this order. A link is one more thing to wait for. So everything waits for what was submitted before it only, and
 * nothing can wait in a circle.
 */

/** Where the chain ends that begins at `start`: the place behind its last member. */
export function chainEnd(ops: readonly AioOp[], start: number): number {
  let end = start;
  // A link timeout belongs to the operation before it, and what follows it hangs on that one.
  while (end < ops.length && (ops[end]?.link ?? LINK_NONE) !== LINK_NONE) end += 1;
  return Math.min(end + 1, ops.length);
}

/** Whether this is a timeout that covers the operation before it. */
export function isGuard(op: AioOp): boolean {
  return (op.features & IS_TIMER) !== 0 && op.rare.timer?.link === true;
}

/** Makes a chain of operations, of which the first waits for none. They are marked as its members already. */
export function forge(ops: readonly AioOp[], start: number, end: number): void {
  let previous: AioOp | null = null;
  for (let index = start; index < end; index++) {
    const op = ops[index] as AioOp;
    const { rare } = op;
    if (previous !== null) op.features |= IS_LINKED;
    if (previous !== null && isGuard(op)) {
      rare.guard = previous;
      previous.rare.guard = op;
      continue;
    }
    rare.linkPrevious = previous;
    if (previous !== null) previous.rare.linkNext = op;
    previous = op;
  }
}

/** A member is done, and its error is final: its link timeout ends, and the next one starts, or ends too. */
export function leaveChain(op: AioOp, pool: ChainPool): void {
  const { rare, features } = op;
  const { guard, linkNext: next, linkPrevious: previous } = rare;
  op.features = features & ~(IS_MEMBER | IS_LINKED | IS_SEVERED);
  rare.guard = null;
  rare.linkNext = null;
  rare.linkPrevious = null;
  if (guard !== null) {
    guard.rare.guard = null;
    if (!isGuard(op)) pool.end(guard);
  }
  const breaks = isBroken(op, features);
  if (previous !== null) {
    // It has ended without waiting for its turn. What is behind it still waits for what is before it.
    previous.rare.linkNext = breaks ? null : next;
  }
  if (next === null) return;
  next.rare.linkPrevious = breaks ? null : previous;
  if (breaks) {
    // The others follow one by one, each when the one before has told its end.
    next.features |= IS_SEVERED;
    pool.end(next);
  } else if (previous === null) {
    release(next, pool);
  }
}

/** Nothing is before it in its chain any more. Its time, if it is limited by a link timeout, begins. */
export function release(op: AioOp, pool: Pick<ChainPool, 'proceed'>): void {
  const { guard } = op.rare;
  op.features &= ~IS_LINKED;
  pool.proceed(op);
  if (guard === null) return;
  guard.features &= ~IS_LINKED;
  pool.proceed(guard);
}

/** Whether what is behind an operation that is done must not run. */
function isBroken(op: AioOp, features: number): boolean {
  if ((features & IS_SEVERED) !== 0) return true;
  return op.link !== LINK_HARD && (op.error !== 0 || isShort(op));
}

/** Of what moves bytes, whether it has moved fewer than it was asked to. */
function isShort({ operation, features, transferredBytes, lengthBytes }: AioOp): boolean {
  if ((features & IS_TIMER) !== 0 || (operation !== BLOCK_READ && operation !== BLOCK_WRITE)) return false;
  return transferredBytes < lengthBytes;
}
