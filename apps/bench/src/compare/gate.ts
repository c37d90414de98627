import { type Spread, spreadOf } from '../stats/spread.js';
import { overlaps } from './comparison.js';
import type { SavedResults } from './saved-results.js';

/** What divisions lose: 95 of 100 is a loss of 5 % and no more. */
const ROUNDING = 1e-9;

/** What became of a job from the old results to the new ones. */
export interface GateLine {
  readonly name: string;
  readonly old: Spread | null;
  readonly new: Spread | null;
  /** How much less IOPS, from 0 to 1; below 0 for more, null where one side is missing. */
  readonly loss: number | null;
  readonly verdict: 'ok' | 'within the spread' | 'regressed' | 'missing' | 'new';
}

/**
 * Holds new results against old ones. A job has regressed when its IOPS are less by more than allowed and, where both sides have repeats, the
 * ranges of these do not overlap: what chance can do fails no build. A job that is not there any more has not passed either.
 *
 * @param maxRegress from 0 to 1
 */
export function gate(oldResults: SavedResults, newResults: SavedResults, maxRegress: number): GateLine[] {
  const names = new Set([...oldResults.keys(), ...newResults.keys()]);
  return [...names].map((name) => {
    const before = spreadOf((oldResults.get(name) ?? []).map(({ iops }) => iops));
    const after = spreadOf((newResults.get(name) ?? []).map(({ iops }) => iops));
    if (before === null || after === null) {
      return { name, old: before, new: after, loss: null, verdict: before === null ? 'new' : 'missing' };
    }
    const loss = before.median === 0 ? 0 : 1 - after.median / before.median;
    return { name, old: before, new: after, loss, verdict: verdictOf(loss, maxRegress, before, after) };
  });
}

/** Whether a build may go on. */
export function passes(lines: readonly GateLine[]): boolean {
  return lines.every(({ verdict }) => verdict !== 'regressed' && verdict !== 'missing');
}

function verdictOf(loss: number, maxRegress: number, before: Spread, after: Spread): GateLine['verdict'] {
  if (loss <= maxRegress + ROUNDING) return 'ok';
  return overlaps(before, after) ? 'within the spread' : 'regressed';
}
