// Measures this package beside what it stands on and what it competes with.
//
//   npm run bench -w @biodone/sync [-- --json FILE] [-- --repeats N]
//
// All cases are run once, then all again, and so on (A B A B): what disturbs the machine for a while disturbs all of them. Each figure is the median
// of the repeats; the table shows the lowest and the highest too. Both sides of a ratio do the same work, in the same repeat.
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { parseArgs } from 'node:util';
import { checkReportFile, writeReport } from '../../../scripts/report-file.mjs';
import { contention } from './contention.mjs';
import { inOneThread } from './in-one-thread.mjs';
import { queues } from './queues.mjs';
import { uncontended } from './uncontended.mjs';
import { wakeUps } from './wake-ups.mjs';

const cases = [uncontended, contention, inOneThread, wakeUps, queues];

const options = readOptions();
if (options !== undefined) await main(options);

async function main({ json, repeats }) {
  const before = loadavg()[0];
  const samples = new Map();
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const measure of cases) {
      if (process.stderr.isTTY) process.stderr.write(`\rrepeat ${repeat + 1} of ${repeats}: ${measure.name}          `);
      for (const [id, value] of Object.entries(await measure())) {
        if (!samples.has(id)) samples.set(id, []);
        samples.get(id).push(value);
      }
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const environment = {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    platform: `${process.platform} ${process.arch} ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    loadBefore: Number(before.toFixed(2)),
    repeats,
  };
  print(samples, environment);
  if (json !== undefined) {
    const figures = Object.fromEntries([...samples].map(([id, values]) => [id, rounded(median(values))]));
    writeReport(json, { figures, environment });
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({ options: { json: { type: 'string' }, repeats: { type: 'string', default: '5' } } });
    const repeats = Number(values.repeats);
    if (!Number.isInteger(repeats) || repeats < 1) throw new Error(`--repeats ${values.repeats} is not a positive number`);
    const json = values.json && checkReportFile(values.json);
    return { json, repeats };
  } catch (error) {
    process.stderr.write(`${error.message.split('\n')[0]}; usage: main.mjs [--json FILE] [--repeats N]\n`);
    process.exitCode = 2;
    return undefined;
  }
}

function print(samples, environment) {
  const rows = [...samples].map(([id, values]) => [id, median(values), Math.min(...values), Math.max(...values)]);
  const cells = [['figure', 'median', 'lowest', 'highest'], ...rows.map(([id, ...numbers]) => [id, ...numbers.map(text)])];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column].length)));
  for (const row of cells) {
    console.log(row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  '));
  }
  console.log(
    `\n${Object.entries(environment)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}`,
  );
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function rounded(value) {
  return Number(value.toPrecision(4));
}

function text(value) {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
