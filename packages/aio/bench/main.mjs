// Measures the protocol's layer beside what it stands on and its peers.
//
//   npm run bench -w @biodone/aio [-- --json FILE] [-- --repeats N] [-- --slice MS] [-- --idle SECONDS]
//
// How paths take turns: scripts/bench-paths.mjs. Each warms up before it counts. Both sides of a ratio do the same work, in the same repeat, with the same clock: performance.now() once a read
// (../../uring/bench/recorder.mjs); those on the null device look at the processor's time once in 4096 operations
// (../../blockdev/bench/tally.mjs). Files are read from the page cache, but for the two disciplines, which are for a disk that is busy. Two threads
// that decrypt share two CPUs with the pool's own thread and with Node's, which compile and collect garbage: so the ratio has less than 2 as its
// limit, and more so the smaller the requests are, of which the pool's own thread handles each. The paths of a class are made for this and take
// their time by the clock: one of four is slow, few of 64 operations are long (class.mjs has more of them). Service threads are idle once, at the
// end (idle.mjs).
import { benchPaths, over, rate } from '../../../scripts/bench-paths.mjs';
import { readOptions, tell } from '../../../scripts/bench-table.mjs';
import { reasonAgainstDirect, reasonAgainstRings } from '../../uring/bench/reasons.mjs';
import { FILE_BYTES, TestFile } from '../../uring/bench/test-file.mjs';
import { classFigures, classPaths } from './class-ways.mjs';
import { idle, reasonAgainstIdle } from './idle.mjs';
import { nullDeviceSync, nullPool, nullPoolSync } from './in-memory.mjs';
import { nodeCallbacks, nodePromises, nodeSync, pool, poolPromises, uringAlone, uringWithoutTimes } from './pool-reads.mjs';
import { priorities } from './priorities.mjs';
import { blockingThreads, crypt, RAID_ROW_BYTES, raidWrites, ringThreads } from './service-threads.mjs';
import { barePread, barePreadWithoutTimes, poolSync } from './synchronous.mjs';

const DEPTH = 32;
const BLOCK_BYTES = 4096;
/** Before each slice: threads start, and the optimizing compiler needs a while, for each new thread anew. Of slices that measure nothing it is a multiple. */
const WARM_UP_SHARE = 0.5;
const WARM_UP_MIN_MS = 500;
const WARM_UP_SLICES_MAX = 8;

/** In a process that has read in no other way yet: see the groups in scripts/bench-paths.mjs. */
const SYNCHRONOUS_PATHS = [
  { id: 'pool_sync_d1', run: poolSync, depth: 1 },
  { id: 'pread_d1', run: barePread, depth: 1 },
  { id: 'pread_noatime_d1', run: barePreadWithoutTimes, depth: 1 },
  { id: 'fs_readsync_d1', run: nodeSync, depth: 1 },
];

const PATHS = [
  { id: 'null_pool', run: nullPool },
  { id: 'null_pool_sync', run: nullPoolSync },
  { id: 'null_device_sync', run: nullDeviceSync },
  { id: 'uring_d32', run: uringAlone, needs: reasonAgainstRings },
  { id: 'uring_noatime_d32', run: uringWithoutTimes, needs: reasonAgainstRings },
  { id: 'pool_d32', run: pool, needs: reasonAgainstRings },
  { id: 'pool_promises_d32', run: poolPromises, needs: reasonAgainstRings },
  { id: 'fs_read_d32', run: nodeCallbacks },
  { id: 'filehandle_d32', run: nodePromises },
  { id: 'threads_pread_d32', run: blockingThreads },
  { id: 'threads_uring_d32', run: ringThreads, needs: reasonAgainstRings },
  { id: 'pool_d1', run: pool, depth: 1, needs: reasonAgainstRings },
  { id: 'filehandle_d1', run: nodePromises, depth: 1 },
  { id: 'crypt_64k_1thread', run: crypt(1, 65536) },
  { id: 'crypt_64k_2threads', run: crypt(2, 65536) },
  { id: 'crypt_4k_1thread', run: crypt(1, 4096) },
  { id: 'crypt_4k_2threads', run: crypt(2, 4096) },
  ...classPaths('two_choices', 'least_loaded_steal'),
  { id: 'direct_fcfs', run: priorities('fcfs'), needs: reasonAgainstDirect },
  { id: 'direct_priocscan', run: priorities('priocscan'), needs: reasonAgainstDirect },
];

