// What the packages' benchmarks have in common: their options, and how they say what they have measured.
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { parseArgs } from 'node:util';
import { checkReportFile, writeReport } from './report-file.mjs';

/**
 * The options of a benchmark, checked before anything is measured. If they are wrong, it says so and sets the exit status.
 *
 * @param {{[name: string]: {value: string, default: number}}} counts further options that are whole numbers, with what to call their values;
 *   `--quick` takes a tenth of each that is not given: enough to see that everything works
 * @returns {{json?: string, repeats: number, [name: string]: unknown} | undefined}
 */
export function readOptions(counts = {}) {
  const all = { repeats: { value: 'N', default: 5 }, ...counts };
  const names = Object.keys(all);
  const asStrings = names.map((name) => [name, { type: 'string' }]);
  try {
    const { values } = parseArgs({
      options: { json: { type: 'string' }, quick: { type: 'boolean', default: false }, ...Object.fromEntries(asStrings) },
    });
    const options = { json: values.json && checkReportFile(values.json) };
    for (const name of names) {
      const fallback = values.quick ? Math.ceil(all[name].default / 10) : all[name].default;
      options[name] = Number(values[name] ?? fallback);
      if (Number.isInteger(options[name]) && options[name] >= 1) continue;
      throw new Error(`--${name} ${values[name]} is not a whole number >= 1`);
    }
    return options;
  } catch (error) {
    const usage = ['[--json FILE]', '[--quick]', ...names.map((name) => `[--${name} ${all[name].value}]`)].join(' ');
    process.stderr.write(`${error.message.split('\n')[0]}; usage: main.mjs ${usage}\n`);
    process.exitCode = 2;
    return undefined;
  }
}

/** How busy the machine is, for {@link environmentOf}: asked for before the benchmark is what makes it busy. */
export function currentLoad() {
  return Number(loadavg()[0].toFixed(2));
}

/** Where something was measured. */
export function environmentOf(loadBefore, repeats, more = {}) {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    platform: `${process.platform} ${process.arch} ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    ...more,
    loadBefore,
    repeats,
  };
}

/** Shows what is going on, in a line that the next one replaces. Only to people. */
export function tell(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

/** Prints figures, each with its values of all repeats; none means that it is not available. */
export function printFigures(figures) {
  const rows = figures.map(({ id, values }) => [id, ...spread(values)]);
  printTable([['figure', 'median', 'lowest', 'highest'], ...rows]);
}

/** The median of values, and the lowest and the highest, as cells of a table. */
export function spread(values) {
  if (values.length === 0) return ['not available', '', ''];
  return [median(values), Math.min(...values), Math.max(...values)].map(text);
}

export function printTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    const cells = row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])));
    console.log(cells.join('  ').trimEnd());
  }
}

export function printEnvironment(environment) {
  const parts = Object.entries(environment).map(([name, value]) => `${name} ${value}`);
  console.log(`\n${parts.join(', ')}`);
}

/** Writes the report that --json names, if it does. */
export function writeFigures(json, figures, environment) {
  if (json === undefined) return;
  const all = figures.map(({ id, values }) => [id, values.length === 0 ? null : rounded(median(values))]);
  writeReport(json, { figures: Object.fromEntries(all), environment });
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function text(value) {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function rounded(value) {
  return Number(value.toPrecision(4));
}
