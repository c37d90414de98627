import type { JobOptions } from '../jobs/job-options.js';
import type { JobRecorder } from '../results/job-recorder.js';
import type { SteadyState } from '../results/job-result.js';
import { type LogEntry, LogSeries } from '../results/log-series.js';
import { type SampleData, SampleSeries } from '../results/sample-series.js';
import type { JobPlan } from './job-plan.js';
import { RateWatch } from './rate-watch.js';
import { SteadyWatch } from './steady-watch.js';

const SAMPLE_NS = 5e8;
const NS_PER_MICRO = 1e3;
/** How often it is looked whether a ramp has moved its bytes. */
const RAMP_LOOK_NS = 1e6;
/** How long SNIA's rounds are where nothing else is said. */
const SNIA_ROUND_MICROS = 60e6;

/** What happens to a job by the clock. */
export interface TimelineEvents {
  /** The ramp is over. */
  readonly onMeasure: (nowNs: number) => void;
  /** The time is over, or the state steady. */
  readonly onEnd: () => void;
  /** The job is slower than `rate_min` or `rate_iops_min` allow. */
  readonly onTooSlow: (text: string) => void;
}

/** The ramp, the samples, the rounds of the steady state and the end of the time: what the loop asks for when one of them is due. */
export class Timeline {
  readonly #recorder: JobRecorder;
  readonly #events: TimelineEvents;
  readonly #rampNs: number;
  readonly #rampBytes: number;
  readonly #options: JobOptions;
  readonly #logNs: number;
  #log: LogSeries | null = null;
  #nextLogNs = Number.POSITIVE_INFINITY;
  #rates: RateWatch | null = null;
  readonly #runtimeNs: number;
  readonly #watch: SteadyWatch | null;
  readonly #roundNs: number;
  readonly #settleNs: number;
  #samples: SampleSeries;
  #startNs = -1;
  #isMeasuring = false;
  #isFinished = false;
  #nextSampleNs = 0;
  #nextRoundNs = 0;
  #roundStartNs = 0;
  #roundIos = 0;
  #roundBytes = 0;
  #roundNsSum = 0;

  constructor({ job }: JobPlan, recorder: JobRecorder, events: TimelineEvents) {
    const { options } = job;
    const { steadystate: criterion } = options;
    const isSnia = criterion?.rule === 'snia';
    const roundMicros = isSnia ? options.ss_dur || SNIA_ROUND_MICROS : options.ss_interval;
    this.#recorder = recorder;
    this.#events = events;
    this.#rampNs = options.ramp_time * NS_PER_MICRO;
    this.#rampBytes = options.ramp_size;
    this.#options = options;
    const isLogged = [options.write_bw_log, options.write_iops_log, options.write_lat_log].some((name) => name !== null);
    this.#logNs = isLogged ? options.log_avg_msec * 1e6 : Number.POSITIVE_INFINITY;
    this.#runtimeNs = options.runtime > 0 ? options.runtime * NS_PER_MICRO : Number.POSITIVE_INFINITY;
    this.#roundNs = roundMicros * NS_PER_MICRO;
    this.#settleNs = options.ss_ramp * NS_PER_MICRO;
    this.#samples = new SampleSeries(recorder);
    this.#watch =
      criterion === null
        ? null
        : new SteadyWatch(
            criterion,
            job.given['steadystate'] ?? job.globals['steadystate'] ?? '',
            roundMicros / 1e3,
            options.ss_dur / 1e3,
          );
  }

