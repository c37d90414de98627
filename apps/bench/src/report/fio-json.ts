import type { DirectionData } from '../results/direction-recorder.js';
import { valueOfBin } from '../results/fio-bins.js';
import type { Direction } from '../results/job-recorder.js';
import type { JobResult, LatencyKind } from '../results/job-result.js';
import { type HistogramData, LatencyHistogram } from '../results/latency-histogram.js';
import type { DiskUse, RunResult } from '../results/run-result.js';
import { percentilesOf } from '../trust/percentiles.js';
import { batchSharesOf, depthSharesOf } from './depth-shares.js';
import { latencySharesOf, MILLISECONDS, NANOSECONDS } from './latency-shares.js';
import { bytesPerSecondOf, cpuMicrosPerIoOf, harnessNsOf, iopsOf, iopsOfSample, kibOfSample, summaryOf } from './rates.js';

/** The version whose schema this is; readers such as fio-plot look at it. */
const FIO_SCHEMA = 'fio-3.33';

export interface FioJsonOptions {
  /** Whether latencies come with all their bins: fio's `json+`. */
  readonly bins: boolean;
}

type Json = { readonly [key: string]: unknown };

/**
 * A run in fio's JSON schema: all keys of fio 3.33, with its units and meanings, so that what reads fio's reports reads these. What fio does not
 * know stands under `biodone` and, for open loops, in `response_ns` and `lateness_ns`.
 *
 * `usr_cpu` and `sys_cpu` are those of the whole process, where fio's are those of the job's thread.
 */
export function fioJson(run: RunResult, options: FioJsonOptions): Json {
  return {
    'fio version': FIO_SCHEMA,
    timestamp: Math.floor(run.writtenAtMs / 1000),
    timestamp_ms: run.writtenAtMs,
    time: ctime(run.writtenAtMs),
    ...(run.globalOptions === null ? {} : { 'global options': run.globalOptions }),
    jobs: run.jobs.map((job) => new JobWriter(run, job, options).job()),
    disk_util: run.disks.map(disk),
    biodone: { outcome: run.outcome, startedAtMs: run.startedAtMs, machine: run.machine, calibrations: run.calibrations },
  };
}

class JobWriter {
  readonly #run: RunResult;
  readonly #job: JobResult;
  readonly #bins: boolean;
  readonly #harnessNs: number | null;

  constructor(run: RunResult, job: JobResult, { bins }: FioJsonOptions) {
    this.#run = run;
    this.#job = job;
    this.#bins = bins;
    this.#harnessNs = harnessNsOf(run, job);
  }

