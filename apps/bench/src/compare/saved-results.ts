import { readFileSync } from 'node:fs';
import { isReport, type Report } from '../report/json.js';
import { quote, UsageError } from '../usage-error.js';
import type { Comparison } from './comparison.js';
import { type FioJob, type Observation, observe } from './observation.js';

/** The repeats of each job, or of each side of a comparison, by its name. */
export type SavedResults = ReadonlyMap<string, readonly Observation[]>;

/**
 * Reads what was saved: JSON of `run` or of fio, of `compare`, or of the main job.
 *
 * @throws UsageError where the file cannot be read, or is none of these
 */
export function readSavedResults(path: string): SavedResults {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `${quote(path)} cannot be read (${(error as NodeJS.ErrnoException).code}): name a file of saved results`,
    );
  }
  const advice = 'save one with --output-format=json+, or with --json';
  try {
    const found = resultsIn(text);
    if (found.size > 0) return found;
  } catch {
    // Whatever is wrong with it, it is no result.
  }
  throw new UsageError(`${quote(path)} holds no results of this program or of fio: ${advice}`);
}

/** Whether a text is JSON of `compare`. */
function isComparison(value: unknown): value is Comparison {
  return typeof value === 'object' && value !== null && (value as { comparison?: unknown }).comparison === 1;
}

function resultsIn(text: string): SavedResults {
  // fio writes its warnings before its JSON, also into a file.
  const json: unknown = JSON.parse(text.slice(Math.max(0, text.indexOf('{'))));
  if (isComparison(json)) return resultsOfComparison(json);
  if (isReport(text)) return resultsOfMainJob(json as Report);
  return resultsOfFio((json as { jobs?: unknown }).jobs);
}

function resultsOfComparison({ sections }: Comparison): SavedResults {
  const named = sections.flatMap(({ title, sides }) =>
    sides.map(({ label, repeats }) => [`${title}, ${label}`, repeats] as const),
  );
  return new Map(named.filter(([, repeats]) => repeats.length > 0));
}

function resultsOfMainJob({ rows }: Report): SavedResults {
  const available = rows.filter(({ unavailable }) => unavailable === null);
  return new Map(
    available.map((row) => [`${row.workload} ${row.engine}`, row.iopsOfRepeats.map((iops, index) => ofRow(row, iops, index))]),
  );
}

function ofRow(row: Report['rows'][number], iops: number, index: number): Observation {
  const { megabytesPerSecond, iops: median, p50Micros, p99Micros, cpuMicrosPerIoOfRepeats } = row;
  return {
    iops,
    bytesPerSecond: median === null || megabytesPerSecond === null ? 0 : (iops / median) * megabytesPerSecond * 1e6,
    p50Ns: p50Micros === null ? null : p50Micros * 1000,
    p99Ns: p99Micros === null ? null : p99Micros * 1000,
    cpuMicrosPerIo: cpuMicrosPerIoOfRepeats[index] ?? null,
    latencies: null,
    samples: [],
  };
}

/** Jobs of one name and group ran beside each other, those of other groups one after the other: they are repeats. */
function resultsOfFio(jobs: unknown): SavedResults {
  if (!Array.isArray(jobs)) throw new TypeError('no jobs');
  const groups = new Map<string, Map<unknown, FioJob[]>>();
  for (const job of jobs as FioJob[]) {
    if (typeof job.jobname !== 'string') throw new TypeError('a job without a name');
    const repeats = groups.get(job.jobname) ?? new Map<unknown, FioJob[]>();
    groups.set(job.jobname, repeats);
    repeats.set(job.groupid, [...(repeats.get(job.groupid) ?? []), job]);
  }
  return new Map([...groups].map(([name, repeats]) => [name, [...repeats.values()].map(observe)]));
}
