import type { GivenOption, JobSection } from './given-option.js';

/** The sections as a command line that asks for the same, as `fio --showcmd` prints it. */
export function commandLineOf(program: string, sections: readonly JobSection[]): string {
  // What is before the first job holds for all. What a global section further down has said stands in each job below it instead.
  const shared = sections[0]?.globals ?? [];
  const jobs = sections.flatMap(({ name, globals, options }) => {
    const own = [...globals.filter((given) => !shared.includes(given)), ...options];
    // name= is what the job is called in reports, whatever its section is.
    const called = [...globals, ...options].filter((given) => given.name === 'name').at(-1)?.value ?? name;
    return [`--name=${quoted(called)}`, ...wordsOf(own)];
  });
  return [program, ...wordsOf(shared), ...jobs].join(' ');
}

function wordsOf(options: readonly GivenOption[]): string[] {
  return options.filter(({ name }) => name !== 'name').map(wordOf);
}

function wordOf({ name, value }: GivenOption): string {
  return value === '' ? `--${name}` : `--${name}=${quoted(value)}`;
}

/** Safe in a shell. */
function quoted(text: string): string {
  return /^[\w./:,%=+@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
