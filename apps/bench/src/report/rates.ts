import { meanOfCounts } from '../results/count-distribution.js';
import type { Direction } from '../results/job-recorder.js';
import { DIRECTIONS } from '../results/job-recorder.js';
import type { JobResult } from '../results/job-result.js';
import { isSameShape } from '../results/loop-shape.js';
import type { Calibration, RunResult } from '../results/run-result.js';
import type { Sample } from '../results/sample-series.js';

/** Mean and spread of what was sampled over time. All 0 if nothing was. */
export interface SampleSummary {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly samples: number;
}

/** I/Os per second of each sample. */
export function iopsOfSample({ ios, lengthMs }: Sample): number {
  return (ios * 1000) / lengthMs;
}

/** KiB per second of each sample. */
export function kibOfSample({ bytes, lengthMs }: Sample): number {
  return (bytes * 1000) / lengthMs / 1024;
}

export function summaryOf(samples: readonly Sample[], quantity: (sample: Sample) => number): SampleSummary {
  const values = samples.map(quantity);
  const { length } = values;
  if (length === 0) return { min: 0, max: 0, mean: 0, stddev: 0, samples: 0 };
  const mean = values.reduce((sum, value) => sum + value, 0) / length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    min: Math.min(...values),
    max: Math.max(...values),
    mean,
    stddev: length < 2 ? 0 : Math.sqrt(squares / (length - 1)),
    samples: length,
  };
}

/** I/Os per second over the whole measured time. */
export function iopsOf(job: JobResult, direction: Direction): number {
  const { totalIos, runtimeMs } = job.recorded.directions[direction];
  return runtimeMs === 0 ? 0 : (totalIos * 1000) / runtimeMs;
}

/** Bytes per second over the whole measured time. */
export function bytesPerSecondOf(job: JobResult, direction: Direction): number {
  const { bytes, runtimeMs } = job.recorded.directions[direction];
  return runtimeMs === 0 ? 0 : (bytes * 1000) / runtimeMs;
}

/** The directions in which a job did something. */
export function activeDirectionsOf(job: JobResult): Direction[] {
  return DIRECTIONS.filter((direction) => job.recorded.directions[direction].totalIos > 0);
}

/** CPU time of the process for one I/O, null where there was none. */
export function cpuMicrosPerIoOf({ use, recorded }: JobResult): number | null {
  const ios = DIRECTIONS.reduce((sum, direction) => sum + recorded.directions[direction].totalIos, 0);
  return ios === 0 ? null : (use.userMicros + use.systemMicros) / ios;
}

/**
 * What the program itself adds to a latency, null if it was not measured: what it costs for one I/O, times the I/Os in flight, as all of them pass
 * through it one after the other.
 */
export function harnessNsOf(run: RunResult, job: JobResult): number | null {
  const depth = meanOfCounts(job.recorded.depth) || job.shape.iodepth;
  const distance = (calibration: Calibration): number =>
    Math.abs(calibration.depth - depth) + (isSameShape(calibration, job.shape) ? 0 : 0.5);
  const [nearest] = [...run.calibrations].sort((a, b) => distance(a) - distance(b));
  return nearest === undefined ? null : nearest.nsPerIo * Math.max(1, depth);
}
