import { LatencyHistogram } from '../results/latency-histogram.js';
import type { MachineRecord } from '../results/run-result.js';
import type { Sample } from '../results/sample-series.js';
import { type Spread, spreadOf } from '../stats/spread.js';
import type { Observation } from './observation.js';

/** One side of a comparison: an engine, a device, or what was saved. Plain data. */
export interface Side {
  readonly label: string;
  /** Why there is nothing, or null. */
  readonly unavailable: string | null;
  readonly repeats: readonly Observation[];
  /** What the program itself adds to a latency; null where that is not known, as of fio. */
  readonly harnessNs: number | null;
}

/** Sides that did the same work. */
export interface Section {
  /** The workload. */
  readonly title: string;
  /** The first one that is available is what the others are compared with. */
  readonly sides: readonly Side[];
}

/** What `compare` has found. Plain data, and what its JSON holds. */
export interface Comparison {
  /** By which its JSON is recognized. */
  readonly comparison: 1;
  readonly sections: readonly Section[];
  /** Null where results that were saved elsewhere are compared. */
  readonly machine: MachineRecord | null;
  readonly notes: readonly string[];
}

/** What can be said of a side beside the reference. */
type Verdict = 'reference' | 'faster' | 'slower' | 'no difference' | 'too few repeats' | 'not available';

/** A line of the comparison. */
export interface ComparedSide {
  readonly label: string;
  readonly unavailable: string | null;
  readonly verdict: Verdict;
  readonly iops: Spread | null;
  readonly bytesPerSecond: number | null;
  /** IOPS over those of the reference: of the medians. */
  readonly relative: number | null;
  /** Over all repeats. */
  readonly p50Ns: number | null;
  readonly p99Ns: number | null;
  readonly cpuMicrosPerIo: number | null;
  /** Of all repeats together, null where a source has no bins. */
  readonly latencies: LatencyHistogram | null;
  readonly harnessNs: number | null;
  /** IOPS over time, of the last repeat; empty where the source has none. */
  readonly samples: readonly Sample[];
}

/**
 * Compares each side's IOPS with those of the first one that is available. Where the ranges of their repeats overlap there is no difference: it
 * may be chance. A range of one repeat says nothing of chance, so two repeats of each side are the least that a verdict takes.
 */
export function compareSides(sides: readonly Side[]): ComparedSide[] {
  const reference = sides.find(({ repeats }) => repeats.length > 0);
  const expected = reference === undefined ? null : spreadOf(reference.repeats.map(({ iops }) => iops));
  return sides.map((side) => {
    const { label, unavailable, repeats, harnessNs } = side;
    const iops = spreadOf(repeats.map((repeat) => repeat.iops));
    const latencies = mergedLatencies(repeats);
    return {
      label,
      unavailable,
      verdict:
        side === reference ? 'reference' : verdictOf(iops, expected, Math.min(repeats.length, reference?.repeats.length ?? 0)),
      iops,
      bytesPerSecond: medianOf(repeats.map((repeat) => repeat.bytesPerSecond)),
      relative: iops === null || expected === null || expected.median === 0 ? null : iops.median / expected.median,
      p50Ns: latencies?.percentile(0.5) ?? medianOf(repeats.map((repeat) => repeat.p50Ns)),
      p99Ns: latencies?.percentile(0.99) ?? medianOf(repeats.map((repeat) => repeat.p99Ns)),
      cpuMicrosPerIo: medianOf(repeats.map((repeat) => repeat.cpuMicrosPerIo)),
      latencies,
      harnessNs,
      samples: repeats.at(-1)?.samples ?? [],
    };
  });
}

/** Whether the ranges of two spreads have a value in common. */
export function overlaps(one: Spread, other: Spread): boolean {
  return one.min <= other.max && other.min <= one.max;
}

function verdictOf(iops: Spread | null, expected: Spread | null, repeats: number): Verdict {
  if (iops === null || expected === null) return 'not available';
  if (repeats < 2) return 'too few repeats';
  if (overlaps(iops, expected)) return 'no difference';
  return iops.median > expected.median ? 'faster' : 'slower';
}

function mergedLatencies(repeats: readonly Observation[]): LatencyHistogram | null {
  const merged = new LatencyHistogram();
  for (const { latencies } of repeats) {
    if (latencies === null) return null;
    merged.add(LatencyHistogram.from(latencies));
  }
  return repeats.length === 0 ? null : merged;
}

function medianOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length < values.length ? null : (spreadOf(known)?.median ?? null);
}
