import type { Direction } from '../results/job-recorder.js';
import type { JobResult } from '../results/job-result.js';
import { LatencyHistogram } from '../results/latency-histogram.js';
import type { RunResult } from '../results/run-result.js';
import { type Percentile, percentilesOf } from '../trust/percentiles.js';
import { duration, NOTHING, short, whole } from './numbers.js';
import { activeDirectionsOf, bytesPerSecondOf, cpuMicrosPerIoOf, harnessNsOf, iopsOf } from './rates.js';
import { type Cell, type Column, type Table, textCell } from './text-table.js';

const PERCENTS = [50, 99, 99.9];

const COLUMNS: readonly Column[] = [
  { title: 'job', name: 'job', isNumber: false },
  { title: 'direction', name: 'direction', isNumber: false },
  { title: 'engine', name: 'engine', isNumber: false },
  { title: 'block', name: 'block_size', isNumber: false },
  { title: 'depth', name: 'depth', isNumber: true },
  { title: 'IOPS', name: 'iops', isNumber: true },
  { title: 'MB/s', name: 'megabytes_per_second', isNumber: true },
  { title: 'mean', name: 'latency_mean_ns', isNumber: true },
  { title: 'p50', name: 'latency_p50_ns', isNumber: true },
  { title: 'p99', name: 'latency_p99_ns', isNumber: true },
  { title: 'p99.9', name: 'latency_p99_9_ns', isNumber: true },
  { title: 'CPU µs/IO', name: 'cpu_us_per_io', isNumber: true },
];

/** A row for each direction of each job. Latencies are totals: from the beginning of the submission to the completion. */
export function jobTable(run: RunResult): Table {
  return {
    columns: COLUMNS,
    rows: run.jobs.flatMap((job) => activeDirectionsOf(job).map((direction) => row(run, job, direction))),
  };
}

/** A percentile for people: `-` where there are too few I/Os for it, and with a `~` where the program itself is a good part of it. */
export function percentileText({ valueNs, doubt }: Percentile): string {
  if (doubt === 'few-samples') return NOTHING;
  return doubt === 'harness' ? `~${duration(valueNs)}` : duration(valueNs);
}

function row(run: RunResult, job: JobResult, direction: Direction): Cell[] {
  const { shape } = job;
  const total = LatencyHistogram.from(job.recorded.directions[direction].total);
  const iops = iopsOf(job, direction);
  const megabytes = bytesPerSecondOf(job, direction) / 1e6;
  const cpu = cpuMicrosPerIoOf(job);
  return [
    textCell(job.name),
    textCell(direction),
    textCell(shape.ioengine),
    textCell(shape.bs),
    { text: String(shape.iodepth), value: shape.iodepth },
    { text: whole(iops), value: iops },
    { text: short(megabytes), value: megabytes },
    { text: duration(total.meanNs), value: total.meanNs },
    ...percentilesOf(total, harnessNsOf(run, job), PERCENTS).map((percentile) => ({
      text: percentileText(percentile),
      value: percentile.doubt === 'few-samples' ? null : percentile.valueNs,
    })),
    { text: short(cpu), value: cpu },
  ];
}
