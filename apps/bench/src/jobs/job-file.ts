import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, resolve } from 'node:path';
import { quote, UsageError } from '../usage-error.js';
import type { GivenOption, JobSection } from './given-option.js';
import { optionNameOf } from './option-names.js';

const DEPTH_MAX = 16;
const BYTES_MAX = 4 * 2 ** 20;

/** What a line is read in. */
interface Reading {
  readonly environment: NodeJS.ProcessEnv;
  readonly sections: JobSection[];
  /** What the global sections have said so far. */
  readonly globals: GivenOption[];
  /** Where options go that come next; null before the first section. */
  options: GivenOption[] | null;
}

/**
 * Reads a job file: `[name]` begins a job, `[global]` sets what the jobs below it have unless they say otherwise, `;` and `#` begin a comment at the
 * beginning of a line, `include FILE` reads another file in its place, `${NAME}` is an environment variable, and `$pagesize`, `$mb_memory` and
 * `$ncpus` are the machine's.
 *
 * @param path `-` reads standard input
 * @throws UsageError with file and line
 */
export function readJobFile(path: string, environment: NodeJS.ProcessEnv = process.env): JobSection[] {
  const reading: Reading = { environment, sections: [], globals: [], options: null };
  readInto(reading, path, '', []);
  if (reading.sections.length === 0)
    throw new UsageError(`${path}: no job in it: begin one with its name in brackets, as in [job]`);
  return reading.sections;
}

/** @param includedAt the line that includes it, or nothing */
function readInto(reading: Reading, path: string, includedAt: string, including: readonly string[]): void {
  const lines = textOf(path, includedAt, including).split('\n');
  for (const [index, line] of lines.entries()) {
    const text = line.replaceAll('\0', '').trim();
    if (text === '' || text.startsWith(';') || text.startsWith('#')) continue;
    readLine(reading, text, `${path}:${index + 1}`, { path, including });
  }
}

function readLine(reading: Reading, text: string, place: string, file: { path: string; including: readonly string[] }): void {
  const include = /^include\s+(.+)$/.exec(text);
  if (text.startsWith('[')) {
    if (file.including.length > 0) throw new UsageError(`${place}: an included file holds options, not sections`);
    beginSection(reading, text, place);
  } else if (include !== null) {
    const name = include[1] ?? '';
    const from = file.path === '-' ? process.cwd() : dirname(file.path);
    readInto(reading, resolve(from, name), place, [...file.including, resolve(file.path)]);
  } else {
    addOption(reading, text, place);
  }
}

function beginSection(reading: Reading, text: string, place: string): void {
  const name = /^\[([^\]]+)\]$/.exec(text)?.[1];
  if (name === undefined) throw new UsageError(`${place}: ${quote(text)} is no section: put its name in brackets, as in [job]`);
  if (name === 'global') {
    reading.options = reading.globals;
    return;
  }
  const options: GivenOption[] = [];
  reading.sections.push({ name, globals: [...reading.globals], options, place });
  reading.options = options;
}

function addOption(reading: Reading, text: string, place: string): void {
  if (reading.options === null)
    throw new UsageError(`${place}: ${quote(text)} is before the first section: put [global] above it`);
  const equals = text.indexOf('=');
  const written = (equals < 0 ? text : text.slice(0, equals)).trim();
  const value = equals < 0 ? '' : substitute(text.slice(equals + 1).trim(), place, reading.environment);
  reading.options.push({ name: optionNameOf(written, place), value, place });
}

/** Puts in what `${NAME}` and the words of the machine stand for. Nothing is ever executed. */
function substitute(value: string, place: string, environment: NodeJS.ProcessEnv): string {
  const filled = value.replaceAll(/\$\{([^}]*)\}/g, (_, name: string) => {
    const found = environment[name];
    if (found === undefined)
      throw new UsageError(`${place}: the environment has no variable ${quote(name)}: set it, or write its value here`);
    return found;
  });
  return filled
    .replaceAll('$pagesize', '4096')
    .replaceAll('$mb_memory', String(Math.floor(totalmem() / 2 ** 20)))
    .replaceAll('$ncpus', () => String(availableParallelism()));
}

function textOf(path: string, includedAt: string, including: readonly string[]): string {
  const where = includedAt === '' ? '' : `${includedAt}: `;
  if (including.includes(resolve(path)) || including.length > DEPTH_MAX)
    throw new UsageError(`${where}${quote(path)}: the files include each other`);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${where}${quote(path)} cannot be read (${code}): name a job file that can`);
  }
  if (bytes.length > BYTES_MAX || bytes.subarray(0, 512).includes(0))
    throw new UsageError(`${where}${quote(path)} is no job file`);
  return bytes.toString('utf8');
}
