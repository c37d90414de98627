import type { Direction, JobRecorder } from './job-recorder.js';
import { DIRECTIONS } from './job-recorder.js';

/** What one direction did from one sample to the next. */
export interface Sample {
  /** When the interval ended, from the beginning of the measured time. */
  readonly endMs: number;
  readonly lengthMs: number;
  readonly ios: number;
  readonly bytes: number;
}

/** The samples of each direction, in the order of time. */
export type SampleData = Readonly<Record<Direction, readonly Sample[]>>;

/**
 * Looks at what a job has counted every half second or so, for its bandwidth and IOPS over time. Whoever has a timer may take the samples: the
 * job's thread, or another one that shares the recorder's memory.
 */
export class SampleSeries {
  readonly #recorder: JobRecorder;
  readonly #samples: Record<Direction, Sample[]> = { read: [], write: [], trim: [] };
  readonly #seen = { read: { ios: 0, bytes: 0 }, write: { ios: 0, bytes: 0 }, trim: { ios: 0, bytes: 0 } };
  #lastMs = 0;

  constructor(recorder: JobRecorder) {
    this.#recorder = recorder;
  }

  /**
   * @param nowMs how long the measured time has been. The last sample's time is passed over; one before it says that measuring has begun anew, and
   *   so do the samples.
   */
  take(nowMs: number): void {
    if (nowMs < this.#lastMs) this.#forget();
    const lengthMs = nowMs - this.#lastMs;
    if (lengthMs <= 0) return;
    this.#lastMs = nowMs;
    for (const direction of DIRECTIONS) {
      const { totalIos, bytes } = this.#recorder[direction];
      const seen = this.#seen[direction];
      this.#samples[direction].push({ endMs: nowMs, lengthMs, ios: totalIos - seen.ios, bytes: bytes - seen.bytes });
      seen.ios = totalIos;
      seen.bytes = bytes;
    }
  }

  #forget(): void {
    this.#lastMs = 0;
    for (const direction of DIRECTIONS) {
      this.#samples[direction].length = 0;
      this.#seen[direction].ios = 0;
      this.#seen[direction].bytes = 0;
    }
  }

  toData(): SampleData {
    return { read: [...this.#samples.read], write: [...this.#samples.write], trim: [...this.#samples.trim] };
  }
}

/** The samples of jobs that ran beside each other and were sampled at the same times, as those of one job. */
export function sumOfSamples(series: readonly SampleData[]): SampleData {
  return { read: sumOf(series, 'read'), write: sumOf(series, 'write'), trim: sumOf(series, 'trim') };
}

function sumOf(series: readonly SampleData[], direction: Direction): Sample[] {
  const sums: Sample[] = [];
  for (const samples of series) {
    for (const [index, sample] of samples[direction].entries()) {
      const sum = sums[index];
      sums[index] = sum === undefined ? sample : { ...sample, ios: sum.ios + sample.ios, bytes: sum.bytes + sample.bytes };
    }
  }
  return sums;
}
