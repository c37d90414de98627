import { DIRECTIONS, type Direction, type JobRecorder } from './job-recorder.js';

/** What one direction did in one window of a log. */
export interface LogEntry {
  /** When the window ended, from the beginning of the measured time. */
  readonly endMs: number;
  readonly lengthMs: number;
  /** fio's number of the direction: 0 reads, 1 writes, 2 trims. */
  readonly direction: number;
  readonly ios: number;
  readonly bytes: number;
  /** Means of the window; 0 where there was no I/O. */
  readonly submissionNs: number;
  readonly completionNs: number;
  readonly totalNs: number;
}

/** Sums since the beginning, as they were at the end of the window before. */
interface Seen {
  ios: number;
  bytes: number;
  submissionNs: number;
  completionNs: number;
  totalNs: number;
}

/** Looks at what a job has counted each `log_avg_msec`, for fio's log files. */
export class LogSeries {
  readonly #recorder: JobRecorder;
  readonly #seen: Record<Direction, Seen> = { read: sumsOfNothing(), write: sumsOfNothing(), trim: sumsOfNothing() };
  readonly #entries: LogEntry[] = [];
  #lastMs = 0;

  constructor(recorder: JobRecorder) {
    this.#recorder = recorder;
  }

  /** @param nowMs how long the measured time has been, more than at the call before */
  take(nowMs: number): void {
    const lengthMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    for (const [direction, name] of DIRECTIONS.entries()) {
      const { totalIos, bytes, submission, completion, total } = this.#recorder[name];
      const now: Seen = {
        ios: totalIos,
        bytes,
        submissionNs: submission.sumNs,
        completionNs: completion.sumNs,
        totalNs: total.sumNs,
      };
      const seen = this.#seen[name];
      this.#seen[name] = now;
      if (totalIos === 0) continue;
      const ios = now.ios - seen.ios;
      const mean = (sum: number): number => (ios === 0 ? 0 : Math.round(sum / ios));
      this.#entries.push({
        endMs: nowMs,
        lengthMs,
        direction,
        ios,
        bytes: now.bytes - seen.bytes,
        submissionNs: mean(now.submissionNs - seen.submissionNs),
        completionNs: mean(now.completionNs - seen.completionNs),
        totalNs: mean(now.totalNs - seen.totalNs),
      });
    }
  }

  toData(): LogEntry[] {
    return [...this.#entries];
  }
}

function sumsOfNothing(): Seen {
  return { ios: 0, bytes: 0, submissionNs: 0, completionNs: 0, totalNs: 0 };
}
