import { meanOfCounts } from '../results/count-distribution.js';
import type { DirectionData } from '../results/direction-recorder.js';
import type { Direction } from '../results/job-recorder.js';
import type { JobResult, LatencyKind } from '../results/job-result.js';
import { type HistogramData, LatencyHistogram } from '../results/latency-histogram.js';
import type { Calibration, DiskUse, RunResult } from '../results/run-result.js';
import { formatSize } from '../size.js';
import { percentilesOf } from '../trust/percentiles.js';
import { percentileText } from './job-table.js';
import { formatMachine } from './machine-text.js';
import { duration, percent, short, whole } from './numbers.js';
import { activeDirectionsOf, bytesPerSecondOf, cpuMicrosPerIoOf, harnessNsOf, iopsOf, iopsOfSample, summaryOf } from './rates.js';

const PERCENTILES_PER_LINE = 6;
/** Beyond this an open loop has not done what was asked of it. */
const LATENESS_MAX_NS = 100_000;

/** A run for people, as fio's `normal`. */
export function normal(run: RunResult): string {
  const parts = [
    ...run.jobs.map((job) => formatJob(run, job)),
    run.outcome === 'interrupted' && run.jobs.length === 0 ? 'interrupted before the first job began' : '',
    run.disks.map(formatDisk).join('\n'),
    formatMachine(run.machine),
    formatReading(run),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function formatJob(run: RunResult, job: JobResult): string {
  const { shape, use, loop, recorded } = job;
  const harnessNs = harnessNsOf(run, job);
  const state = run.outcome === 'complete' ? '' : ` (${run.outcome === 'running' ? 'still running' : run.outcome})`;
  const lines = [
    `${job.name}: (groupid=${job.groupId}, jobs=${shape.numjobs}): err=${String(job.error).padStart(2)}${state}`,
    ...(job.errorText === null ? [] : [`  error     ${job.errorText}`]),
    `  job       ${shape.rw}, bs ${shape.bs}, ${shape.ioengine}, depth ${shape.iodepth}, ${shape.direct ? 'direct' : 'buffered'}, on ${shape.filename}`,
    ...activeDirectionsOf(job).flatMap((direction) => formatDirection(job, direction, harnessNs)),
    ...formatSync(recorded.sync, harnessNs, job.percentiles.list),
    `  depth     ${short(meanOfCounts(recorded.depth))} achieved of ${shape.iodepth}; ${short(meanOfCounts(recorded.submitted))} submitted and ${short(meanOfCounts(recorded.completed))} completed at a time`,
    `  cpu       ${formatCpu(job)}`,
    `  threads   ${formatThreads(job)}`,
    `  faults    ${whole(use.majorFaults)} major, ${whole(use.minorFaults)} minor; ${whole(use.contextSwitches)} context switches`,
    `  loop      ${whole(loop.gcCount)} garbage collections, ${short(loop.gcMs)} ms in all, ${short(loop.gcMaxMs)} ms at most; ${formatDelay(job)}`,
    ...formatSteadyState(job),
    ...formatLatencySearch(job),
    ...job.warnings.map((warning) => `  ! ${warning}`),
  ];
  return lines.join('\n');
}

function formatDirection(job: JobResult, direction: Direction, harnessNs: number | null): string[] {
  const { percentiles } = job;
  const data = job.recorded.directions[direction];
  const bytesPerSecond = bytesPerSecondOf(job, direction);
  const losses =
    data.shortIos + data.droppedIos === 0 ? '' : `; ${whole(data.shortIos)} short, ${whole(data.droppedIos)} dropped`;
  return [
    `  ${direction.padEnd(9)} IOPS ${whole(iopsOf(job, direction))}, ${short(bytesPerSecond / 1e6)} MB/s (${formatSize(bytesPerSecond)}/s); ` +
      `${whole(data.totalIos)} I/Os, ${formatSize(data.bytes)} in ${short(data.runtimeMs / 1000)} s${losses}`,
    formatLatency('slat', data.submission),
    formatLatency('clat', data.completion),
    formatLatency('lat', data.total),
    ...percentiles.normal.flatMap((kind) => formatPercentiles(kind, partOf(data, kind), harnessNs, percentiles.list)),
    ...formatOverTime(job, direction),
    ...formatPlanned(data, harnessNs, percentiles.list),
  ];
}

function formatLatency(name: string, data: HistogramData): string {
  const { minNs, meanNs, maxNs, stddevNs } = LatencyHistogram.from(data);
  return `    ${name.padEnd(9)}min ${duration(minNs)}, mean ${duration(meanNs)}, max ${duration(maxNs)}, stddev ${duration(stddevNs)}`;
}

function partOf(data: DirectionData, kind: LatencyKind): HistogramData {
  return { slat: data.submission, clat: data.completion, lat: data.total }[kind];
}

/** How even it was: of samples that are half a second apart. */
function formatOverTime({ samples }: JobResult, direction: Direction): string[] {
  const { min, max, mean, stddev, samples: count } = summaryOf(samples[direction], iopsOfSample);
  if (count < 2) return [];
  return [
    `    ${'samples'.padEnd(9)}IOPS min ${whole(min)}, mean ${whole(mean)}, max ${whole(max)}, stddev ${whole(stddev)}; ${count}, half a second apart`,
  ];
}

function formatPercentiles(name: string, data: HistogramData, harnessNs: number | null, list: readonly number[]): string[] {
  const texts = percentilesOf(LatencyHistogram.from(data), harnessNs, list)
    .filter(({ doubt }) => doubt !== 'few-samples')
    .map((percentile) => `p${percentile.percent} ${percentileText(percentile)}`.padEnd(16));
  const lines: string[] = [];
  for (let start = 0; start < texts.length; start += PERCENTILES_PER_LINE) {
    const head = start === 0 ? `    ${name.padEnd(9)}` : ' '.repeat(13);
    lines.push((head + texts.slice(start, start + PERCENTILES_PER_LINE).join('')).trimEnd());
  }
  return lines;
}

/** Response and service time beside each other: what a closed loop cannot tell apart. */
function formatPlanned(data: DirectionData, harnessNs: number | null, list: readonly number[]): string[] {
  if (data.response === null || data.lateness === null) return [];
  const late = LatencyHistogram.from(data.lateness).percentile(0.99) ?? 0;
  return [
    formatLatency('response', data.response),
    ...formatPercentiles('response', data.response, harnessNs, list),
    `    ${'late'.padEnd(9)}p99 ${duration(late)} from when I/Os were due to their submission${late > LATENESS_MAX_NS ? ': ! the plan was not kept' : ''}`,
    `    ${''.padEnd(9)}(lat is the service time, from submission; response is from when the I/O was due)`,
  ];
}

function formatSync(data: HistogramData, harnessNs: number | null, list: readonly number[]): string[] {
  const histogram = LatencyHistogram.from(data);
  if (histogram.count === 0) return [];
  return [
    `  ${'sync'.padEnd(9)} ${whole(histogram.count)} flushes`,
    formatLatency('lat', data),
    ...formatPercentiles('lat', data, harnessNs, list),
  ];
}

function formatCpu(job: JobResult): string {
  const { userMicros, systemMicros, wallMs } = job.use;
  const share = (micros: number): string => percent(wallMs === 0 ? 0 : micros / 1000 / wallMs);
  const perIo = cpuMicrosPerIoOf(job);
  const text = `usr ${share(userMicros)}, sys ${share(systemMicros)} of one CPU, all threads of the process`;
  return perIo === null ? text : `${text}; ${short(perIo)} µs per I/O`;
}

function formatThreads({ use }: JobResult): string {
  const { threads, userMicros, systemMicros, wallMs } = use;
  if (threads.length === 0) return 'the kernel does not tell them apart';
  const share = (micros: number): string => percent(wallMs === 0 ? 0 : micros / 1000 / wallMs);
  const names = new Map<string, { count: number; micros: number }>();
  for (const { name, cpuMicros } of threads) {
    const kind = name.replace(/-\d+$/, '');
    const known = names.get(kind) ?? { count: 0, micros: 0 };
    names.set(kind, { count: known.count + 1, micros: known.micros + cpuMicros });
  }
  const living = threads.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0);
  const ended = Math.max(0, userMicros + systemMicros - living);
  const texts = [...names].map(([name, { count, micros }]) => `${name}${count === 1 ? '' : ` ×${count}`} ${share(micros)}`);
  if (ended > 0.01 * (userMicros + systemMicros)) texts.push(`threads that ended ${share(ended)}`);
  return texts.join(', ');
}

function formatDelay({ loop }: JobResult): string {
  const { delayP50Ms, delayP99Ms, delayMaxMs } = loop;
  if (delayP50Ms === null) return 'the event loop did not turn';
  return `loop delay p50 ${short(delayP50Ms)} ms, p99 ${short(delayP99Ms)} ms, max ${short(delayMaxMs)} ms`;
}

function formatSteadyState({ steadyState }: JobResult): string[] {
  if (steadyState === null) return [];
  const { criterion, attained, durationMs, maxDeviationPercent } = steadyState;
  const what = attained ? 'attained' : 'not attained';
  return [
    `  steady    ${criterion} over ${short(durationMs / 1000)} s: ${what}, deviation at most ${short(maxDeviationPercent)} %`,
  ];
}

function formatLatencySearch({ latencySearch }: JobResult): string[] {
  if (latencySearch === null) return [];
  const { targetNs, percent: share, depth } = latencySearch;
  return [`  target    at most ${duration(targetNs)} for ${share} % of the I/Os: depth ${depth}`];
}

function formatDisk({
  name,
  readIos,
  writeIos,
  readMerges,
  writeMerges,
  readMs,
  writeMs,
  queueMs,
  utilPercent,
}: DiskUse): string {
  return (
    `disk ${name}: ios=${readIos}/${writeIos}, merge=${readMerges}/${writeMerges}, ticks=${Math.round(readMs)}/${Math.round(writeMs)} ms, ` +
    `in_queue=${Math.round(queueMs)} ms, util=${utilPercent.toFixed(2)}%`
  );
}

/** What the program itself costs, and what the marks mean. */
function formatReading({ calibrations }: RunResult): string {
  const costs = calibrations.map(formatCalibration);
  return [
    ...costs,
    '~ less than ten times that for all I/Os in flight. Percentiles that too few I/Os tell of are left out.',
  ].join('\n');
}

function formatCalibration({ depth, nullIops, nsPerIo, clockNs }: Calibration): string {
  return `calibration: an I/O that does nothing takes ${Math.round(nsPerIo)} ns at depth ${depth} (${whole(nullIops)} IOPS); a reading of the clock ${Math.round(clockNs)} ns`;
}