  job(): Json {
    const {
      name,
      groupId,
      startedAtMs,
      error,
      errorText,
      failedIos,
      etaSeconds,
      elapsedMs,
      recorded,
      use,
      steadyState,
      latencySearch,
      shape,
    } = this.#job;
    return {
      jobname: name,
      groupid: groupId,
      job_start: startedAtMs,
      error,
      ...(failedIos === 0 ? {} : { total_err: failedIos, first_error: error, desc: errorText }),
      eta: etaSeconds,
      elapsed: Math.ceil(elapsedMs / 1000),
      'job options': this.#options(),
      read: this.#direction('read'),
      write: this.#direction('write'),
      trim: this.#direction('trim'),
      sync: { total_ios: countOf(recorded.sync), lat_ns: this.#latency(recorded.sync) },
      job_runtime: Math.round(this.#job.runtimeMs),
      usr_cpu: percentOf(use.userMicros, use.wallMs),
      sys_cpu: percentOf(use.systemMicros, use.wallMs),
      ctx: use.contextSwitches,
      majf: use.majorFaults,
      minf: use.minorFaults,
      iodepth_level: depthSharesOf(recorded.depth),
      iodepth_submit: batchSharesOf(recorded.submitted),
      iodepth_complete: batchSharesOf(recorded.completed),
      ...this.#latencyShares(),
      latency_depth: latencySearch?.depth ?? shape.iodepth,
      latency_target: latencySearch?.targetNs ?? 0,
      latency_percentile: latencySearch?.percent ?? 100,
      latency_window: (latencySearch?.windowNs ?? 0) / 1000,
      ...(steadyState === null ? {} : { steadystate: this.#steadyState() }),
      biodone: this.#more(),
    };
  }

  /** As they were written, and those that plotting programs look for in any case. */
  #options(): Json {
    const { options, shape } = this.#job;
    const { rw, bs, iodepth, numjobs } = shape;
    return { rw, bs, iodepth: String(iodepth), numjobs: String(numjobs), ...options };
  }

  #direction(direction: Direction): Json {
    const data = this.#job.recorded.directions[direction];
    const samples = this.#job.samples[direction];
    const bandwidth = summaryOf(samples, kibOfSample);
    const iops = summaryOf(samples, iopsOfSample);
    const bytesPerSecond = bytesPerSecondOf(this.#job, direction);
    return {
      io_bytes: data.bytes,
      io_kbytes: Math.floor(data.bytes / 1024),
      bw_bytes: Math.floor(bytesPerSecond),
      bw: Math.floor(bytesPerSecond / 1024),
      iops: iopsOf(this.#job, direction),
      runtime: Math.round(data.runtimeMs),
      total_ios: data.totalIos,
      short_ios: data.shortIos,
      drop_ios: data.droppedIos,
      slat_ns: this.#latency(data.submission, this.#has('slat')),
      clat_ns: this.#latency(data.completion, this.#has('clat')),
      lat_ns: this.#latency(data.total, this.#has('lat')),
      ...this.#planned(data),
      bw_min: Math.floor(bandwidth.min),
      bw_max: Math.floor(bandwidth.max),
      bw_agg: this.#shareOfGroup(direction),
      bw_mean: bandwidth.mean,
      bw_dev: bandwidth.stddev,
      bw_samples: bandwidth.samples,
      iops_min: Math.floor(iops.min),
      iops_max: Math.floor(iops.max),
      iops_mean: iops.mean,
      iops_stddev: iops.stddev,
      iops_samples: iops.samples,
    };
  }

  /** Only an open loop has a plan, and so a response time. */
  #planned({ response, lateness }: DirectionData): Json {
    if (response === null || lateness === null) return {};
    return { response_ns: this.#latency(response), lateness_ns: this.#latency(lateness) };
  }

  #has(kind: LatencyKind): boolean {
    return this.#job.percentiles.json.includes(kind);
  }

  #latency(data: HistogramData, hasPercentiles = true): Json {
    const histogram = LatencyHistogram.from(data);
    const summary = {
      min: histogram.minNs,
      max: histogram.maxNs,
      mean: histogram.meanNs,
      stddev: histogram.stddevNs,
      N: histogram.count,
    };
    // fio leaves these out where there is nothing, too.
    if (summary.N === 0 || !hasPercentiles) return summary;
    const percentiles = percentilesOf(histogram, this.#harnessNs, this.#job.percentiles.list);
    const doubts = percentiles.filter(({ doubt }) => doubt !== null);
    return {
      ...summary,
      percentile: Object.fromEntries(percentiles.map(({ percent, valueNs }) => [percent.toFixed(6), valueNs])),
      ...(this.#bins ? { bins: Object.fromEntries(data.bins.map(([bin, count]) => [String(valueOfBin(bin)), count])) } : {}),
      ...(doubts.length === 0
        ? {}
        : { doubts: Object.fromEntries(doubts.map(({ percent, doubt }) => [percent.toFixed(6), doubt])) }),
    };
  }

  /** How much of its group's bandwidth is this job's, in percent. */
  #shareOfGroup(direction: Direction): number {
    const own = bytesPerSecondOf(this.#job, direction);
    const group = this.#run.jobs
      .filter(({ groupId }) => groupId === this.#job.groupId)
      .reduce((sum, job) => sum + bytesPerSecondOf(job, direction), 0);
    return group === 0 ? 0 : (100 * own) / group;
  }

  #latencyShares(): Json {
    const { read, write, trim } = this.#job.recorded.directions;
    const { ns, us, ms } = latencySharesOf([read.completion, write.completion, trim.completion]);
    const named = (limits: readonly number[], shares: readonly number[]): Json =>
      Object.fromEntries(shares.map((share, index) => [String(limits[index] ?? `>=${limits.at(-1)}`), share]));
    return { latency_ns: named(NANOSECONDS, ns), latency_us: named(NANOSECONDS, us), latency_ms: named(MILLISECONDS, ms) };
  }

  #steadyState(): Json {
    const state = this.#job.steadyState;
    if (state === null) return {};
    const mean = (values: readonly number[]): number =>
      values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
    return {
      ss: state.criterion,
      duration: Math.round(state.durationMs / 1000),
      attained: state.attained ? 1 : 0,
      criterion: `${state.maxDeviationPercent}%`,
      max_deviation: state.maxDeviationPercent,
      slope: state.slope ?? 0,
      data: { bw_mean: mean(state.bandwidthKib), iops_mean: mean(state.iops), iops: state.iops, bw: state.bandwidthKib },
    };
  }

  #more(): Json {
    const { shape, use, loop, warnings, errorText, samples } = this.#job;
    return { shape, errorText, cpuMicrosPerIo: cpuMicrosPerIoOf(this.#job), use, loop, warnings, samples };
  }
}

function disk(use: DiskUse): Json {
  return {
    name: use.name,
    read_ios: use.readIos,
    write_ios: use.writeIos,
    read_merges: use.readMerges,
    write_merges: use.writeMerges,
    read_ticks: use.readMs,
    write_ticks: use.writeMs,
    in_queue: use.queueMs,
    util: use.utilPercent,
  };
}

function countOf({ bins }: HistogramData): number {
  return bins.reduce((sum, [, count]) => sum + count, 0);
}

function percentOf(micros: number, wallMs: number): number {
  return wallMs === 0 ? 0 : micros / wallMs / 10;
}

/** As ctime(3) writes it, in local time: `Mon Nov 23 06:39:16 2026`. */
function ctime(epochMs: number): string {
  const date = new Date(epochMs);
  const [day, month, number, year] = date.toDateString().split(' ') as [string, string, string, string];
  return `${day} ${month} ${String(Number(number)).padStart(2)} ${date.toTimeString().slice(0, 8)} ${year}`;
}
