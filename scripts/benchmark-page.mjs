// docs/benchmarks.md: all tables of one run of `npm run bench`, with the machine, the date and the commands.
import { renameSync, writeFileSync } from 'node:fs';

const BEGINNING = `# Benchmarks

All tables of this project, as \`npm run bench\` has measured them: every package beside what it stands on, and the whole beside what Node.js and
fio offer. That command writes this page; it is not edited by hand.

Ratios of one run hold from machine to machine better than absolute figures do. What the rows are is told in the README of each package.
`;

/**
 * The page.
 *
 * @param {{startedAt: Date, endedAt: Date, quick?: boolean, parts: {name: string, command: string, output: string}[], figures: object,
 *   environment: object}} run
 */
export function benchmarkPage({ startedAt, endedAt, quick = false, parts, figures, environment }) {
  return [
    BEGINNING,
    ...warnings(environment),
    ...(quick
      ? ['**Everything was measured once, and shortly (`--quick`): that shows whether it works, and says nothing else.**']
      : []),
    `## Machine\n\n${machine(environment, startedAt)}\n- all of it took: ${Math.ceil((endedAt - startedAt) / 60_000)} minutes`,
    `## Figures\n\n${figuresTable(figures)}`,
    ...parts.map(({ name, command, output }) => `## ${name}\n\n\`${command}\`\n\n\`\`\`text\n${tidy(output)}\n\`\`\``),
    '',
  ]
    .join('\n\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trimEnd()
    .concat('\n');
}

/** Writes it as a whole or not at all. */
export function writePage(file, text) {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, file);
}

/** Where and when. What a part has not told of is left out. */
function machine(environment, startedAt) {
  const { memoryBytes, governor, clockSource, ioUring, fileSystem, scheduler, libuv, threadPoolSize, repeats, loadBefore } =
    environment;
  const memory = memoryBytes === undefined ? undefined : `${(memoryBytes / 2 ** 30).toFixed(1)} GiB of memory`;
  const lines = [
    ['CPU', `${environment.cpus} × ${environment.cpu}`, environment.architecture, said('governor', governor), memory],
    ['kernel', environment.kernel ?? environment.platform, said('clock', clockSource), said('io_uring', ioUring)],
    ['disk', fileSystem, said('scheduler', scheduler)],
    ['Node', environment.node, said('libuv', libuv), said('threads in its pool:', threadPoolSize)],
    ['fio', environment.fio],
    ['date', startedAt.toISOString().slice(0, 10), said('load before:', loadBefore), said('other work:', share(environment))],
    ['repeats', repeats],
  ];
  return lines
    .map(([name, ...parts]) => [name, parts.filter((part) => part !== undefined)])
    .filter(([, parts]) => parts.length > 0)
    .map(([name, parts]) => `- ${name}: ${parts.join(', ')}`)
    .join('\n');
}

function said(name, value) {
  return value === undefined ? undefined : `${name} ${value}`;
}

function share({ otherCpuShare }) {
  return otherCpuShare === undefined ? undefined : `${Math.round(otherCpuShare * 100)} % of the CPU time`;
}

function warnings(environment) {
  if (!(environment.otherCpuShare > 0.05)) return [];
  return [`**Others took ${share(environment)} of the machine meanwhile: the figures suffer from it.**`];
}

function figuresTable(figures) {
  const rows = Object.entries(figures).map(([id, value]) => `| \`${id}\` | ${value === null ? 'not available' : text(value)} |`);
  return ['| figure | median |', '|---|---:|', ...rows].join('\n');
}

function text(value) {
  return Number.isInteger(value) ? value.toLocaleString('en-US') : String(Number(value.toPrecision(4)));
}

/** As it was printed, but for the line that names a file of that machine. */
function tidy(output) {
  return output
    .split('\n')
    .filter((line) => !line.startsWith('Test file: '))
    .map((line) => line.trimEnd())
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
}
