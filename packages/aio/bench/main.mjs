// Measures the protocol's layer beside what it stands on and its peers.
//
//   npm run bench -w @biodone/aio [-- --json FILE] [-- --repeats N] [-- --slice MS] [-- --idle SECONDS]
//
// All paths are run once, then all again, and so on (A B A B, and every other time from the last to the first): what disturbs the machine for a while
// disturbs all of them. Each path warms up before it counts. Each figure is the median of the repeats; the table shows the lowest and the highest
// too. Both sides of a ratio do the same work, in the same repeat, with the same clock: performance.now() once a read
// (../../uring/bench/recorder.mjs); those on the null device look at the processor's time once in 4096 operations
// (../../blockdev/bench/tally.mjs). Files are read from the page cache, but for the two disciplines, which are for a disk that is busy. Two threads
// that decrypt share two CPUs with the pool's own thread and with Node's, which compile and collect garbage: so the ratio has less than 2 as its
// limit, and more so the smaller the requests are, of which the pool's own thread handles each. The paths of a class are made for this and take
// their time by the clock: one of four is slow, few of 64 operations are long (class.mjs has more of them). Service threads are idle once, at the
// end (idle.mjs).
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
import { classFigures, classPaths } from './class-ways.mjs';
import { idle, reasonAgainstIdle } from './idle.mjs';
import { nullDeviceSync, nullPool, nullPoolSync } from './in-memory.mjs';
import { nodeCallbacks, nodePromises, nodeSync, pool, poolPromises, reasonAgainstRings, uringAlone } from './pool-reads.mjs';
import { priorities } from './priorities.mjs';
import { blockingThreads, crypt, ringThreads } from './service-threads.mjs';
import { barePread, poolSync } from './synchronous.mjs';

const DEPTH = 32;
const BLOCK_BYTES = 4096;
/** Before each slice: threads start, and the optimizing compiler needs a while, for each new thread anew. */
const WARM_UP_SHARE = 0.5;
const WARM_UP_MIN_MS = 500;

const PATHS = [
  { id: 'null_pool', run: nullPool },
  { id: 'null_pool_sync', run: nullPoolSync },
  { id: 'null_device_sync', run: nullDeviceSync },
  { id: 'uring_d32', run: uringAlone, needs: reasonAgainstRings },
  { id: 'pool_d32', run: pool, needs: reasonAgainstRings },
  { id: 'pool_promises_d32', run: poolPromises, needs: reasonAgainstRings },
  { id: 'fs_read_d32', run: nodeCallbacks },
  { id: 'filehandle_d32', run: nodePromises },
  { id: 'threads_pread_d32', run: blockingThreads },
  { id: 'threads_uring_d32', run: ringThreads, needs: reasonAgainstRings },
  { id: 'pool_d1', run: pool, depth: 1, needs: reasonAgainstRings },
  { id: 'filehandle_d1', run: nodePromises, depth: 1 },
  { id: 'pool_sync_d1', run: poolSync, depth: 1 },
  { id: 'pread_d1', run: barePread, depth: 1 },
  { id: 'fs_readsync_d1', run: nodeSync, depth: 1 },
  { id: 'crypt_64k_1thread', run: crypt(1, 65536) },
  { id: 'crypt_64k_2threads', run: crypt(2, 65536) },
  { id: 'crypt_4k_1thread', run: crypt(1, 4096) },
  { id: 'crypt_4k_2threads', run: crypt(2, 4096) },
  ...classPaths('two_choices', 'least_loaded_steal'),
  { id: 'direct_fcfs', run: priorities('fcfs'), needs: reasonAgainstDirect },
  { id: 'direct_priocscan', run: priorities('priocscan'), needs: reasonAgainstDirect },
];

/** Of samples that are rates, or have one. */
const over = (ours, theirs) => ({ from: [ours, theirs], of: (our, their) => rateOf(our) / rateOf(their) });

