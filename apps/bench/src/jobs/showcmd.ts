import type { GivenOption, JobSection } from './given-option.js';

/** The sections as a command line, as `fio --showcmd` prints it. */
export function commandLineOf(program: string, sections: readonly JobSection[]): string {
  const shown: GivenOption[] = [];
  const words = [program];
  for (const { name, globals, options } of sections) {
    // A global section that comes later holds for the jobs below it: what is new in it stands before the next job.
    const fresh = globals.filter((given) => !shown.includes(given));
    shown.push(...fresh);
    if (words.length === 1) words.push(...fresh.map(wordOf), `--name=${quoted(name)}`, ...options.map(wordOf));
    else words.push(`--name=${quoted(name)}`, ...fresh.map(wordOf), ...options.map(wordOf));
  }
  return words.join(' ');
}

function wordOf({ name, value }: GivenOption): string {
  return value === '' ? `--${name}` : `--${name}=${quoted(value)}`;
}

/** Safe in a shell. */
function quoted(text: string): string {
  return /^[\w./:,%=+@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
