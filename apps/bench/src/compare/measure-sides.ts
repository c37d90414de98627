import { programPath } from '../program.js';
import type { TestFile } from '../test-file.js';
import { UsageError } from '../usage-error.js';
import { type ChildCommand, runChild } from './child-run.js';
import type { Side } from './comparison.js';
import type { Observation } from './observation.js';
import type { Subject } from './subject.js';

/** The job that all sides do. */
export interface SidesJob {
  /** Options of `run` and fio, but for the engine and the file. */
  readonly options: ReadonlyMap<string, string | null>;
  /** The file that this program has made for it, or null where the options name one. */
  readonly file: TestFile | null;
  readonly isBuffered: boolean;
}

export interface MeasureSidesOptions {
  readonly subjects: readonly Subject[];
  readonly job: SidesJob;
  readonly repeats: number;
  readonly signal: AbortSignal;
  /** Hears what is going on, and which share of all is done. */
  readonly onProgress: (text: string, share: number) => void;
}

export interface MeasuredSides {
  readonly sides: readonly Side[];
  /** Sides that failed after they had begun well. */
  readonly failures: readonly string[];
}

/**
 * Code is compiled in this time, which takes the more of it the slower the device is. fio has none to compile, and its CPU time could not be divided.
 */
const RAMP = '1s';

/** Lets all sides do the job, everything once before anything twice, each time beginning with another side. */
export async function measureSides({ subjects, job, repeats, signal, onProgress }: MeasureSidesOptions): Promise<MeasuredSides> {
  const observations = new Map<Subject, Observation[]>(subjects.map((subject) => [subject, []]));
  const reasons = new Map<Subject, string>();
  const failures: string[] = [];
  const costs = new Map<Subject, number | null>();
  let begun = 0;
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const subject of rotated(subjects, repeat)) {
      if (reasons.has(subject) || signal.aborted) continue;
      onProgress(`repeat ${repeat + 1} of ${repeats} · ${subject.label}`, begun / (repeats * subjects.length));
      begun += 1;
      if (job.isBuffered) await job.file?.settle();
      const outcome = await runChild(commandOf(subject, job), signal);
      if (outcome.kind === 'done') {
        observations.get(subject)?.push(outcome.observation);
        costs.set(subject, outcome.harnessNs);
      } else if (!signal.aborted) {
        reasons.set(subject, outcome.reason);
        if (repeat > 0) failures.push(`${subject.label}: ${outcome.reason}`);
      }
    }
  }
  const sides = subjects.map((subject) => ({
    label: subject.label,
    unavailable: reasons.get(subject) ?? null,
    repeats: observations.get(subject) ?? [],
    harnessNs: costs.get(subject) ?? null,
  }));
  return { sides, failures };
}

/** Asks `run` whether it understands the job on every side that it would do. @throws UsageError with its answer where it does not */
export async function checkJob(subjects: readonly Subject[], job: SidesJob, signal: AbortSignal): Promise<void> {
  const own = subjects.filter(({ kind }) => kind !== 'fio');
  const checked = own.length > 0 ? own : [{ kind: 'engine', label: 'null', engine: 'null' } as const];
  for (const subject of checked) {
    const { file, args } = commandOf(subject, job);
    const outcome = await runChild({ file, args: [...args, '--parse-only'], isFio: false }, signal);
    if (outcome.kind === 'failed' && outcome.isUsage) throw new UsageError(outcome.reason);
  }
}

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const first = by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

function commandOf(subject: Subject, job: SidesJob): ChildCommand {
  const options = [...job.options].map(([name, value]) => (value === null ? `--${name}` : `--${name}=${value}`));
  const file = job.file === null || subject.kind === 'device' ? [] : [`--filename=${job.file.path}`];
  const common = ['--name=compare', ...options, ...file];
  if (subject.kind === 'fio') {
    // The page cache is warm on purpose. Bins of total latencies come only with their percentiles.
    const cache = job.isBuffered ? ['--invalidate=0'] : [];
    const args = [
      ...common,
      `--ioengine=${subject.engine}`,
      ...cache,
      '--lat_percentiles=1',
      '--output-format=json+',
      '--eta=never',
    ];
    return { file: 'fio', args, isFio: true };
  }
  const place =
    subject.kind === 'device' ? [`--device=${subject.spec}`] : [`--ioengine=${subject.kind === 'engine' ? subject.engine : ''}`];
  const allowed = job.file === null ? [] : ['--destructive', job.file.path];
  const ramp = job.options.has('ramp_time') ? [] : [`--ramp_time=${RAMP}`];
  const args = [
    programPath(),
    'run',
    ...allowed,
    '--output-format=json+',
    '--eta=never',
    ...common,
    ...place,
    ...ramp,
    '--lat_percentiles=1',
  ];
  return { file: process.execPath, args, isFio: false };
}