  /** Does what is due, and returns when the next thing is. */
  look(nowNs: number): number {
    if (this.#isFinished) return Number.POSITIVE_INFINITY;
    if (this.#startNs < 0) this.#startNs = nowNs;
    if (!this.#isMeasuring) {
      if (nowNs < this.#startNs + this.#rampNs) return this.#startNs + this.#rampNs;
      if (this.#rampBytes > 0 && bytesOf(this.#recorder) < this.#rampBytes) return nowNs + RAMP_LOOK_NS;
      this.#measure(nowNs);
    }
    if (nowNs >= this.#nextSampleNs) this.#sample(nowNs);
    if (nowNs >= this.#nextLogNs) this.#takeLog(nowNs);
    if (nowNs >= this.#nextRoundNs) this.#endRound(nowNs);
    const tooSlow = this.#rates?.look(nowNs) ?? null;
    if (tooSlow !== null) this.#events.onTooSlow(tooSlow);
    const endNs = this.#startNs + this.#runtimeNs;
    if (nowNs >= endNs) this.#events.onEnd();
    return Math.min(this.#nextLogNs, this.#nextSampleNs, this.#nextRoundNs, nowNs < endNs ? endNs : Number.POSITIVE_INFINITY);
  }

  /** Begins to measure anew: what was before does not count. */
  restart(nowNs: number): void {
    this.#measure(nowNs);
  }

  /** The workload is over: takes the last sample, and bothers the phases behind it no more. */
  finish(nowNs: number): void {
    this.#isFinished = true;
    if (nowNs - (this.#nextLogNs - this.#logNs) > this.#logNs / 2) this.#takeLog(nowNs);
    // A piece that is too short says more about chance than about the job.
    if (nowNs - (this.#nextSampleNs - SAMPLE_NS) > SAMPLE_NS / 2) this.#samples.take((nowNs - this.#startNs) / 1e6);
  }

  /** The windows of the logs. */
  log(): LogEntry[] {
    return this.#log?.toData() ?? [];
  }

  samples(): SampleData {
    return this.#samples.toData();
  }

  steadyState(): SteadyState | null {
    return this.#watch?.toData() ?? null;
  }

  #measure(nowNs: number): void {
    this.#isMeasuring = true;
    this.#startNs = nowNs;
    this.#events.onMeasure(nowNs);
    this.#samples = new SampleSeries(this.#recorder);
    this.#rates = RateWatch.of(this.#options, this.#recorder);
    this.#roundIos = 0;
    this.#roundBytes = 0;
    this.#roundNsSum = 0;
    this.#log = new LogSeries(this.#recorder);
    this.#nextLogNs = nowNs + this.#logNs;
    this.#nextSampleNs = nowNs + SAMPLE_NS;
    this.#roundStartNs = nowNs + this.#settleNs;
    this.#nextRoundNs = this.#watch === null ? Number.POSITIVE_INFINITY : this.#roundStartNs + this.#roundNs;
  }

  #takeLog(nowNs: number): void {
    this.#log?.take((nowNs - this.#startNs) / 1e6);
    this.#nextLogNs = nowNs + this.#logNs;
  }

  #sample(nowNs: number): void {
    this.#samples.take((nowNs - this.#startNs) / 1e6);
    this.#nextSampleNs = nowNs + SAMPLE_NS;
  }

  #endRound(nowNs: number): void {
    const { read, write, trim } = this.#recorder;
    const ios = read.totalIos + write.totalIos + trim.totalIos;
    const bytes = bytesOf(this.#recorder);
    const seconds = (nowNs - this.#roundStartNs) / 1e9;
    const sumNs = read.total.sumNs + write.total.sumNs + trim.total.sumNs;
    const [roundIos, roundBytes] = [ios - this.#roundIos, bytes - this.#roundBytes];
    const meanNs = roundIos === 0 ? 0 : (sumNs - this.#roundNsSum) / roundIos;
    const isOver = this.#watch?.add(roundIos / seconds, roundBytes / 1024 / seconds, meanNs) === true;
    this.#roundNsSum = sumNs;
    this.#roundIos = ios;
    this.#roundBytes = bytes;
    this.#roundStartNs = nowNs;
    this.#nextRoundNs = nowNs + this.#roundNs;
    if (isOver) this.#events.onEnd();
  }
}

function bytesOf({ directions }: JobRecorder): number {
  return directions.reduce((sum, { bytes }) => sum + bytes, 0);
}
