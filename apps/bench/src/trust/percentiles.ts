import type { LatencyHistogram } from '../results/latency-histogram.js';

/** Those that fio gives when none are asked for, in percent. */
export const DEFAULT_PERCENTILES: readonly number[] = [
  1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99,
];

/** So many latencies must lie beyond a percentile, on the nearer side, or it is an accident. */
const SAMPLES_BEYOND_MIN = 10;
/** Below so many times its own cost a program measures mostly itself. */
const HARNESS_FACTOR = 10;

/** Why a percentile is not to be believed, or null. */
type Doubt = 'few-samples' | 'harness' | null;

export interface Percentile {
  readonly percent: number;
  readonly valueNs: number;
  readonly doubt: Doubt;
}

/**
 * Percentiles of a histogram, each with what speaks against it.
 *
 * @param harnessNs what one I/O costs in which nothing is done, null if that was not measured
 * @returns none of an empty histogram
 */
export function percentilesOf(
  histogram: LatencyHistogram,
  harnessNs: number | null,
  percents: readonly number[] = DEFAULT_PERCENTILES,
): Percentile[] {
  const { count } = histogram;
  if (count === 0) return [];
  return percents.map((percent) => {
    const valueNs = histogram.percentile(percent / 100) ?? 0;
    return { percent, valueNs, doubt: doubtOf(percent, valueNs, count, harnessNs) };
  });
}

function doubtOf(percent: number, valueNs: number, count: number, harnessNs: number | null): Doubt {
  // The median takes 20 latencies, p99.9 takes 10,000, p99.99 takes 100,000.
  const beyond = (count * Math.min(percent, 100 - percent)) / 100;
  if (beyond < SAMPLES_BEYOND_MIN - 1e-6) return 'few-samples';
  return harnessNs !== null && valueNs < harnessNs * HARNESS_FACTOR ? 'harness' : null;
}
