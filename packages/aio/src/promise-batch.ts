import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
} from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import type { AioPriority } from './aio-op.js';
import { checkNames } from './check-names.js';
import { checkTime, invalidType, outOfRange } from './errors.js';
import { type AioLink, LINK_HARD, LINK_NONE, LINK_SOFT } from './link-kind.js';
import type { OperationTarget } from './operation-target.js';
import type { OrderingKey } from './ordering-key.js';
import type { BatchOutcome, MemberRequest } from './promise-member.js';
import { checkedRequest, REQUEST_OPTIONS, type RequestFields } from './promise-request.js';
import { BatchRun } from './promise-run.js';

export type { BatchOutcome } from './promise-member.js';

/** An operation of {@link batch} or {@link chain}. Its memory is checked when the call is made; the rest as that of the operations by themselves. */
export interface BatchOperation extends RequestFields {
  /** BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES, BLOCK_EXTENTS or BLOCK_COMPARE_AND_WRITE. */
  operation:
    | typeof BLOCK_READ
    | typeof BLOCK_WRITE
    | typeof BLOCK_FLUSH
    | typeof BLOCK_DISCARD
    | typeof BLOCK_WRITE_ZEROES
    | typeof BLOCK_EXTENTS
    | typeof BLOCK_COMPARE_AND_WRITE;
  /** @default PRIORITY_TIMELIMITED */
  priority?: AioPriority;
  /** BLOCK_FUA and its like. @default 0 */
  flags?: number;
  /** After how many milliseconds from the call it is cancelled, as far as it can be. @default that of the call */
  deadlineMs?: number;
  /** @default null */
  orderingKey?: OrderingKey | null;
  /** Whether it waits for all before it, and holds all after it. @default false */
  drain?: boolean;
  /** What ties it to the next one. @default LINK_NONE in a batch, LINK_SOFT in a chain */
  link?: AioLink;
  /**
   * After how many milliseconds from when its turn comes it is cancelled, as far as it can be, with ETIMEDOUT (IORING_OP_LINK_TIMEOUT). It takes a place of
   * its own in the pool's `depth`.
   * @default Infinity: it has no link timeout
   */
  linkTimeoutMs?: number;
}

/** How a batch or a chain is to be done. */
export interface BatchOptions {
  /** Cancels all that is not done: see `OperationOptions`. @default null */
  signal?: AbortSignal | null;
  /** After how many milliseconds from the call what is not done is cancelled, and nothing waits for room any more. @default Infinity */
  deadlineMs?: number;
  /**
   * Whether it waits for room in a pool that is full, in its order, instead of failing with EAGAIN. A chain waits for the room of all of it, and gives up
   * at the first deadline of its operations.
   * @default false
   */
  wait?: boolean;
}

/** What {@link chain} rejects with: the error of the operation that has failed, and what has become of all of them. */
export type ChainFailure = Error & {
  /** Which one it is the error of. */
  readonly index: number;
  /** By operation, as {@link batch} says it. */
  readonly results: readonly PromiseSettledResult<BatchOutcome>[];
};

/**
 * Submits operations in their order, in one hand-over: with io_uring in one system call. Those that are tied by their `link` are chains; it goes on
 * behind one that fails, or is refused.
 *
 * @returns when all have ended, what has become of each, as `Promise.allSettled` says it. The reasons are the errors that {@link read} rejects with; of an
 * operation that did not run because of one before it in its chain, ECANCELED, and the message says because of which
 * @throws (rejects, with nothing submitted) AbortError ABORT_ERR if the signal has been aborted before; TypeError ERR_INVALID_ARG_TYPE or
 * ERR_INVALID_ARG_VALUE and RangeError ERR_OUT_OF_RANGE for what is wrong with an operation or an option, with its index
 */
