import { BIN_COUNT, binOf, valueOfBin } from '../results/fio-bins.js';
import { DIRECTIONS } from '../results/job-recorder.js';
import { type HistogramData, LatencyHistogram } from '../results/latency-histogram.js';
import type { Sample } from '../results/sample-series.js';

/** What one repeat has shown. Plain data. */
export interface Observation {
  readonly iops: number;
  readonly bytesPerSecond: number;
  /** Of total latencies; null where the source has none. */
  readonly p50Ns: number | null;
  readonly p99Ns: number | null;
  /** Of the whole process and its threads; null where only fio's figure of its job thread is known. */
  readonly cpuMicrosPerIo: number | null;
  /** Total latencies, null where the source has no bins. */
  readonly latencies: HistogramData | null;
  /** IOPS over time, empty where the source has none. */
  readonly samples: readonly Sample[];
}

/** A job in fio's JSON, as far as it is read; all of it can be missing. */
export interface FioJob {
  readonly jobname?: unknown;
  readonly groupid?: unknown;
  readonly error?: unknown;
  readonly [key: string]: unknown;
}

interface FioDirection {
  readonly iops: number;
  readonly bw_bytes?: number;
  readonly bw?: number;
  readonly total_ios: number;
  readonly lat_ns?: FioLatency;
}

interface FioLatency {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly N: number;
  readonly bins?: Readonly<Record<string, number>>;
  readonly percentile?: Readonly<Record<string, number>>;
}

/**
 * What jobs that ran beside each other have shown together, from their JSON in fio's schema: their rates are added up, and their latencies counted
 * together where they have bins.
 *
 * @throws TypeError where it is no such JSON
 */
export function observe(jobs: readonly FioJob[]): Observation {
  const directions = jobs.flatMap((job) => DIRECTIONS.map((name) => directionOf(job, name))).filter((found) => found !== null);
  const latencies = mergedLatencies(directions);
  const histogram = latencies === null ? null : LatencyHistogram.from(latencies);
  return {
    iops: sum(directions.map(({ iops }) => iops)),
    bytesPerSecond: sum(directions.map(({ bw_bytes, bw }) => bw_bytes ?? (bw ?? 0) * 1024)),
    p50Ns: histogram?.percentile(0.5) ?? percentileOf(directions, '50.000000'),
    p99Ns: histogram?.percentile(0.99) ?? percentileOf(directions, '99.000000'),
    cpuMicrosPerIo: cpuOf(jobs),
    latencies,
    samples: samplesOf(jobs),
  };
}

function directionOf(job: FioJob, name: string): FioDirection | null {
  const found = job[name] as FioDirection | undefined;
  if (found === undefined || found === null) return null;
  if (typeof found.iops !== 'number' || typeof found.total_ios !== 'number') throw new TypeError(`'${name}' has no iops`);
  return found.total_ios > 0 ? found : null;
}

/** fio's bins are written as the values that stand for them, and those belong to the bins that they stand for. */
function mergedLatencies(directions: readonly FioDirection[]): HistogramData | null {
  const merged = new LatencyHistogram();
  let hasAll = directions.length > 0;
  for (const { lat_ns: latency } of directions) {
    if (latency?.bins === undefined) {
      hasAll = false;
      continue;
    }
    const bins = new Float64Array(BIN_COUNT);
    let squares = 0;
    for (const [value, count] of Object.entries(latency.bins)) {
      const bin = binOf(Number(value));
      bins[bin] = (bins[bin] as number) + count;
      squares += valueOfBin(bin) ** 2 * count;
    }
    const used = [...bins.entries()].filter(([, count]) => count > 0);
    const { min, max, mean, N } = latency;
    merged.add(LatencyHistogram.from({ minNs: min, maxNs: max, sumNs: mean * N, sumOfSquares: squares, bins: used }));
  }
  return hasAll ? merged.toData() : null;
}

/** Percentiles of several histograms cannot be put together from theirs. */
function percentileOf(directions: readonly FioDirection[], key: string): number | null {
  return directions.length === 1 ? (directions[0]?.lat_ns?.percentile?.[key] ?? null) : null;
}

function cpuOf(jobs: readonly FioJob[]): number | null {
  const own = jobs.map(({ biodone }) => (biodone as { cpuMicrosPerIo?: unknown } | undefined)?.cpuMicrosPerIo);
  const [first] = own;
  return own.length === 1 && typeof first === 'number' ? first : null;
}

function samplesOf(jobs: readonly FioJob[]): readonly Sample[] {
  const [job] = jobs;
  const samples = (job?.['biodone'] as { samples?: Record<string, Sample[]> } | undefined)?.samples;
  if (jobs.length !== 1 || samples === undefined) return [];
  const [first = [], ...others] = DIRECTIONS.map((direction) => samples[direction] ?? []);
  return first.map((sample, index) => {
    const beside = others.map((other) => other[index]);
    return {
      ...sample,
      ios: sample.ios + sum(beside.map((other) => other?.ios ?? 0)),
      bytes: sample.bytes + sum(beside.map((other) => other?.bytes ?? 0)),
    };
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
