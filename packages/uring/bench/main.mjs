// Measures this package beside what Node has and beside fio, which is written in C: random reads of 4 KiB, of a file in the page cache and past it.
//
//   npm run bench -w @biodone/uring [-- --json FILE] [-- --repeats N]
//
// How paths take turns: scripts/bench-paths.mjs. Each warms up before it counts. Both sides of a ratio do the same work, in the same repeat, and record the latency of every read: those in JavaScript by the
// same function and clock (performance.now(), once a read: see recorder.mjs), fio by its own.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { benchPaths, over } from '../../../scripts/bench-paths.mjs';
import { median, readOptions, text } from '../../../scripts/bench-table.mjs';
import { biodone } from './biodone.mjs';
import { fioIoUring, fioVersion, missingFio } from './fio.mjs';
import { measured } from './measured.mjs';
import { fileHandle, fsRead, fsReadSync } from './node-fs.mjs';
import { reasonAgainstDirect, reasonAgainstRings } from './reasons.mjs';
import { TestFile } from './test-file.mjs';

const BLOCK_BYTES = 4096;
/** Before each slice: the optimizing compiler needs a while, and forgets what it has not seen for some time. */
const WARM_UP_MS = 300;
const SLICE_MS = 700;

const PATHS = [
  { id: 'fio_io_uring_d32', run: fioIoUring, depth: 32, needs: reasonAgainstFio },
  { id: 'biodone_d32', run: inThisThread(biodone), depth: 32, needs: reasonAgainstRings },
  { id: 'fs_read_d32', run: inThisThread(fsRead), depth: 32 },
  { id: 'filehandle_d32', run: inThisThread(fileHandle), depth: 32 },
  { id: 'biodone_worker_d32', run: inWorker, depth: 32, needs: reasonAgainstRings },
  { id: 'fio_io_uring_registered_d32', run: fioIoUring, depth: 32, registered: true, needs: reasonAgainstFio },
  { id: 'biodone_registered_d32', run: inThisThread(biodone), depth: 32, registered: true, needs: reasonAgainstRings },
  { id: 'fio_io_uring_d1', run: fioIoUring, depth: 1, needs: reasonAgainstFio },
  { id: 'biodone_d1', run: inThisThread(biodone), depth: 1, needs: reasonAgainstRings },
  { id: 'fs_read_d1', run: inThisThread(fsRead), depth: 1 },
  { id: 'filehandle_d1', run: inThisThread(fileHandle), depth: 1 },
  { id: 'fs_readsync_d1', run: inThisThread(fsReadSync), depth: 1 },
  { id: 'fio_io_uring_direct_d32', run: fioIoUring, depth: 32, direct: true, needs: reasonAgainstDirectFio },
  { id: 'biodone_direct_d32', run: inThisThread(biodone), depth: 32, direct: true, needs: reasonAgainstDirect },
];

const FIGURES = [
  { id: 'd32_over_fio_io_uring', ...over('biodone_d32', 'fio_io_uring_d32') },
  { id: 'd32_over_fs_read', ...over('biodone_d32', 'fs_read_d32') },
  { id: 'd32_over_filehandle', ...over('biodone_d32', 'filehandle_d32') },
  { id: 'd1_over_filehandle', ...over('biodone_d1', 'filehandle_d1') },
  { id: 'cpu_over_fs_read', ...over('biodone_d32', 'fs_read_d32', ({ cpuUs }) => cpuUs) },
  { id: 'worker_over_main', ...over('biodone_worker_d32', 'biodone_d32') },
  { id: 'direct_d32_over_fio_io_uring', ...over('biodone_direct_d32', 'fio_io_uring_direct_d32') },
];

/** One for all slices: it is to be warm. */
let worker = null;

const options = readOptions();
if (options !== undefined) await main(options);

async function main(options) {
  const file = new TestFile();
  try {
    await benchPaths({
      options,
      groups: [PATHS],
      figures: FIGURES,
      heading: ['reads of 4 KiB a second', 'p50 µs', 'p99 µs', 'CPU µs'],
      cellsOf,
      file,
      environment: { fio: missingFio() ?? fioVersion() },
      loadOf: ({ depth, direct = false, registered = false }, seed) => {
        if (!direct) file.readThrough();
        const load = { path: file.path, depth, direct, registered };
        return { ...load, blockBytes: BLOCK_BYTES, warmUpMs: WARM_UP_MS, lengthMs: SLICE_MS, seed };
      },
    });
  } finally {
    await worker?.terminate();
    file.close();
  }
}

function cellsOf(results) {
  if (results.length === 0) return ['', '', ''];
  const [p50, p99] = ['p50', 'p99'].map((of) => text(median(results.map((result) => result[of]))));
  return [p50, p99, results[0].cpuUs === null ? '' : text(median(results.map(({ cpuUs }) => cpuUs)))];
}

function reasonAgainstFio() {
  return missingFio() ?? reasonAgainstRings();
}

function reasonAgainstDirectFio({ noDirect }) {
  return reasonAgainstFio() ?? noDirect;
}

function inThisThread(path) {
  return (load) => measured(path, load);
}

async function inWorker(load) {
  worker ??= new Worker(new URL('./workers/reader.mjs', import.meta.url));
  const answer = once(worker, 'message');
  worker.postMessage(load);
  return (await answer)[0];
}