export async function batch(
  pool: OperationTarget,
  operations: readonly BatchOperation[],
  options: BatchOptions = {},
): Promise<PromiseSettledResult<BatchOutcome>[]> {
  const run = await runBatch(pool, 'a batch', operations, options, LINK_NONE);
  return run.outcome().results;
}

/**
 * Submits operations of which each starts when the one before it has completed, all or none of them: io_uring_linked_requests(7). Behind a soft link
 * none runs if the one before has failed or was short; behind a hard one the next one runs however. What a cancel ends, ends those behind it too.
 *
 * @returns when all have ended, and none has failed, what each has done. The last one may be short.
 * @throws (rejects, when all have ended) the error of the first operation that has failed by itself, which is a {@link ChainFailure}: also of one with a
 * hard link. If none has, but one was short: ECANCELED, of the one behind it. If the pool does not take the chain: EAGAIN if it is full, EBADF if it or
 * its device is closed, EINVAL for a chain that is longer than its `depth`, ETIMEDOUT if it was waited for. With nothing submitted as {@link batch}
 */
export async function chain(
  pool: OperationTarget,
  operations: readonly BatchOperation[],
  options: BatchOptions = {},
): Promise<BatchOutcome[]> {
  const { results, fault } = (await runBatch(pool, 'a chain', operations, options, LINK_SOFT)).outcome();
  if (fault < 0) return results.map((result) => (result as PromiseFulfilledResult<BatchOutcome>).value);
  const { reason } = results[fault] as PromiseRejectedResult;
  // Not to be seen where the error is printed.
  Object.defineProperty(reason, 'results', { value: results, enumerable: false });
  throw Object.assign(reason, { index: fault });
}

const BATCH_OPTIONS: readonly string[] = ['signal', 'deadlineMs', 'wait'];
const MEMBER_OPTIONS: readonly string[] = [
  ...REQUEST_OPTIONS,
  ...['priority', 'flags', 'deadlineMs', 'orderingKey', 'drain', 'link', 'linkTimeoutMs'],
];
const OPERATIONS: readonly unknown[] = [
  ...[BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD],
  ...[BLOCK_WRITE_ZEROES, BLOCK_EXTENTS, BLOCK_COMPARE_AND_WRITE],
];

function runBatch(
  pool: OperationTarget,
  name: string,
  operations: readonly BatchOperation[],
  options: BatchOptions,
  link: AioLink,
): Promise<BatchRun> {
  checkNames(name, options, BATCH_OPTIONS);
  if (!Array.isArray(operations)) throw invalidType('operations', 'an array of operations', operations);
  const { signal = null, deadlineMs = Number.POSITIVE_INFINITY, wait = false } = options;
  checkTime('deadlineMs', deadlineMs);
  const members = operations.map((member, index) => {
    try {
      return checkedMember(member, link);
    } catch (error) {
      // A sentence that does not say which of them it is about helps nobody.
      (error as Error).message = `operations[${index}]: ${(error as Error).message}`;
      throw error;
    }
  });
  if (signal?.aborted === true) throw new AbortError(signal.reason);
  return new Promise((resolve) => {
    new BatchRun(pool, members, { signal, deadlineMs, wait }, resolve).begin();
  });
}

function checkedMember(member: BatchOperation, linkDefault: AioLink): MemberRequest {
  checkNames('an operation', member, MEMBER_OPTIONS);
  const { operation, link = linkDefault, linkTimeoutMs = Number.POSITIVE_INFINITY } = member;
  if (!OPERATIONS.includes(operation))
    throw outOfRange('operation', 'BLOCK_READ, BLOCK_WRITE or another one that is done to data', operation);
  checkTime('linkTimeoutMs', linkTimeoutMs);
  const isLink = link === LINK_SOFT || link === LINK_HARD;
  if (linkDefault === LINK_SOFT && !isLink) throw outOfRange('link', 'LINK_SOFT or LINK_HARD, in a chain', link);
  return { request: checkedRequest(member), manner: member, link, linkTimeoutMs };
}
