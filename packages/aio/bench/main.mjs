// Measures the protocol's layer beside what it stands on and its peers.
//
//   npm run bench -w @biodone/aio [-- --json FILE] [-- --repeats N] [-- --slice MS] [-- --idle SECONDS]
//
// All paths are run once, then all again, and so on (A B A B, and every other time from the last to the first): what disturbs the machine for a while
// disturbs all of them. Each path warms up before it counts. Each figure is the median of the repeats; the table shows the lowest and the highest
// too. Both sides of a ratio do the same work, in the same repeat, with the same clock: performance.now() once a read
// (../../uring/bench/recorder.mjs). Files are read from the page cache. One thread that decrypts takes more than one CPU, as Node collects its garbage
// on others: so on two CPUs the ratio has less than 2 as its limit, and more so the smaller the requests are, of which the pool's own thread
// handles each. Service threads are idle once, at the end (idle.mjs).
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
import { idle, reasonAgainstIdle } from './idle.mjs';
import { blockingThreads, crypt, nodeCallbacks, reasonAgainstRings, ringThreads } from './service-threads.mjs';

const DEPTH = 32;
const BLOCK_BYTES = 4096;
/** Before each slice: threads start, and the optimizing compiler needs a while. */
const WARM_UP_SHARE = 0.5;

const PATHS = [
  { id: 'fs_read', run: nodeCallbacks },
  { id: 'threads_pread', run: blockingThreads },
  { id: 'threads_uring', run: ringThreads, needs: reasonAgainstRings },
  { id: 'crypt_64k_1thread', run: crypt(1, 65536) },
  { id: 'crypt_64k_2threads', run: crypt(2, 65536) },
  { id: 'crypt_4k_1thread', run: crypt(1, 4096) },
  { id: 'crypt_4k_2threads', run: crypt(2, 4096) },
];

/** Ratios of reads a second. */
const FIGURES = [
  { id: 'threads_over_fs_read', ours: 'threads_pread', over: 'fs_read' },
  { id: 'threads_uring_over_fs_read', ours: 'threads_uring', over: 'fs_read' },
  { id: 'crypt_2threads_over_1', ours: 'crypt_64k_2threads', over: 'crypt_64k_1thread' },
  { id: 'crypt_4k_2threads_over_1', ours: 'crypt_4k_2threads', over: 'crypt_4k_1thread' },
];

const options = readOptions({ slice: { value: 'MS', default: 1000 }, idle: { value: 'SECONDS', default: 10 } });
if (options !== undefined) await main(options);

async function main({ json, repeats, slice, idle: idleSeconds }) {
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
  file.close();
  tell(`idle for ${idleSeconds} s`);
  const quiet = reasonAgainstIdle() === null ? [(await idle(idleSeconds)).threadsMs] : [];
  tell('');
  const environment = environmentOf(loadBefore, repeats);
  const figures = FIGURES.map(({ id, ours, over }) => ({ id, values: valuesOf(samples, ours, over) }));
  figures.push({ id: 'idle_threads_cpu_ms', values: quiet });
  printTable([['reads a second', 'median', 'lowest', 'highest'], ...[...samples].map(([id, all]) => [id, ...spread(all)])]);
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
