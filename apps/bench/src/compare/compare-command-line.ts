import { findOption, knownOptions } from '../jobs/option-names.js';
import { nearest } from '../nearest.js';
import { UsageError } from '../usage-error.js';
import { parseSubject, type Subject } from './subject.js';
import { parseToolArguments } from './tool-arguments.js';

/** What `biodone-bench compare` asks for. */
export interface CompareCommand {
  readonly help: boolean;
  readonly subjects: readonly Subject[];
  readonly repeats: number;
  /** One of the names that `--output-format` takes. */
  readonly format: CompareFormat;
  /** Where the report goes, or null for standard output. */
  readonly output: string | null;
  /** Where the test file is made, or null for the system's temporary folder. */
  readonly directory: string | null;
  /** Options of the job, by their names; null for one without a value. */
  readonly job: ReadonlyMap<string, string | null>;
}

const COMPARE_FORMATS = ['normal', 'json', 'markdown', 'csv', 'html'] as const;
type CompareFormat = (typeof COMPARE_FORMATS)[number];

/** As many as it takes to see how far they lie apart. */
const REPEATS_DEFAULT = 5;
const REPEATS_MAX = 1000;

const OPTIONS = {
  repeats: { type: 'string' },
  'output-format': { type: 'string' },
  output: { type: 'string' },
  directory: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Options of jobs that would change what is compared. */
const REFUSED: Readonly<Record<string, string>> = {
  ioengine: 'name the engines to compare instead, as in compare uring fs',
  device: "name the stacks to compare instead, as in compare 'device:mem(64m)'",
  name: 'all sides do the same job',
  numjobs: 'compare one job, or save results of run and compare those',
};

/** Reads the command line. @throws UsageError where it cannot be understood */
export function parseCompareCommand(args: readonly string[]): CompareCommand {
  const { own, job } = divide(args);
  const { values, positionals } = parseToolArguments(own, OPTIONS, 'compare');
  const help = values.help === true;
  const subjects = help ? [] : positionals.map(parseSubject);
  if (!help) checkSubjects(subjects, job);
  return {
    help,
    subjects,
    repeats: repeatsOf(values.repeats),
    format: formatOf(values['output-format'] ?? 'normal'),
    output: values.output ?? null,
    directory: values.directory ?? null,
    job,
  };
}

/** Options of the job stand as `--name=value` among the others; whether they are good is found out by `run`. */
function divide(args: readonly string[]): { own: string[]; job: Map<string, string | null> } {
  const own: string[] = [];
  const job = new Map<string, string | null>();
  for (const arg of args) {
    const match = /^--([a-z0-9_]+)(?:=(.*))?$/s.exec(arg);
    const name = match?.[1] ?? '';
    if (match === null || Object.hasOwn(OPTIONS, name)) {
      own.push(arg);
      continue;
    }
    const reason = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined;
    if (reason !== undefined) throw new UsageError(`--${name} is no option of compare: ${reason}`);
    if (findOption(name) === null) refuseMisspelt(name);
    job.set(name, match[2] ?? null);
  }
  return { own, job };
}

/** What is no option of a job, but near one of this command. Whatever else is wrong with it, `run` will say. */
function refuseMisspelt(name: string): void {
  if (nearest(name, Object.keys(OPTIONS)) === null) return;
  const meant = nearest(name, [...Object.keys(OPTIONS), ...knownOptions()]);
  throw new UsageError(`unknown option --${name}: did you mean --${meant}?`);
}

function checkSubjects(subjects: readonly Subject[], job: ReadonlyMap<string, unknown>): void {
  if (subjects.length < 2)
    throw new UsageError('compare takes two sides or more, as in compare uring fs fio:io_uring: see compare --help');
  const saved = subjects.filter(({ kind }) => kind === 'saved');
  if (saved.length > 0 && saved.length < subjects.length) {
    throw new UsageError('saved results are compared with saved results: leave out the others, or save theirs first');
  }
  const [option] = saved.length > 0 ? job.keys() : [];
  if (option !== undefined) throw new UsageError(`--${option} changes nothing about saved results: leave it out`);
  const labels = subjects.map(({ label }) => label);
  const twice = labels.find((label, index) => labels.indexOf(label) !== index);
  if (twice !== undefined) throw new UsageError(`'${twice}' stands there twice: leave one of them out`);
}

function repeatsOf(text: string | undefined): number {
  if (text === undefined) return REPEATS_DEFAULT;
  const repeats = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (repeats >= 1 && repeats <= REPEATS_MAX) return repeats;
  throw new UsageError(`--repeats '${text}' is not possible: give a whole number from 1 to ${REPEATS_MAX}`);
}

function formatOf(text: string): CompareFormat {
  const found = COMPARE_FORMATS.find((format) => format === text);
  if (found !== undefined) return found;
  throw new UsageError(`--output-format '${text}' is none of ${COMPARE_FORMATS.join(', ')}`);
}
