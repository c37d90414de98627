// Measures this package beside what Node has and beside fio, which is written in C: random reads of 4 KiB, of a file in the page cache and past it.
//
//   npm run bench -w @biodone/uring [-- --json FILE] [-- --repeats N]
//
// All paths are run once, then all again, and so on (A B A B, and every other time from the last to the first): what disturbs the machine for a while
// disturbs all of them. Each path warms up before it counts. Each figure is the median of the repeats; the table shows the lowest and the
// highest too. Both sides of a ratio do the same work, in the same repeat, and record the latency of every read: those in JavaScript by the
// same function and clock (performance.now(), once a read: see recorder.mjs), fio by its own.
import { once } from 'node:events';
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { probe } from '@biodone/uring';
import { checkReportFile, writeReport } from '../../../scripts/report-file.mjs';
import { biodone } from './biodone.mjs';
import { fioIoUring, fioVersion, missingFio } from './fio.mjs';
import { measured } from './measured.mjs';
import { fileHandle, fsRead, fsReadSync } from './node-fs.mjs';
import { TestFile } from './test-file.mjs';

const BLOCK_BYTES = 4096;
/** Before each slice: the optimizing compiler needs a while, and forgets what it has not seen for some time. */
const WARM_UP_MS = 300;
const SLICE_MS = 700;

const PATHS = [
  { id: 'fio_io_uring_d32', run: fio, depth: 32 },
  { id: 'biodone_d32', run: inThisThread(biodone), depth: 32 },
  { id: 'fs_read_d32', run: inThisThread(fsRead), depth: 32 },
  { id: 'filehandle_d32', run: inThisThread(fileHandle), depth: 32 },
  { id: 'biodone_worker_d32', run: inWorker, depth: 32 },
  { id: 'fio_io_uring_registered_d32', run: fio, depth: 32, registered: true },
  { id: 'biodone_registered_d32', run: inThisThread(biodone), depth: 32, registered: true },
  { id: 'fio_io_uring_d1', run: fio, depth: 1 },
  { id: 'biodone_d1', run: inThisThread(biodone), depth: 1 },
  { id: 'fs_read_d1', run: inThisThread(fsRead), depth: 1 },
  { id: 'filehandle_d1', run: inThisThread(fileHandle), depth: 1 },
  { id: 'fs_readsync_d1', run: inThisThread(fsReadSync), depth: 1 },
  { id: 'fio_io_uring_direct_d32', run: fio, depth: 32, direct: true },
  { id: 'biodone_direct_d32', run: inThisThread(biodone), depth: 32, direct: true },
];

const FIGURES = [
  { id: 'd32_over_fio_io_uring', ours: 'biodone_d32', theirs: 'fio_io_uring_d32', of: 'iops' },
  { id: 'd32_over_fs_read', ours: 'biodone_d32', theirs: 'fs_read_d32', of: 'iops' },
  { id: 'd32_over_filehandle', ours: 'biodone_d32', theirs: 'filehandle_d32', of: 'iops' },
  { id: 'd1_over_filehandle', ours: 'biodone_d1', theirs: 'filehandle_d1', of: 'iops' },
  { id: 'cpu_over_fs_read', ours: 'biodone_d32', theirs: 'fs_read_d32', of: 'cpuUs' },
  { id: 'worker_over_main', ours: 'biodone_worker_d32', theirs: 'biodone_d32', of: 'iops' },
  { id: 'direct_d32_over_fio_io_uring', ours: 'biodone_direct_d32', theirs: 'fio_io_uring_direct_d32', of: 'iops' },
];

const options = readOptions();
if (options !== undefined) await main(options);