const FIGURES = [
  { id: 'null_ops_per_s', from: ['null_pool'], of: (rate) => rate },
  { id: 'null_sync_extra_ns', from: ['null_pool_sync', 'null_device_sync'], of: (pooled, bare) => 1e9 / pooled - 1e9 / bare },
  { id: 'd32_over_uring', ...over('pool_d32', 'uring_d32') },
  { id: 'd32_over_fs_read', ...over('pool_d32', 'fs_read_d32') },
  { id: 'd32_over_filehandle', ...over('pool_d32', 'filehandle_d32') },
  { id: 'd32_promise_over_filehandle', ...over('pool_promises_d32', 'filehandle_d32') },
  { id: 'd1_over_filehandle', ...over('pool_d1', 'filehandle_d1') },
  { id: 'sync_over_pread_time', ...over('pread_d1', 'pool_sync_d1') },
  { id: 'sync_over_readsync_time', ...over('fs_readsync_d1', 'pool_sync_d1') },
  { id: 'threads_over_fs_read', ...over('threads_pread_d32', 'fs_read_d32') },
  { id: 'threads_uring_over_fs_read', ...over('threads_uring_d32', 'fs_read_d32') },
  { id: 'crypt_2threads_over_1', ...over('crypt_64k_2threads', 'crypt_64k_1thread') },
  { id: 'crypt_4k_2threads_over_1', ...over('crypt_4k_2threads', 'crypt_4k_1thread') },
  ...classFigures('two_choices', 'least_loaded_steal'),
  { id: 'prio_p99_over_fcfs', from: ['direct_priocscan', 'direct_fcfs'], of: (prio, fcfs) => prio.p99 / fcfs.p99 },
  { id: 'prio_throughput_over_fcfs', ...over('direct_priocscan', 'direct_fcfs') },
];

const options = readOptions({ slice: { value: 'MS', default: 1000 }, idle: { value: 'SECONDS', default: 10 } });
if (options !== undefined) await main(options);

async function main({ json, repeats, slice, idle: idleSeconds }) {
  const loadBefore = currentLoad();
  const file = new TestFile();
  const reasons = new Map();
  for (const { id, needs } of PATHS) {
    const reason = needs?.(file) ?? null;
    if (reason !== null) reasons.set(id, reason);
  }
  const possible = PATHS.filter(({ id }) => !reasons.has(id));
  const warmUpMs = Math.max(slice * WARM_UP_SHARE, WARM_UP_MIN_MS);
  const samples = new Map(PATHS.map(({ id }) => [id, []]));
  const load = { path: file.path, fileBytes: FILE_BYTES, depth: DEPTH, blockBytes: BLOCK_BYTES, lengthMs: slice };
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const { id, run, depth = DEPTH } of repeat % 2 === 0 ? possible : possible.toReversed()) {
      tell(`repeat ${repeat + 1} of ${repeats}: ${id}`);
      file.readThrough();
      samples.get(id).push(await run({ ...load, depth, warmUpMs, seed: repeat }));
    }
  }
  file.close();
  tell(`idle for ${idleSeconds} s`);
  const quiet = reasonAgainstIdle() === null ? [(await idle(idleSeconds)).threadsMs] : [];
  tell('');
  const environment = environmentOf(loadBefore, repeats);
  const figures = FIGURES.map(({ id, from, of }) => ({ id, values: valuesOf(samples, from, of) }));
  figures.push({ id: 'idle_threads_cpu_ms', values: quiet });
  printTable([
    ['operations a second', 'median', 'lowest', 'highest'],
    ...[...samples].map(([id, all]) => [id, ...spread(all.map(rateOf))]),
  ]);
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

function rateOf(sample) {
  return typeof sample === 'number' ? sample : sample.iops;
}

function reasonAgainstDirect({ noDirect }) {
  return reasonAgainstRings() ?? noDirect;
}
