// Runs the benchmark of every workspace that has one, one after the other, and merges their figures.
//
//   npm run bench [-- --json FILE]
//
// A workspace's `bench` script takes `--json FILE` and writes {"figures": {id: number | null},
// "environment": {…}} there. The merged figures are called `package.id`, as in `sync.lock_over_atomics`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkReportFile, writeReport } from './report-file.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function main() {
  const target = targetFile();
  const merged = { figures: {}, environment: {} };
  const broken = [];
  const folder = mkdtempSync(join(tmpdir(), 'biodone-bench-'));
  try {
    for (const { name, directory } of workspacesWithBenchmark()) {
      console.log(`\n${name}`);
      const file = join(folder, `${name}.json`);
      const result = runBenchmark(directory, file);
      if (typeof result === 'string') {
        broken.push(`${name}: ${result}`);
        continue;
      }
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
    console.error(line);
  }
  return broken.length === 0 ? 0 : 1;
}

/** The file named by --json, tried before anything runs: a wrong path must not cost minutes of measuring. */
function targetFile() {
  let json;
  try {
    ({ json } = parseArgs({ options: { json: { type: 'string' } } }).values);
  } catch (error) {
    fail(`${error.message.split('\n')[0]}; the only option is --json FILE`);
  }
  if (json === undefined) {
    return undefined;
  }
  try {
    return checkReportFile(json);
  } catch (error) {
    fail(error.message);
  }
}

function fail(message) {
  console.error(`bench: ${message}`);
  process.exit(2);
}

function workspacesWithBenchmark() {
  return ['packages', 'apps']
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(root, folder, name)))
    .map((directory) => ({
      directory,
      manifest: JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')),
    }))
    .filter(({ manifest }) => manifest.scripts?.bench !== undefined)
    .map(({ directory, manifest }) => ({ directory, name: manifest.name.replace('@biodone/', '') }));
}

/** Runs one benchmark; returns what it wrote, or what went wrong. */
function runBenchmark(directory, file) {
  const { status, error } = spawnSync('npm', ['run', '--silent', 'bench', '--', '--json', file], {
    cwd: directory,
    stdio: 'inherit',
  });
  if (error !== undefined) {
    return error.message;
  }
  if (status !== 0) {
    return `ended with exit status ${status}`;
  }
  try {
    const result = JSON.parse(readFileSync(file, 'utf8'));
    return { figures: result.figures ?? {}, environment: result.environment ?? {} };
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

process.exitCode = main();
