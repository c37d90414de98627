import { valueOfBin } from '../results/fio-bins.js';
import type { HistogramData } from '../results/latency-histogram.js';

/** Upper limits of fio's ranges of latencies, in the unit of each; the last range of milliseconds has none. */
export const NANOSECONDS: readonly number[] = [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000];
export const MILLISECONDS: readonly number[] = [...NANOSECONDS, 2000];

/** Percentages of all I/Os whose latencies lie in each range: above the limit before, below its own. */
export interface LatencyShares {
  readonly ns: readonly number[];
  readonly us: readonly number[];
  /** One more than there are limits: the last is for all above. */
  readonly ms: readonly number[];
}

/** Sorts latencies into fio's ranges, each bin as a whole. */
export function latencySharesOf(histograms: readonly HistogramData[]): LatencyShares {
  const limits = [
    ...NANOSECONDS,
    ...NANOSECONDS.map((limit) => limit * 1e3),
    ...MILLISECONDS.map((limit) => limit * 1e6),
    Number.POSITIVE_INFINITY,
  ];
  const counts = limits.map(() => 0);
  let total = 0;
  for (const [bin, count] of histograms.flatMap(({ bins }) => bins)) {
    const value = valueOfBin(bin);
    const range = limits.findIndex((limit) => value < limit);
    counts[range] = (counts[range] as number) + count;
    total += count;
  }
  const shares = counts.map((count) => (total === 0 ? 0 : (100 * count) / total));
  const { length } = NANOSECONDS;
  return { ns: shares.slice(0, length), us: shares.slice(length, 2 * length), ms: shares.slice(2 * length) };
}
