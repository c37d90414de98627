import { BIN_COUNT, lowestOfBin } from '../../results/fio-bins.js';
import type { HistogramData } from '../../results/latency-histogram.js';
import { LatencyHistogram } from '../../results/latency-histogram.js';
import type { Sample } from '../../results/sample-series.js';
import { iopsOfSample } from '../rates.js';
import type { ChartSeries, LineChart } from './page-data.js';

/** What is plotted of a job's direction, or of an engine. */
export interface PlottedSeries {
  readonly label: string;
  readonly latencies: HistogramData;
  readonly samples: readonly Sample[];
}

/** fio's bins are drawn in groups of so many: eight for each power of two, or the curve would be all noise. */
const BINS_PER_POINT = 8;
/** Of the percentiles' curve, for each factor of ten. */
const POINTS_PER_NINE = 40;
const SAMPLES_BEYOND_MIN = 10;

/** How many I/Os had which latency: shares of all, for equal steps of the logarithm. */
export function latencyChart(series: readonly PlottedSeries[]): LineChart {
  const counts = series.map(({ latencies }) => countsByPoint(latencies));
  const used = counts.flatMap((points) => points.flatMap((count, point) => (count > 0 ? [point] : [])));
  const first = Math.max(0, Math.min(...used) - 1);
  const last = Math.min(BIN_COUNT / BINS_PER_POINT - 1, Math.max(...used) + 1);
  const points = used.length === 0 ? [] : Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return {
    id: 'latency',
    x: 'latency',
    y: 'share',
    xs: points.map(middleOfPoint),
    series: series.map(({ label }, index) => ({ label, ys: densities(counts[index] ?? [], points) })),
  };
}

/** The latency that a share of the I/Os does not exceed, drawn so that each further nine takes the same room. */
export function percentileChart(series: readonly PlottedSeries[]): LineChart {
  const histograms = series.map(({ latencies }) => LatencyHistogram.from(latencies));
  const counts = histograms.map(({ count }) => count);
  const deepest = Math.max(0, ...counts.map((count) => Math.log10(Math.max(1, count / SAMPLES_BEYOND_MIN))));
  const xs = Array.from({ length: Math.floor(deepest * POINTS_PER_NINE) + 1 }, (_, index) => index / POINTS_PER_NINE);
  const ys = (histogram: LatencyHistogram, count: number): (number | null)[] =>
    xs.map((nines) => {
      const beyond = 10 ** -nines;
      return count * beyond < SAMPLES_BEYOND_MIN - 1e-6 ? null : histogram.percentile(Math.max(1e-9, 1 - beyond));
    });
  return {
    id: 'percentiles',
    x: 'nines',
    y: 'latency',
    xs,
    series: histograms.map((histogram, index) => ({
      label: series[index]?.label ?? '',
      ys: ys(histogram, counts[index] ?? 0),
    })),
  };
}

/** IOPS over time. Series that were sampled at different times share the axis. */
export function timeChart(series: readonly PlottedSeries[]): LineChart {
  const ends = new Set(series.flatMap(({ samples }) => samples.map(({ endMs }) => endMs)));
  const times = [...ends].sort((a, b) => a - b);
  const seriesOf = ({ label, samples }: PlottedSeries): ChartSeries => {
    const byTime = new Map(samples.map((sample) => [sample.endMs, iopsOfSample(sample)]));
    return { label, ys: times.map((time) => byTime.get(time) ?? null) };
  };
  return { id: 'time', x: 'seconds', y: 'iops', xs: times.map((time) => time / 1000), series: series.map(seriesOf) };
}

function countsByPoint({ bins }: HistogramData): number[] {
  const counts: number[] = new Array(BIN_COUNT / BINS_PER_POINT).fill(0);
  for (const [bin, count] of bins) {
    const point = Math.floor(bin / BINS_PER_POINT);
    counts[point] = (counts[point] as number) + count;
  }
  return counts;
}

/**
 * A point's bins have the same width, but not the same ratio of their ends: the share is divided by that. There is a zero on each side of what was
 * counted, and nothing further out.
 */
function densities(counts: readonly number[], points: readonly number[]): (number | null)[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const isNear = (point: number): boolean => [point - 1, point, point + 1].some((near) => (counts[near] ?? 0) > 0);
  const first = points.findIndex(isNear);
  const last = points.length - 1 - [...points].reverse().findIndex(isNear);
  return points.map((point, index) => {
    if (total === 0 || index < first || index > last) return null;
    const [low, high] = endsOfPoint(point);
    const eighths = 8 * Math.log2(high / Math.max(1, low));
    return (100 * (counts[point] ?? 0)) / total / eighths;
  });
}

function middleOfPoint(point: number): number {
  const [low, high] = endsOfPoint(point);
  return Math.sqrt(Math.max(1, low) * high);
}

function endsOfPoint(point: number): [low: number, high: number] {
  const next = (point + 1) * BINS_PER_POINT;
  return [lowestOfBin(point * BINS_PER_POINT), next < BIN_COUNT ? lowestOfBin(next) : 2 ** 34];
}
