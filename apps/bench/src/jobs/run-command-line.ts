import { parseArgs } from 'node:util';
import { nearest } from '../nearest.js';
import { FORMATS as REPORT_FORMATS } from '../report/formats.js';
import { UsageError } from '../usage-error.js';
import type { GivenOption, JobSection } from './given-option.js';
import { readJobFile } from './job-file.js';
import { findOption, knownOptions, optionNameOf } from './option-names.js';
import { OPTION_ALIASES, OPTION_TABLE } from './option-table.js';
import { microsOf, ValueError } from './option-values.js';
import { reasonAgainst } from './unsupported-options.js';

/** What `biodone-bench run …` asks for. */
export interface RunCommand {
  readonly sections: readonly JobSection[];
  readonly parseOnly: boolean;
  readonly showCommand: boolean;
  readonly help: boolean;
  /** Nothing may be written, whatever the jobs say. */
  readonly readOnly: boolean;
  /** Devices and files of others that may be written, as they were named. */
  readonly destructive: readonly string[];
  /** What is printed, in this order. */
  readonly outputFormats: readonly string[];
  /** Where the output goes, or null for standard output. */
  readonly output: string | null;
  /** How often a report is printed while it runs, or null. */
  readonly statusIntervalMs: number | null;
  readonly eta: 'auto' | 'always' | 'never';
  /** After so long without a completion a job is given up; Infinity to wait for ever. */
  readonly stallMs: number;
}

const TOOL_OPTIONS = {
  'parse-only': { type: 'boolean' },
  showcmd: { type: 'boolean' },
  readonly: { type: 'boolean' },
  destructive: { type: 'string', multiple: true },
  section: { type: 'string', multiple: true },
  'max-jobs': { type: 'string' },
  'output-format': { type: 'string' },
  'terse-version': { type: 'string' },
  output: { type: 'string' },
  'status-interval': { type: 'string' },
  eta: { type: 'string' },
  'stall-timeout': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type ToolOption = keyof typeof TOOL_OPTIONS;

/** fio's own limit on the jobs of a run. */
const JOBS_MAX = 4096;
/** A flush of gigabytes to a slow disk takes its time. */
const STALL_MS = 60_000;
/** It is looked for every half second. */
const STALL_MS_MIN = 2000;
const FORMATS = Object.keys(REPORT_FORMATS);

/**
 * Reads the command line: `--name=` begins a job, options before it hold for all jobs, and what is no option is a job file.
 *
 * @throws UsageError where it cannot be understood
 */
export function parseRunCommand(args: readonly string[], environment: NodeJS.ProcessEnv = process.env): RunCommand {
  const reading = readArguments(args);
  const { tool, files, globals, jobs } = reading;
  const asked = (name: ToolOption): string | undefined => tool.get(name)?.at(-1);
  const help = tool.has('help');
  const fromFiles = help ? [] : files.flatMap((file) => readJobFile(file, environment));
  // What the command line says outside a job holds for the jobs of files too, but they say it better.
  const sections = [...fromFiles.map((section) => ({ ...section, globals: [...globals, ...section.globals] })), ...jobs];
  return {
    sections: help ? [] : chosen(sections, tool.get('section') ?? [], limitOf(asked('max-jobs'))),
    parseOnly: tool.has('parse-only'),
    showCommand: tool.has('showcmd'),
    help,
    readOnly: tool.has('readonly'),
    destructive: tool.get('destructive') ?? [],
    outputFormats: formatsOf(asked('output-format') ?? 'normal', asked('terse-version') ?? '3'),
    output: notEmpty('output', asked('output') ?? null),
    statusIntervalMs: intervalOf(asked('status-interval')),
    eta: etaOf(asked('eta') ?? 'auto'),
    stallMs: stallOf(asked('stall-timeout')),
  };
}

interface Reading {
  readonly tool: Map<ToolOption, string[]>;
  readonly files: string[];
  readonly globals: GivenOption[];
  readonly jobs: JobSection[];
}

function readArguments(args: readonly string[]): Reading {
  const reading: Reading = { tool: new Map(), files: [], globals: [], jobs: [] };
  const { tokens } = parseArgs({
    args: [...args],
    options: parserOptions(),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'positional') reading.files.push(token.value);
    if (token.kind === 'option') readOption(reading, token.name, token.rawName, token.value, token.inlineValue === true);
  }
  return reading;
}

function readOption(reading: Reading, name: string, rawName: string, value: string | undefined, isInline: boolean): void {
  if (isToolOption(name)) {
    const takesValue = TOOL_OPTIONS[name].type === 'string';
    if (takesValue && (value === undefined || (!isInline && value.startsWith('--'))))
      throw new UsageError(`${rawName} needs a value after it`);
    if (!takesValue && isInline && name !== 'readonly') throw new UsageError(`${rawName} takes no value`);
    reading.tool.set(name, [...(reading.tool.get(name) ?? []), value ?? '']);
    return;
  }
  if (findOption(name) === null) refuseUnknown(name, rawName);
  const known = optionNameOf(name, rawName, '--');
  const lone = value === undefined || (!isInline && value.startsWith('--'));
  if (lone && !OPTION_TABLE[known].isFlag) throw new UsageError(`${rawName} needs a value after it, as in ${rawName}=…`);
  const given = { name: known, value: value ?? '', place: rawName };
  const { jobs, globals } = reading;
  if (known === 'name' && value === '') throw new UsageError('--name is empty: a job has a name, as in --name=test');
  if (known === 'name') jobs.push({ name: given.value, globals: [...globals], options: [], place: `--name=${given.value}` });
  else ((jobs.at(-1)?.options as GivenOption[] | undefined) ?? globals).push(given);
}

function refuseUnknown(name: string, rawName: string): void {
  const meant = reasonAgainst(name) === null ? nearest(name, [...Object.keys(TOOL_OPTIONS), ...knownOptions()]) : null;
  if (meant !== null && isToolOption(meant)) throw new UsageError(`unknown option ${rawName}: did you mean --${meant}?`);
  try {
    optionNameOf(name, rawName, '--');
  } catch (error) {
    // The place is the option itself, which need not stand there twice.
    throw new UsageError((error as Error).message.replace(`${rawName}: `, ''));
  }
}

/** `--name=value` and `--name value`; what can stand alone takes its value only behind `=`, as getopt_long(3) has it. */
function parserOptions(): NonNullable<Parameters<typeof parseArgs>[0]>['options'] {
  const names = [
    ...Object.entries(OPTION_TABLE),
    ...Object.entries(OPTION_ALIASES).map(([alias, name]) => [alias, OPTION_TABLE[name]] as const),
  ];
  const job = names.map(([name, { isFlag }]) => [name, { type: isFlag ? 'boolean' : 'string', multiple: true }]);
  return { ...Object.fromEntries(job), ...TOOL_OPTIONS };
}

function isToolOption(name: string): name is ToolOption {
  return Object.hasOwn(TOOL_OPTIONS, name);
}

function chosen(sections: readonly JobSection[], wanted: readonly string[], limit: number): readonly JobSection[] {
  for (const name of wanted) {
    if (!sections.some((section) => section.name === name))
      throw new UsageError(`--section=${name}: there is no job of that name`);
  }
  const kept = wanted.length === 0 ? sections : sections.filter(({ name }) => wanted.includes(name));
  if (kept.length === 0)
    throw new UsageError('no job: name a job file, or begin one with --name=, as in --name=test --rw=randread --size=64m');
  if (kept.length > limit) throw new UsageError(`${kept.length} jobs are more than --max-jobs ${limit}`);
  return kept;
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return JOBS_MAX;
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1)
    throw new UsageError(`--max-jobs '${text}' is not possible: give a whole number from 1`);
  return limit;
}

