// Measures the protocol's layer beside what it stands on and its peers.
//
//   npm run bench -w @biodone/aio [-- --json FILE] [-- --repeats N] [-- --slice MS]
//
// All paths are run once, then all again, and so on (A B A B, and every other time from the last to the first): what disturbs the machine for a while
// disturbs all of them. Each path warms up before it counts. Each figure is the median of the repeats; the table shows the lowest and the highest
// too. Both sides of a ratio do the same work, in the same repeat, with the same clock: performance.now() once a read
// (../../uring/bench/recorder.mjs). Files are read from the page cache.
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
import {
  blockingThreads,
  cryptOneThread,
  cryptTwoThreads,
  nodeCallbacks,
  reasonAgainstRings,
  ringThreads,
} from './service-threads.mjs';

const DEPTH = 32;
const BLOCK_BYTES = 4096;
/** Before each slice: threads start, and the optimizing compiler needs a while. */
const WARM_UP_SHARE = 0.5;

const PATHS = [
  { id: 'fs_read', run: nodeCallbacks },
  { id: 'threads_pread', run: blockingThreads },
  { id: 'threads_uring', run: ringThreads, needs: reasonAgainstRings },
  { id: 'crypt_1thread', run: cryptOneThread },
  { id: 'crypt_2threads', run: cryptTwoThreads },
];

/** Ratios of reads a second. */
const FIGURES = [
  { id: 'threads_over_fs_read', ours: 'threads_pread', over: 'fs_read' },
  { id: 'threads_uring_over_fs_read', ours: 'threads_uring', over: 'fs_read' },
  { id: 'crypt_2threads_over_1', ours: 'crypt_2threads', over: 'crypt_1thread' },
];

const options = readOptions({ slice: { value: 'MS', default: 1000 } });
if (options !== undefined) await main(options);

async function main({ json, repeats, slice }) {
  const loadBefore = currentLoad();
  const reasons = new Map();
  for (const { id, needs } of PATHS) {
    const reason = needs?.() ?? null;
    if (reason !== null) reasons.set(id, reason);
  }
  const possible = PATHS.filter(({ id }) => !reasons.has(id));
  const samples = new Map(PATHS.map(({ id }) => [id, []]));
  const file = new TestFile();
  const load = { path: file.path, fileBytes: FILE_BYTES, depth: DEPTH, blockBytes: BLOCK_BYTES, lengthMs: slice };
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const { id, run } of repeat % 2 === 0 ? possible : possible.toReversed()) {
      tell(`repeat ${repeat + 1} of ${repeats}: ${id}`);
      file.readThrough();
      samples.get(id).push(await run({ ...load, warmUpMs: slice * WARM_UP_SHARE, seed: repeat }));
    }
  }
  tell('');
  file.close();
  const environment = environmentOf(loadBefore, repeats);
  const figures = FIGURES.map(({ id, ours, over }) => ({ id, values: valuesOf(samples, ours, over) }));
  printTable([
    ['reads of 4 KiB a second', 'median', 'lowest', 'highest'],
    ...[...samples].map(([id, all]) => [id, ...spread(all)]),
  ]);
  console.log();
  printFigures(figures);
  for (const reason of new Set(reasons.values())) console.log(`\nnot available: ${reason}`);
  printEnvironment(environment);
  writeFigures(json, figures, environment);
}

function valuesOf(samples, ours, over) {
  const others = samples.get(over);
  return others.length === 0 ? [] : samples.get(ours).map((value, repeat) => value / others[repeat]);
}
