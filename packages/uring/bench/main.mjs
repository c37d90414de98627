// Measures this package beside what Node has and beside fio, which is written in C: random reads of 4 KiB, of a file in the page cache and past it.
//
//   npm run bench -w @biodone/uring [-- --json FILE] [-- --repeats N]
//
// All paths are run once, then all again, and so on (A B A B, and every other time from the last to the first): what disturbs the machine for a while
// disturbs all of them. Each path warms up before it counts. Each figure is the median of the repeats; the table shows the lowest and the
// highest too. Both sides of a ratio do the same work, in the same repeat, and record the latency of every read: those in JavaScript by the
// same function and clock (performance.now(), once a read: see recorder.mjs), fio by its own.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { probe } from '@biodone/uring';
import {
  currentLoad,
  environmentOf,
  median,
  printEnvironment,
  printFigures,
  printTable,
  readOptions,
  spread,
  tell,
  text,
  writeFigures,
} from '../../../scripts/bench-table.mjs';
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
  const loadBefore = currentLoad();
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
  const environment = environmentOf(loadBefore, repeats, { fio: missingFio() ?? fioVersion() });
  const figures = FIGURES.map((figure) => ({ ...figure, values: ratios(figure, samples) }));
  print(samples, figures, reasons, environment);
  writeFigures(json, figures, environment);
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

function print(samples, figures, reasons, environment) {
  const rows = [...samples].map(([id, results]) => {
    const iops = spread(results.map((result) => result.iops));
    if (results.length === 0) return [id, ...iops, '', '', ''];
    const [p50, p99] = ['p50', 'p99'].map((of) => text(median(results.map((result) => result[of]))));
    const cpu = results[0].cpuUs === null ? '' : text(median(results.map((result) => result.cpuUs)));
    return [id, ...iops, p50, p99, cpu];
  });
  printTable([['reads of 4 KiB a second', 'median', 'lowest', 'highest', 'p50 µs', 'p99 µs', 'CPU µs'], ...rows]);
  console.log();
  printFigures(figures);
  for (const reason of new Set(reasons.values())) console.log(`\nnot available: ${reason}`);
  printEnvironment(environment);
}
