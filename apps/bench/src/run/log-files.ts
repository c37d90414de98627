import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { LogEntry } from '../results/log-series.js';
import { quote, UsageError } from '../usage-error.js';
import type { JobPlan } from './job-plan.js';

interface LogFile {
  readonly path: string;
  readonly valueIn: (entry: LogEntry) => number;
  /** Whether a window without I/O has no value. */
  readonly needsIo: boolean;
}

/** fio's log files of a job's thread: `NAME_bw.1.log` and its like, in the current folder. */
function logFilesOf({ job, number }: JobPlan): LogFile[] {
  const { name, write_bw_log: bandwidth, write_iops_log: iops, write_lat_log: latency } = job.options;
  const fileOf = (prefix: string, kind: string, valueIn: LogFile['valueIn'], needsIo = false): LogFile => ({
    path: resolve(`${prefix === '' ? name : prefix}_${kind}.${number + 1}.log`),
    valueIn,
    needsIo,
  });
  const files: LogFile[] = [];
  if (bandwidth !== null) files.push(fileOf(bandwidth, 'bw', ({ bytes, lengthMs }) => (bytes * 1000) / 1024 / lengthMs));
  if (iops !== null) files.push(fileOf(iops, 'iops', ({ ios, lengthMs }) => (ios * 1000) / lengthMs));
  if (latency !== null) {
    files.push(fileOf(latency, 'slat', ({ submissionNs }) => submissionNs, true));
    files.push(fileOf(latency, 'clat', ({ completionNs }) => completionNs, true));
    files.push(fileOf(latency, 'lat', ({ totalNs }) => totalNs, true));
  }
  return files;
}

/** @throws UsageError where a log could not be made, or would overwrite something */
export function checkLogFiles(plan: JobPlan): void {
  for (const { path } of logFilesOf(plan)) {
    const folder = dirname(path);
    const reason = existsSync(path)
      ? `${quote(path)} exists, and would be overwritten`
      : existsSync(folder)
        ? null
        : `there is no folder ${quote(folder)}`;
    if (reason !== null) throw new UsageError(`${plan.job.place}: ${reason}: give the log another name`);
  }
}

/**
 * Writes the logs: time in milliseconds, value, direction, and two zeros, where fio has block size and offset of logs that are no means.
 *
 * @returns what could not be written, a line each; nothing of it is left behind
 */
export function writeLogFiles(plan: JobPlan, entries: readonly LogEntry[]): string[] {
  const failures: string[] = [];
  for (const { path, valueIn, needsIo } of logFilesOf(plan)) {
    const lines = entries
      .filter(({ ios }) => ios > 0 || !needsIo)
      .map((entry) => `${Math.round(entry.endMs)}, ${Math.round(valueIn(entry))}, ${entry.direction}, 0, 0\n`);
    try {
      writeFileSync(path, lines.join(''), { flag: 'wx' });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Somebody else's has to stay.
      if (code !== 'EEXIST') rmSync(path, { force: true });
      failures.push(`the log ${quote(path)} cannot be written (${code})`);
    }
  }
  return failures;
}
