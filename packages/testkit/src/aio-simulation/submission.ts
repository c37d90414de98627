import type { AioOp, AioOpHandle, OrderingKey } from '@biodone/aio';
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

/** What the simulation knows of one use of an operation. */
export interface Submission {
  /** The order of submission, in all pools. */
  readonly name: number;
  readonly op: AioOp;
  readonly id: number;
  /** Which of the pools. */
  readonly pool: number;
  readonly operation: number;
  /** How many bytes of memory it moves. */
  readonly memoryBytes: number;
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
  /** What was told; -1 as long as nothing was. */
  error: number;
  bytes: number;
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