function formatsOf(text: string, terseVersion: string): string[] {
  if (terseVersion !== '3') throw new UsageError(`--terse-version '${terseVersion}' is not possible: give 3, or leave it out`);
  const formats = text.split(',');
  for (const format of formats) {
    if (!FORMATS.some((known) => known === format))
      throw new UsageError(`--output-format '${format}' is none of ${FORMATS.join(', ')}`);
  }
  return formats;
}

function intervalOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const intervalMs = millisOf('--status-interval', text);
  if (intervalMs < 100) throw new UsageError(`--status-interval ${text} is too short: give at least 100ms`);
  return intervalMs;
}

function stallOf(text: string | undefined): number {
  if (text === undefined) return STALL_MS;
  const stallMs = millisOf('--stall-timeout', text);
  if (stallMs > 0 && stallMs < STALL_MS_MIN)
    throw new UsageError(`--stall-timeout ${text} is too short: give at least ${STALL_MS_MIN / 1000}s, or 0 to wait for ever`);
  return stallMs === 0 ? Number.POSITIVE_INFINITY : stallMs;
}

function millisOf(name: string, text: string): number {
  try {
    return microsOf(text, 's') / 1000;
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new UsageError(`${name} '${text}' ${error.message}`);
  }
}

function etaOf(text: string): RunCommand['eta'] {
  if (text === 'auto' || text === 'always' || text === 'never') return text;
  throw new UsageError(`--eta '${text}' is none of auto, always, never`);
}

function notEmpty(name: string, text: string | null): string | null {
  if (text === '') throw new UsageError(`--${name} is empty: give it a value, or leave it out`);
  return text;
}
