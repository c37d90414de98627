import type { JobOptions } from '../jobs/job-options.js';
import { DIRECTIONS, type Direction, type JobRecorder } from '../results/job-recorder.js';

/** Looks whether a job is as fast as it must be at least: `rate_min` and `rate_iops_min`, over each `rate_cycle`. */
export class RateWatch {
  readonly #recorder: JobRecorder;
  readonly #options: JobOptions;
  readonly #seen: Record<Direction, { ios: number; bytes: number }>;
  #startNs = -1;

  private constructor(options: JobOptions, recorder: JobRecorder) {
    this.#options = options;
    this.#recorder = recorder;
    this.#seen = { read: { ios: 0, bytes: 0 }, write: { ios: 0, bytes: 0 }, trim: { ios: 0, bytes: 0 } };
  }

  /** Null for a job that may be as slow as it is. */
  static of(options: JobOptions, recorder: JobRecorder): RateWatch | null {
    const isAsked = DIRECTIONS.some((name) => options.rate_min[name] + options.rate_iops_min[name] > 0);
    return isAsked ? new RateWatch(options, recorder) : null;
  }

  /** To be called in the measured time. Returns what was too slow in the cycle that has ended, or null. */
  look(nowNs: number): string | null {
    if (this.#startNs < 0) this.#startNs = nowNs;
    const seconds = (nowNs - this.#startNs) / 1e9;
    if (seconds * 1000 < this.#options.rate_cycle) return null;
    this.#startNs = nowNs;
    const { reads, writes, trims } = this.#options.rw;
    const has = { read: reads, write: writes, trim: trims };
    const found = DIRECTIONS.map((name) => (has[name] ? this.#endCycle(name, seconds) : null));
    return found.find((text) => text !== null) ?? null;
  }

  #endCycle(name: Direction, seconds: number): string | null {
    const { totalIos, bytes } = this.#recorder[name];
    const seen = this.#seen[name];
    const [ios, moved] = [(totalIos - seen.ios) / seconds, (bytes - seen.bytes) / seconds];
    this.#seen[name] = { ios: totalIos, bytes };
    const { rate_min: bytesMin, rate_iops_min: iosMin } = this.#options;
    if (ios < iosMin[name]) return `${Math.round(ios)} ${name}s a second are less than rate_iops_min=${iosMin[name]}`;
    if (moved < bytesMin[name]) return `${name}s of ${Math.round(moved)} bytes a second are less than rate_min=${bytesMin[name]}`;
    return null;
  }
}
