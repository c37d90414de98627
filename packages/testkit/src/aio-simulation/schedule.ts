import { SeededRandom } from '../random.js';

/** What can happen in a step, and how often it does, as a share of all. */
const WEIGHTS = {
  /** An operation is submitted. */
  submit: 60,
  /** Several are, one right after the other. */
  burst: 8,
  /** A batch is: chains, and operations by themselves. */
  batch: 12,
  /** One is run by the calling thread, while others are under way. */
  submitSync: 6,
  /** The device completes a request. */
  complete: 36,
  /** What is scheduled runs: microtasks, and a turn of the event loop if need be. */
  settle: 40,
  /** Time passes. */
  advance: 16,
  /** The thread is busy with something else for a time, and polls then: all that is due comes at once. */
  late: 6,
  cancel: 12,
  /** An operation is cancelled by an id that was good for an earlier use. */
  cancelStale: 4,
  cancelAll: 1,
  cancelSync: 2,
  abort: 6,
  poll: 6,
  wait: 4,
  reap: 8,
  /** What a callback has kept is submitted again, or released. */
  reuse: 6,
  available: 6,
  discipline: 4,
  /** The limits of a pool, or of all of a class, change. */
  configure: 4,
  resize: 1,
  close: 1,
  closeSync: 1,
  remove: 0.4,
} as const;

/** What happens in a step of an {@link AioSchedule}. */
export type AioStepKind = keyof typeof WEIGHTS;

/** A step. All that it decides, it decides by its own dice, so that it does much the same if others before it are left out. */
export interface AioStep {
  readonly kind: AioStepKind;
  readonly dice: number;
}

/** One course of events: pools on a device, and what happens to them. Plain data: the same schedule gives the same course again. */
export interface AioSchedule {
  /** What it was made of. */
  readonly seed: number;
  readonly steps: readonly AioStep[];
}

const KINDS: readonly AioStepKind[] = Object.entries(WEIGHTS).flatMap(([kind, weight]) =>
  new Array<AioStepKind>(weight * 5).fill(kind as AioStepKind),
);

/** Makes the schedule of a seed. */
export function aioSchedule(seed: number): AioSchedule {
  const random = new SeededRandom(seed);
  const length = 20 + random.below(60);
  const steps = Array.from({ length }, () => ({ kind: random.pick(KINDS), dice: random.below(2 ** 32) }));
  return { seed: random.seed, steps };
}