const LATER_PATHS = [
  { id: 'raid_rows_inline', run: raidWrites({}, RAID_ROW_BYTES), depth: 8 },
  { id: 'raid_rows_2threads', run: raidWrites({ service: 'threads', threads: 2 }, RAID_ROW_BYTES), depth: 8 },
  { id: 'raid_4k_inline', run: raidWrites({}, 4096) },
  { id: 'raid_4k_2threads', run: raidWrites({ service: 'threads', threads: 2 }, 4096) },
];

const FIGURES = [
  { id: 'null_ops_per_s', ...rate('null_pool') },
  { id: 'null_sync_extra_ns', from: ['null_pool_sync', 'null_device_sync'], of: (pooled, bare) => 1e9 / pooled - 1e9 / bare },
  { id: 'd32_over_uring', ...over('pool_d32', 'uring_d32') },
  { id: 'd32_over_uring_noatime', ...over('pool_d32', 'uring_noatime_d32') },
  { id: 'd32_over_fs_read', ...over('pool_d32', 'fs_read_d32') },
  { id: 'd32_over_filehandle', ...over('pool_d32', 'filehandle_d32') },
  { id: 'd32_promise_over_filehandle', ...over('pool_promises_d32', 'filehandle_d32') },
  { id: 'd1_over_filehandle', ...over('pool_d1', 'filehandle_d1') },
  { id: 'sync_over_pread_time', ...over('pread_d1', 'pool_sync_d1') },
  { id: 'sync_over_pread_noatime_time', ...over('pread_noatime_d1', 'pool_sync_d1') },
  { id: 'sync_over_readsync_time', ...over('fs_readsync_d1', 'pool_sync_d1') },
  { id: 'threads_over_fs_read', ...over('threads_pread_d32', 'fs_read_d32') },
  { id: 'threads_uring_over_fs_read', ...over('threads_uring_d32', 'fs_read_d32') },
  { id: 'crypt_2threads_over_1', ...over('crypt_64k_2threads', 'crypt_64k_1thread') },
  { id: 'crypt_4k_2threads_over_1', ...over('crypt_4k_2threads', 'crypt_4k_1thread') },
  { id: 'raid_rows_2threads_over_inline', ...over('raid_rows_2threads', 'raid_rows_inline') },
  { id: 'raid_4k_2threads_over_inline', ...over('raid_4k_2threads', 'raid_4k_inline') },
  ...classFigures('two_choices', 'least_loaded_steal'),
  { id: 'prio_p99_over_fcfs', ...over('direct_priocscan', 'direct_fcfs', ({ p99 }) => p99) },
  { id: 'prio_throughput_over_fcfs', ...over('direct_priocscan', 'direct_fcfs') },
];

const options = readOptions({ slice: { value: 'MS', default: 1000 }, idle: { value: 'SECONDS', default: 10 } });
if (options !== undefined) await main(options);

async function main(options) {
  const { slice, idle: idleSeconds } = options;
  const file = new TestFile();
  const warmUpMs = Math.max(slice * WARM_UP_SHARE, Math.min(WARM_UP_MIN_MS, slice * WARM_UP_SLICES_MAX));
  const load = { path: file.path, fileBytes: FILE_BYTES, blockBytes: BLOCK_BYTES, lengthMs: slice, warmUpMs };
  try {
    await benchPaths({
      options,
      groups: [SYNCHRONOUS_PATHS, PATHS, LATER_PATHS],
      figures: FIGURES,
      heading: ['operations a second'],
      file,
      loadOf: ({ depth = DEPTH }, seed) => {
        file.readThrough();
        return { ...load, depth, seed };
      },
      measureRest: async () => {
        tell(`idle for ${idleSeconds} s`);
        const quiet = reasonAgainstIdle() === null ? [(await idle(idleSeconds)).threadsMs] : [];
        return [{ id: 'idle_threads_cpu_ms', values: quiet }];
      },
    });
  } finally {
    file.close();
  }
}
