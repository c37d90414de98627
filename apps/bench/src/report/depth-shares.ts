import type { CountData } from '../results/count-distribution.js';

/** fio's ranges of depths by their lower limits: `2` is 2 and 3, `>=64` the rest. */
const LEVELS: readonly (readonly [name: string, least: number])[] = [
  ['1', 0],
  ['2', 2],
  ['4', 4],
  ['8', 8],
  ['16', 16],
  ['32', 32],
  ['>=64', 64],
];

/** fio's ranges of batches by their upper limits: `8` is 5 to 8. */
const BATCHES: readonly (readonly [name: string, most: number])[] = [
  ['0', 0],
  ['4', 4],
  ['8', 8],
  ['16', 16],
  ['32', 32],
  ['64', 64],
  ['>=64', Number.POSITIVE_INFINITY],
];

/** How deep the queue was, in percent of the submissions. */
export function depthSharesOf(depth: CountData): Record<string, number> {
  return sharesOf(depth, LEVELS, (value) => LEVELS.filter(([, least]) => value >= least).length - 1);
}

/** How many were submitted, or completed, at a time, in percent of the times. */
export function batchSharesOf(batches: CountData): Record<string, number> {
  return sharesOf(batches, BATCHES, (value) => BATCHES.findIndex(([, most]) => value <= most));
}

function sharesOf(
  data: CountData,
  ranges: readonly (readonly [string, number])[],
  rangeOf: (value: number) => number,
): Record<string, number> {
  const counts = ranges.map(() => 0);
  let total = 0;
  for (const [value, times] of data) {
    const range = rangeOf(value);
    counts[range] = (counts[range] as number) + times;
    total += times;
  }
  return Object.fromEntries(ranges.map(([name], range) => [name, total === 0 ? 0 : (100 * (counts[range] as number)) / total]));
}
