// Measures POSIX AIO beside glibc's, which is what fio's ioengine posixaio calls.
//
//   npm run bench -w @biodone/posix-aio [-- --json FILE] [-- --repeats N] [-- --slice MS]
//
// All paths are run once, then all again, and so on (A B A B, and every other time from the last to the first): what disturbs the machine for a while
// disturbs all of them. Each path warms up before it counts. Each figure is the median of the repeats; the table shows the lowest and the highest too.
// Both sides read 4 KiB at random offsets of the same file, with as many requests in progress, and look at the clock seldom: fio with gtod_reduce, this
// side once in 64 reads. Files are read from the page cache, but for those with "direct". `lio32_system_calls` counts calls of io_uring_enter(2) for a
// list of 32; before it the list asks once what is behind its descriptor, by fcntl(2) and statx(2).
// Those of AioFile are beside Node's FileHandle, and look at the clock at each read, both sides: see aio-file.mjs.

import { probe } from '@biodone/uring';
import {
  currentLoad,
  environmentOf,
  printEnvironment,
  printFigures,
  printTable,
  readOptions,
  spread,
  tell,
  writeFigures,
} from '../../../scripts/bench-table.mjs';
import { FILE_BYTES, TestFile } from '../../uring/bench/test-file.mjs';
import { AIO_FILE_FIGURES, AIO_FILE_PATHS } from './aio-file.mjs';
import { fioPosixAio, fioVersion, reasonAgainstFio } from './fio-posixaio.mjs';
import { callsOfList, listReads, notifiedReads, singleReads } from './posix-reads.mjs';

const DEPTH = 32;
const BLOCK_BYTES = 4096;
/** Before each slice: the optimizing compiler needs a while. */
const WARM_UP_SHARE = 0.5;

const PATHS = [
  { id: 'direct_d32', run: singleReads, direct: true, needs: reasonAgainstDirect },
  { id: 'glibc_direct_d32', run: fioPosixAio, direct: true, needs: reasonAgainstDirectFio },
  { id: 'lists_cached_d32', run: listReads, needs: reasonAgainstRings },
  { id: 'single_cached_d32', run: singleReads, needs: reasonAgainstRings },
  { id: 'notified_cached_d32', run: notifiedReads, needs: reasonAgainstRings },
  { id: 'glibc_cached_d32', run: fioPosixAio, needs: reasonAgainstFio },
  { id: 'single_cached_d1', run: singleReads, depth: 1, needs: reasonAgainstRings },
  { id: 'notified_cached_d1', run: notifiedReads, depth: 1, needs: reasonAgainstRings },
  { id: 'glibc_cached_d1', run: fioPosixAio, depth: 1, needs: reasonAgainstFio },
  ...AIO_FILE_PATHS,
];

const over = (ours, theirs) => ({ from: [ours, theirs], of: (our, their) => our / their });

const FIGURES = [
  { id: 'direct_d32_over_glibc', ...over('direct_d32', 'glibc_direct_d32') },
  { id: 'cached_d32_over_glibc', ...over('lists_cached_d32', 'glibc_cached_d32') },
  { id: 'cached_d32_raw_over_glibc', ...over('single_cached_d32', 'glibc_cached_d32') },
  { id: 'cached_d32_notified_over_glibc', ...over('notified_cached_d32', 'glibc_cached_d32') },
  { id: 'cached_d1_notified_over_glibc', ...over('notified_cached_d1', 'glibc_cached_d1') },
  { id: 'cached_d1_over_glibc', ...over('single_cached_d1', 'glibc_cached_d1') },
  ...AIO_FILE_FIGURES,
];

const options = readOptions({ slice: { value: 'MS', default: 1000 } });
if (options !== undefined) await main(options);

async function main({ json, repeats, slice }) {
  const loadBefore = currentLoad();
  const file = new TestFile();
  const reasons = new Map();
  for (const { id, needs } of PATHS) {
    const reason = needs(file);
    if (reason !== null) reasons.set(id, reason);
  }
  const possible = PATHS.filter(({ id }) => !reasons.has(id));
  const samples = new Map(PATHS.map(({ id }) => [id, []]));
  const load = {
    path: file.path,
    fileBytes: FILE_BYTES,
    blockBytes: BLOCK_BYTES,
    warmUpMs: slice * WARM_UP_SHARE,
    lengthMs: slice,
  };
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const { id, run, direct, depth = DEPTH } of repeat % 2 === 0 ? possible : possible.toReversed()) {
      tell(`repeat ${repeat + 1} of ${repeats}: ${id}`);
      file.readThrough();
      samples.get(id).push(await run({ ...load, depth, direct, seed: repeat }));
    }
  }
  const calls = reasonAgainstRings() === null ? [callsOfList({ ...load, depth: DEPTH, seed: 0 })] : [];
  file.close();
  tell('');
  const environment = environmentOf(loadBefore, repeats, reasonAgainstFio() === null ? { fio: fioVersion() } : {});
  const figures = FIGURES.map(({ id, from, of }) => ({ id, values: valuesOf(samples, from, of) }));
  figures.push({ id: 'lio32_system_calls', values: calls });
  printTable([['reads a second', 'median', 'lowest', 'highest'], ...[...samples].map(([id, all]) => [id, ...spread(all)])]);
  console.log();
  printFigures(figures);
  for (const reason of new Set(reasons.values())) console.log(`\nnot available: ${reason}`);
  printEnvironment(environment);
  writeFigures(json, figures, environment);
}

function valuesOf(samples, from, of) {
  const columns = from.map((id) => samples.get(id));
  if (columns.some((column) => column.length === 0)) return [];
  return columns[0].map((_, repeat) => of(...columns.map((column) => column[repeat])));
}

function reasonAgainstRings() {
  return probe().available ? null : probe().reason;
}

function reasonAgainstDirect({ noDirect }) {
  return reasonAgainstRings() ?? noDirect;
}

function reasonAgainstDirectFio({ noDirect }) {
  return reasonAgainstFio() ?? noDirect;
}
