// Runs the benchmark of every workspace that has one, one after the other, merges their figures, and writes all their tables to
// docs/benchmarks.md.
//
//   npm run bench [-- --json FILE] [--only NAME,NAME] [--page FILE] [--quick]
//
// With --quick everything is measured once, and shortly: that shows whether it works, and writes no page but one that --page names.
//
// A workspace's `bench` script takes `--json FILE` and writes {"figures": {id: number | null},
// "environment": {…}} there. The merged figures are called `package.id`, as in `sync.lock_over_atomics`.
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { benchmarkPage, writePage } from './benchmark-page.mjs';
import { checkReportFile, writeReport } from './report-file.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

async function main() {
  const { target, page, only, quick } = readOptions();
  const startedAt = new Date();
  const merged = { figures: {}, environment: {} };
  const parts = [];
  const broken = [];
  const folder = mkdtempSync(join(tmpdir(), 'biodone-bench-'));
  try {
    for (const { name, directory } of chosen(workspacesWithBenchmark(), only)) {
      console.log(`\n${name}`);
      const file = join(folder, `${name}.json`);
      const result = await runBenchmark(directory, file, quick);
      if (typeof result === 'string') {
        broken.push(`${name}: ${result}`);
        continue;
      }
      parts.push({ name, output: result.output, command: `npm run bench -w @biodone/${name}` });
      Object.assign(merged.environment, result.environment);
      for (const [id, value] of Object.entries(result.figures)) {
        merged.figures[`${name}.${id}`] = value;
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  printFigures(merged);
  if (target !== undefined) {
    writeReport(target, merged);
  }
  for (const line of broken) {
    console.error(`bench: ${line}`);
  }
  if (page !== null && broken.length > 0) console.error(`bench: ${page} is left as it was`);
  // A page with gaps would replace one without, and one of some packages the one of all.
  if (page !== null && broken.length === 0) {
    writePage(page, benchmarkPage({ startedAt, endedAt: new Date(), quick, parts, ...merged }));
    console.log(`\nall of it is in ${page}`);
  }
  return broken.length === 0 ? 0 : 1;
}

/** The options, with the file of --json tried before anything runs: a wrong path must not cost minutes of measuring. */
function readOptions() {
  try {
    const text = { type: 'string' };
    const { values } = parseArgs({ options: { json: text, only: text, page: text, quick: { type: 'boolean', default: false } } });
    const only = values.only?.split(',') ?? null;
    const known = workspacesWithBenchmark().map(({ name }) => name);
    const unknown = only?.find((name) => !known.includes(name));
    if (unknown !== undefined) throw new Error(`--only '${unknown}' is none of ${known.join(', ')}`);
    const named = values.page === undefined ? null : checkedPage(values.page);
    const page = named ?? (only === null && !values.quick ? join(root, 'docs/benchmarks.md') : null);
    return { target: values.json === undefined ? undefined : checkReportFile(values.json), page, only, quick: values.quick };
  } catch (error) {
    console.error(`bench: ${error.message.split('\n')[0]}; options: --json FILE, --only NAME,NAME, --page FILE, --quick`);
    process.exit(2);
  }
}

/** npm runs scripts in the workspace's folder; the page was named from where the command was typed. */
function checkedPage(path) {
  const file = resolve(process.env.INIT_CWD ?? process.cwd(), path);
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    throw new Error(`cannot write '${file}' (${error.code}): name a page in a folder that exists and is yours after --page`);
  }
  return file;
}

function chosen(workspaces, only) {
  return only === null ? workspaces : workspaces.filter(({ name }) => only.includes(name));
}

/** From the bottom of the stack to its top; what is new stands behind. */
function workspacesWithBenchmark() {
  const known = ['sync', 'uring', 'blockdev', 'aio', 'posix-aio'];
  const place = (name) => (known.includes(name) ? known.indexOf(name) : known.length);
  return ['packages', 'apps']
    .flatMap((folder) =>
      readdirSync(join(root, folder))
        .sort((a, b) => place(a) - place(b))
        .map((name) => join(root, folder, name)),
    )
    .map((directory) => ({
      directory,
      manifest: JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')),
    }))
    .filter(({ manifest }) => manifest.scripts?.bench !== undefined)
    .map(({ directory, manifest }) => ({ directory, name: manifest.name.replace('@biodone/', '') }));
}

/** Runs one benchmark; resolves with what it wrote and printed, or with what went wrong. */
async function runBenchmark(directory, file, quick) {
  const child = spawn('npm', ['run', '--silent', 'bench', '--', '--json', file, ...(quick ? ['--quick'] : [])], {
    cwd: directory,
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk;
    process.stdout.write(chunk);
  });
  const ended = await new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (status) => resolve(status));
  });
  if (typeof ended === 'string') {
    return ended;
  }
  if (ended !== 0) {
    return `ended with exit status ${ended}`;
  }
  try {
    const result = JSON.parse(readFileSync(file, 'utf8'));
    return { figures: result.figures ?? {}, environment: result.environment ?? {}, output };
  } catch (problem) {
    return `wrote no figures (${problem.message})`;
  }
}

function printFigures({ figures, environment }) {
  const rows = Object.entries(figures).map(([id, value]) => [id, value === null ? 'not available' : format(value)]);
  const width = Math.max(0, ...rows.map(([id]) => id.length));
  console.log('\nfigures');
  for (const [id, value] of rows) {
    console.log(`  ${id.padEnd(width)}  ${value.padStart(13)}`);
  }
  console.log('\nenvironment');
  for (const [key, value] of Object.entries(environment)) {
    console.log(`  ${key}: ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  }
}

function format(value) {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}

process.exitCode = await main();
