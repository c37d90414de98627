import { parseArgs } from 'node:util';
import { editDistance, nearest } from './nearest.js';
import { formatSize, parseSize } from './size.js';
import { quote, UsageError } from './usage-error.js';

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'run'; readonly options: RunOptions };

/** Options of a run. */
export interface RunOptions {
  /** Where the test file is made under a name of its own, unless {@link path} names it; null is the system's temporary folder. */
  readonly directory: string | null;
  /** The test file to make, or null. */
  readonly path: string | null;
  readonly sizeBytes: number;
  /** How long the whole run takes, making the file included. */
  readonly seconds: number;
  readonly repeats: number;
  /** Where the report goes, or null. */
  readonly jsonFile: string | null;
  /** Whether the commands are printed with which fio does the same. */
  readonly showsFio: boolean;
}

/** Fewer repeats than these say too little about the spread, and are marked. */
export const REPEATS_WANTED = 5;
/** The smallest file in which random reads are still random to the processor's caches, and 8 MiB can be in flight. */
const SIZE_BYTES_MIN = 16 * 2 ** 20;

const DEFAULTS = { sizeBytes: 256 * 2 ** 20, seconds: 50, repeats: REPEATS_WANTED };
const QUICK = { sizeBytes: 64 * 2 ** 20, seconds: 5, repeats: 1 };

/** What the first word may be instead of a path: see main.ts. */
const COMMANDS = ['run', 'compare', 'gate'];

const OPTIONS = {
  directory: { type: 'string' },
  size: { type: 'string' },
  seconds: { type: 'string' },
  repeats: { type: 'string' },
  quick: { type: 'boolean' },
  json: { type: 'string' },
  fio: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

/** Reads the command line. @throws UsageError where it cannot be understood */
export function parseCommandLine(args: readonly string[]): Command {
  refuseUnclear(args);
  const { values, positionals } = parseStrictly(args);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const [path = null, second] = positionals;
  if (path !== null) refuseMistyped(notEmpty('PATH', path));
  if (second !== undefined) {
    throw new UsageError(`one test file is enough: leave out '${second}', or quote a path that has spaces`);
  }
  if (path !== null && values.directory !== undefined) {
    throw new UsageError(`'${path}' and --directory both say where the test file goes: leave one of them out`);
  }
  const defaults = values.quick === true ? QUICK : DEFAULTS;
  const options: RunOptions = {
    directory: values.directory === undefined ? null : notEmpty('directory', values.directory),
    path,
    sizeBytes: values.size === undefined ? defaults.sizeBytes : sizeOf(values.size),
    seconds: values.seconds === undefined ? defaults.seconds : numberOf('seconds', values.seconds, 3600),
    repeats: values.repeats === undefined ? defaults.repeats : numberOf('repeats', values.repeats, 1000),
    jsonFile: values.json === undefined ? null : notEmpty('json', values.json),
    showsFio: values.fio === true,
  };
  return { kind: 'run', options };
}

/** Strict parsing refuses the same, but does not say what was probably meant. */
function refuseUnclear(args: readonly string[]): void {
  const { tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, allowPositionals: true, tokens: true });
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    if (!isKnown(token.name)) {
      const meant = nearest(token.name, Object.keys(OPTIONS));
      const advice = meant === null ? 'see --help for those that exist' : `did you mean --${meant}?`;
      throw new UsageError(`unknown option ${token.rawName}: ${advice}`);
    }
    const takesValue = OPTIONS[token.name].type === 'string';
    const looksLikeOption = token.inlineValue !== true && token.value?.startsWith('-') === true;
    if (takesValue && (token.value === undefined || looksLikeOption)) {
      throw new UsageError(`--${token.name} needs a value after it: see --help`);
    }
  }
}

function isKnown(name: string): name is keyof typeof OPTIONS {
  return Object.hasOwn(OPTIONS, name);
}

function parseStrictly(args: readonly string[]): {
  values: { [name in keyof typeof OPTIONS]?: (typeof OPTIONS)[name]['type'] extends 'string' ? string : boolean };
  positionals: string[];
} {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: true });
  } catch (error) {
    const message = (error as Error).message.split('\n')[0] ?? '';
    throw new UsageError(`${message.replace(/\.$/, '')}: see --help`);
  }
}

function sizeOf(text: string): number {
  const bytes = parseSize(text);
  if (bytes === null) {
    throw new UsageError(`--size '${text}' is not a size: give bytes as a whole number, with k, m or g, as in --size 256m`);
  }
  if (bytes < SIZE_BYTES_MIN) {
    throw new UsageError(`--size ${text} is too small: give at least ${formatSize(SIZE_BYTES_MIN)}, as in --size 64m`);
  }
  return bytes;
}

function numberOf(name: string, text: string, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > max) {
    throw new UsageError(`--${name} '${text}' is not possible: give a whole number from 1 to ${max}`);
  }
  return value;
}

/** Who mistypes a command does not want a minute of measuring, and a file of that name. */
function refuseMistyped(path: string): void {
  const meant = COMMANDS.find((command) => editDistance(path, command) <= 1 || sorted(path) === sorted(command));
  if (meant === undefined) return;
  throw new UsageError(`${quote(path)} is no command: did you mean ${meant}? A test file of that name is ./${path}`);
}

/** The letters of a word, by which those that have changed places are the same. */
function sorted(word: string): string {
  return [...word].sort().join('');
}

function notEmpty(name: string, text: string): string {
  if (text !== '') return text;
  throw new UsageError(`${name === 'PATH' ? name : `--${name}`} is empty: give it a value, or leave it out`);
}
