import type { DirectionData } from '../results/direction-recorder.js';
import type { Direction } from '../results/job-recorder.js';
import type { JobResult } from '../results/job-result.js';
import { type HistogramData, LatencyHistogram } from '../results/latency-histogram.js';
import type { RunResult } from '../results/run-result.js';
import { depthSharesOf } from './depth-shares.js';
import { latencySharesOf } from './latency-shares.js';
import { bytesPerSecondOf, iopsOf, kibOfSample, summaryOf } from './rates.js';

const TERSE_VERSION = '3';
const FIO_VERSION = 'fio-3.33';
/** There is room for so many percentiles, whether they are used or not. */
const PERCENTILE_FIELDS = 20;

/** fio's terse format, version 3: a line of 121 fields for each job, and nine more for each disk. Times are in microseconds. */
export function terse(run: RunResult): string {
  const disks = run.disks.flatMap((disk) => [
    disk.name,
    disk.readIos,
    disk.writeIos,
    disk.readMerges,
    disk.writeMerges,
    Math.round(disk.readMs),
    Math.round(disk.writeMs),
    Math.round(disk.queueMs),
    `${disk.utilPercent.toFixed(2)}%`,
  ]);
  return run.jobs.map((job) => [...jobFields(run, job), ...disks].join(';')).join('\n');
}

function jobFields(run: RunResult, job: JobResult): (string | number)[] {
  const { use, recorded } = job;
  const { read, write, trim } = recorded.directions;
  const { ns, us, ms } = latencySharesOf([read.completion, write.completion, trim.completion]);
  // The format begins at 2 µs: what is faster is in its first field.
  const micros = us.map((share, index) => (index === 0 ? share + ns.reduce((sum, part) => sum + part, 0) : share));
  return [
    TERSE_VERSION,
    FIO_VERSION,
    job.name.replaceAll(/[;\n]/g, ' '),
    job.groupId,
    job.error,
    ...directionFields(run, job, 'read'),
    ...directionFields(run, job, 'write'),
    cpuShare(use.userMicros, use.wallMs),
    cpuShare(use.systemMicros, use.wallMs),
    use.contextSwitches,
    use.majorFaults,
    use.minorFaults,
    ...Object.values(depthSharesOf(recorded.depth)).map((share) => `${share.toFixed(1)}%`),
    ...[...micros, ...ms].map((share) => `${share.toFixed(2)}%`),
  ];
}

function directionFields(run: RunResult, job: JobResult, direction: Direction): (string | number)[] {
  const data = job.recorded.directions[direction];
  const bandwidth = summaryOf(job.samples[direction], kibOfSample);
  const bytesPerSecond = bytesPerSecondOf(job, direction);
  const group = run.jobs
    .filter(({ groupId }) => groupId === job.groupId)
    .reduce((sum, member) => sum + bytesPerSecondOf(member, direction), 0);
  return [
    Math.floor(data.bytes / 1024),
    Math.floor(bytesPerSecond / 1024),
    Math.floor(iopsOf(job, direction)),
    Math.round(data.runtimeMs),
    ...latencyFields(data.submission),
    ...latencyFields(data.completion),
    ...percentileFields(job, data),
    ...latencyFields(data.total),
    Math.floor(bandwidth.min),
    Math.floor(bandwidth.max),
    `${(group === 0 ? 0 : (100 * bytesPerSecond) / group).toFixed(6)}%`,
    bandwidth.mean.toFixed(6),
    bandwidth.stddev.toFixed(6),
  ];
}

function latencyFields(data: HistogramData): (string | number)[] {
  const { minNs, maxNs, meanNs, stddevNs } = LatencyHistogram.from(data);
  return [Math.floor(minNs / 1000), Math.floor(maxNs / 1000), (meanNs / 1000).toFixed(6), (stddevNs / 1000).toFixed(6)];
}

function percentileFields({ percentiles }: JobResult, data: DirectionData): string[] {
  const { list, terse: kind } = percentiles;
  const histogram = LatencyHistogram.from(kind === 'lat' ? data.total : data.completion);
  return Array.from({ length: PERCENTILE_FIELDS }, (_, index) => {
    const percent = kind === null ? undefined : list[index];
    if (percent === undefined) return '0%=0';
    return `${percent.toFixed(6)}%=${Math.floor((histogram.percentile(percent / 100) ?? 0) / 1000)}`;
  });
}

function cpuShare(micros: number, wallMs: number): string {
  return `${(wallMs === 0 ? 0 : micros / wallMs / 10).toFixed(6)}%`;
}