async function main({ json, repeats }) {
  const before = loadavg()[0];
  const file = new TestFile();
  const reasons = reasonsAgainst(file);
  const samples = new Map(PATHS.map(({ id }) => [id, []]));
  const worker = reasons.has('biodone_worker_d32') ? null : new Worker(new URL('./workers/reader.mjs', import.meta.url));
  const possible = PATHS.filter(({ id }) => !reasons.has(id));
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const path of repeat % 2 === 0 ? possible : possible.toReversed()) {
      tell(`repeat ${repeat + 1} of ${repeats}: ${path.id}`);
      if (!path.direct) file.readThrough();
      const { depth, direct = false, registered = false } = path;
      const load = {
        path: file.path,
        depth,
        direct,
        registered,
        blockBytes: BLOCK_BYTES,
        warmUpMs: WARM_UP_MS,
        lengthMs: SLICE_MS,
        seed: repeat,
      };
      samples.get(path.id).push(await path.run(load, worker));
    }
  }
  tell('');
  await worker?.terminate();
  file.close();
  const environment = {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    platform: `${process.platform} ${process.arch} ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    fio: missingFio() ?? fioVersion(),
    loadBefore: Number(before.toFixed(2)),
    repeats,
  };
  const figures = FIGURES.map((figure) => ({ ...figure, values: ratios(figure, samples) }));
  print(samples, figures, reasons, environment);
  if (json !== undefined) {
    const all = figures.map(({ id, values }) => [id, values.length === 0 ? null : rounded(median(values))]);
    writeReport(json, { figures: Object.fromEntries(all), environment });
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({ options: { json: { type: 'string' }, repeats: { type: 'string', default: '5' } } });
    const repeats = Number(values.repeats);
    if (!Number.isInteger(repeats) || repeats < 1) throw new Error(`--repeats ${values.repeats} is not a whole number >= 1`);
    const json = values.json && checkReportFile(values.json);
    return { json, repeats };
  } catch (error) {
    process.stderr.write(`${error.message.split('\n')[0]}; usage: main.mjs [--json FILE] [--repeats N]\n`);
    process.exitCode = 2;
    return undefined;
  }
}

/** Why paths cannot be measured here, by their ids. */
function reasonsAgainst(file) {
  const { reason: noRing } = probe();
  const noFio = missingFio() ?? noRing;
  const reasons = new Map();
  for (const { id, direct } of PATHS) {
    const reason = id.startsWith('fio_') ? noFio : id.startsWith('biodone_') ? noRing : null;
    const why = reason ?? (direct ? file.noDirect : null);
    if (why !== null) reasons.set(id, why);
  }
  return reasons;
}

function inThisThread(path) {
  return (load) => measured(path, load);
}

async function inWorker(load, worker) {
  const answer = once(worker, 'message');
  worker.postMessage(load);
  return (await answer)[0];
}

function fio(load) {
  return fioIoUring(load);
}

function ratios({ ours, theirs, of }, samples) {
  const others = samples.get(theirs);
  return others.length === 0 ? [] : samples.get(ours).map((sample, repeat) => sample[of] / others[repeat][of]);
}

function tell(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

function print(samples, figures, reasons, environment) {
  const rows = [...samples].map(([id, results]) => {
    if (results.length === 0) return [id, 'not available', '', '', '', '', ''];
    const iops = results.map((result) => result.iops);
    const [p50, p99] = ['p50', 'p99'].map((of) => text(median(results.map((result) => result[of]))));
    const cpu = results[0].cpuUs === null ? '' : text(median(results.map((result) => result.cpuUs)));
    return [id, text(median(iops)), text(Math.min(...iops)), text(Math.max(...iops)), p50, p99, cpu];
  });
  printTable([['reads of 4 KiB a second', 'median', 'lowest', 'highest', 'p50 µs', 'p99 µs', 'CPU µs'], ...rows]);
  console.log();
  const ratioRows = figures.map(({ id, values }) => {
    if (values.length === 0) return [id, 'not available', '', ''];
    return [id, text(median(values)), text(Math.min(...values)), text(Math.max(...values))];
  });
  printTable([['figure', 'median', 'lowest', 'highest'], ...ratioRows]);
  for (const reason of new Set(reasons.values())) console.log(`\nnot available: ${reason}`);
  console.log(
    `\n${Object.entries(environment)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}`,
  );
}

function printTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    const cells = row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])));
    console.log(cells.join('  ').trimEnd());
  }
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function rounded(value) {
  return Number(value.toPrecision(4));
}

function text(value) {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
