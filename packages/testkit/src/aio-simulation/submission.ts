import { type AioLink, type AioOp, type AioOpHandle, type AioTimer, LINK_HARD, type OrderingKey } from '@biodone/aio';
import { BLOCK_DISCARD, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockOperation } from '@biodone/blockdev';
import { EIO, ENOSPC } from '@biodone/uring';
import type { SeededRandom } from '../random.js';

/** What the device does with a request, which is decided before it has it. */
export interface DevicePlan {
  /** Whether it completes inside `start`, when a step says so, after a time, or only when it is aborted. */
  readonly manner: 'inside' | 'step' | 'delay' | 'never';
  readonly delayMs: number;
  /** What it ends with: 0 or an errno, and how many bytes are moved. */
  readonly error: number;
  readonly bytes: number;
  /** Whether it can be aborted: not at all, at once, or so that its completion comes later. */
  readonly abort: 'refused' | 'now' | 'later';
  /** How often the device has no room for it first. */
  again: number;
}

/** Where an operation is in a chain. */
export interface ChainPlace {
  /** All members, in order, link timeouts too. */
  readonly members: Submission[];
  /** The one whose end it waits for; of a link timeout, the one that it covers. Null for the first. */
  readonly previous: Submission | null;
  /** What ties it to the next one. */
  readonly link: AioLink;
  /** The link timeout that covers it. */
  guard: Submission | null;
}

/** What the simulation knows of one use of an operation. */
export interface Submission {
  /** The order of submission, in all pools. */
  readonly name: number;
  readonly op: AioOp;
  readonly id: number;
  readonly submittedAtMs: number;
  /** Which of the pools and classes. */
  readonly pool: number;
  /** What makes it a timeout, and when it ends at the earliest. */
  readonly timer: AioTimer | null;
  readonly dueAtMs: number;
  /** Of one of several shots: how many have been told, and until when the next one must have been, if nobody sleeps. */
  shotsTold: number;
  nextShotAtMs: number;
  /** How many operations of its pool or class had completed when it was submitted. */
  readonly completedBefore: number;
  /** If it is a member of a chain. */
  readonly chain: ChainPlace | null;
  readonly operation: number;
  /** How many bytes of memory it moves. */
  readonly memoryBytes: number;
  readonly lengthBytes: number;
  readonly endsAt: number;
  readonly key: OrderingKey | null;
  readonly drain: boolean;
  readonly synchronous: boolean;
  readonly deadlineAtMs: number;
  readonly controller: AbortController | null;
  readonly plan: DevicePlan;
  /** What its callback decides by. */
  readonly dice: number;
  /** Somebody waits for it as another thread would. */
  readonly handle: AioOpHandle | null;
  /** What a flush covers: what was under way when it was submitted. */
  readonly covers: readonly Submission[];
  /** What the flushes before it cover, that may fail it too. */
  readonly coveredBefore: ReadonlySet<Submission>;
  /** Whether it may end before it has its place in the order: a drain may hold it, or its signal has been aborted before. */
  readonly mayBeOutside: boolean;
  /** The error of a flush that had failed before it was submitted. */
  readonly poison: number;
  /** It was not taken: nothing came of it. */
  refused: boolean;
  /** Somebody has asked for its end. */
  asked: boolean;
  /** And was told that it ends so. */
  cancelled: boolean;
  /** How often the device was given it. */
  starts: number;
  /** Why it must not reach the device any more. */
  mustNotStart: string | null;
  /** What the device has ended it with; -1 as long as it has not. */
  deviceError: number;
  deviceBytes: number;
  /** When that was; -1 as long as it has not. */
  deviceEndedAtMs: number;
  /** Its chain has ended before its turn: it must end so too. */
  broken: boolean;
  /** What was told; -1 as long as nothing was. */
  error: number;
  bytes: number;
}

/** How often the time of a timeout comes. */
export function shotsOf(timer: AioTimer | null): number {
  return timer?.shots ?? 1;
}

/** Whether this is a timeout that covers the one before it. */
export function covers({ timer }: Submission): boolean {
  return timer?.link === true;
}

/** What comes of an operation's end for those behind it in its chain, as far as it is known from outside. */
export function breaks(one: Submission, error: number, bytes: number): 'yes' | 'no' | 'perhaps' {
  const { chain, timer, operation, lengthBytes, cancelled, asked, broken } = one;
  if (broken || cancelled) return 'yes';
  const isShort = timer === null && operation < BLOCK_FLUSH && bytes < lengthBytes;
  if (chain?.link !== LINK_HARD && (error > 0 || isShort)) return 'yes';
  // Somebody has asked for its end, perhaps when it was over.
  return asked ? 'perhaps' : 'no';
}

/** What operations do: reads and writes more often than the others. */
const OPERATIONS: readonly BlockOperation[] = [
  BLOCK_READ,
  BLOCK_READ,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE,
  BLOCK_WRITE,
  BLOCK_FLUSH,
  BLOCK_DISCARD,
];

export function drawOperation(random: SeededRandom): BlockOperation {
  return random.pick(OPERATIONS);
}

export function drawPlan(random: SeededRandom, operation: number, lengthBytes: number): DevicePlan {
  const dice = random.below(20);
  const manner = dice < 4 ? 'inside' : dice < 14 ? 'step' : dice < 18 ? 'delay' : 'never';
  const fails = random.below(operation === BLOCK_FLUSH ? 40 : 10) === 0;
  const isShort = !fails && operation < BLOCK_FLUSH && random.below(12) === 0;
  return {
    manner,
    delayMs: random.below(30),
    error: fails ? random.pick([EIO, ENOSPC]) : 0,
    bytes: fails || operation === BLOCK_FLUSH ? 0 : isShort ? random.below(lengthBytes) : lengthBytes,
    abort: manner === 'never' ? random.pick(['now', 'later']) : random.pick(['refused', 'refused', 'now', 'later']),
    again: random.below(12) === 0 ? 1 + random.below(3) : 0,
  };
}

/** Of some operations, what makes them timeouts. @param covers whether it is to cover the operation before it in its chain */
export function drawTimer(random: SeededRandom, nowMs: number, covers: boolean): AioTimer | null {
  if (!covers && random.below(12) > 0) return null;
  const absolute = random.below(4) === 0;
  const timeoutMs = random.below(30) + (absolute ? nowMs : 0);
  if (covers) return { timeoutMs, absolute, link: true };
  if (!absolute && random.below(3) === 0)
    return { timeoutMs: 1 + random.below(random.pick([2, 30])), shots: random.pick([2, 3, 5, Number.POSITIVE_INFINITY]) };
  const count = random.below(3) === 0 ? 1 + random.below(6) : 0;
  return random.below(12) === 0 ? { timeoutMs: Number.POSITIVE_INFINITY, count } : { timeoutMs, absolute, count };
}
