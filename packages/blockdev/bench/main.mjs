// Measures the block layer and its drivers, each beside what it stands on: operations of 4 KiB with callbacks, 32 at a time;
// and a raid of four memory disks, by whole rows of level 5 (192 KiB, 4 at a time: raid.mjs).
//
//   npm run bench -w @biodone/blockdev [-- --json FILE] [-- --repeats N] [-- --slice MS]
//
// Checksums and parity are measured with both kinds of memory: `in_place` is memory that WebAssembly sees (IoBuffer.inWebAssembly), as the documentation
// tells users of them to have, and `copied` any other; what they are measured against has the latter, which makes no difference to it.
//
// How paths take turns: scripts/bench-paths.mjs. Each warms up before it counts. Both sides of a ratio do the same work, in the same repeat, with the
// same clock: those in memory look at the processor's time once in 4096 operations (tally.mjs), those on a throttled device and on a cache
// over it at performance.now() once a request (over-slow.mjs), those on files once a read (../../uring/bench/recorder.mjs). Files are read from the
// page cache.
import { benchPaths, over, rate } from '../../../scripts/bench-paths.mjs';
import { readOptions } from '../../../scripts/bench-table.mjs';
import { reasonAgainstRings } from '../../uring/bench/reasons.mjs';
import { bareCopies, checksumCopied, checksumInPlace, memDevice, nullDevice } from './in-memory.mjs';
import { file, mirror, stripe2, TestFiles, uringAlone, uringWithoutTimes } from './on-files.mjs';
import { cachedReads, cachedWrites, slowReads, slowWrites } from './over-slow.mjs';
import {
  copiesOfRows,
  parityOfRows,
  raid0Reads,
  raid0Writes,
  raid5Reads,
  raid5WritesCopied,
  raid5WritesInPlace,
} from './raid.mjs';

const DEPTH = 32;
const BLOCK_BYTES = 4096;
const SIZE_BYTES = 64 * 2 ** 20;
/** Before each slice: the optimizing compiler needs a while, and forgets what it has not seen for some time. */
const WARM_UP_SHARE = 0.4;

const PATHS = [
  { id: 'null', run: nullDevice },
  { id: 'mem', run: memDevice },
  { id: 'memcpy', run: bareCopies },
  { id: 'uring', run: uringAlone, onFiles: true, needs: reasonAgainstRings },
  { id: 'uring_noatime', run: uringWithoutTimes, onFiles: true, needs: reasonAgainstRings },
  { id: 'file', run: file, onFiles: true, needs: reasonAgainstRings },
  { id: 'stripe2', run: stripe2, onFiles: true, needs: reasonAgainstRings },
  { id: 'mirror', run: mirror, onFiles: true, needs: reasonAgainstRings },
];

const LATER_PATHS = [
  { id: 'mem_again', run: memDevice },
  { id: 'checksum_in_place', run: checksumInPlace },
  { id: 'checksum_copied', run: checksumCopied },
  { id: 'slow_writes', run: slowWrites },
  { id: 'cached_writes', run: cachedWrites },
  { id: 'slow_reads', run: slowReads },
  { id: 'cache_device_reads', run: cachedReads },
  { id: 'raid0_seq_write', run: raid0Writes },
  { id: 'raid5_write_in_place', run: raid5WritesInPlace },
  { id: 'raid5_write_copied', run: raid5WritesCopied },
  { id: 'raid0_rand_read', run: raid0Reads },
  { id: 'raid5_rand_read', run: raid5Reads },
  { id: 'row_memcpy', run: copiesOfRows },
  { id: 'row_parity', run: parityOfRows },
];

const FIGURES = [
  { id: 'null_ops_per_s', ...rate('null') },
  { id: 'mem_over_memcpy_time', ...over('memcpy', 'mem') },
  { id: 'checksum_read_over_plain', ...over('checksum_in_place', 'mem_again') },
  { id: 'checksum_copied_read_over_plain', ...over('checksum_copied', 'mem_again') },
  { id: 'cache_write_over_device', ...over('cached_writes', 'slow_writes') },
  { id: 'cache_device_read_over_device', ...over('cache_device_reads', 'slow_reads') },
  { id: 'file_over_uring', ...over('file', 'uring') },
  { id: 'file_over_uring_noatime', ...over('file', 'uring_noatime') },
  { id: 'stripe2_over_file', ...over('stripe2', 'file') },
  { id: 'mirror_over_file', ...over('mirror', 'file') },
  { id: 'raid5_seq_write_over_raid0', ...over('raid5_write_in_place', 'raid0_seq_write') },
  { id: 'raid5_copied_write_over_raid0', ...over('raid5_write_copied', 'raid0_seq_write') },
  { id: 'raid5_rand_read_over_raid0', ...over('raid5_rand_read', 'raid0_rand_read') },
  { id: 'parity_over_memcpy', ...over('row_parity', 'row_memcpy') },
];

const options = readOptions({ slice: { value: 'MS', default: 700 } });
if (options !== undefined) await main(options);

async function main(options) {
  const { slice } = options;
  const files = new TestFiles(SIZE_BYTES);
  const load = { paths: files.paths, depth: DEPTH, blockBytes: BLOCK_BYTES, sizeBytes: SIZE_BYTES, lengthMs: slice };
  try {
    await benchPaths({
      options,
      groups: [PATHS, LATER_PATHS],
      figures: FIGURES,
      heading: ['operations a second, of 4 KiB or a row'],
      loadOf: ({ onFiles }, seed) => {
        if (onFiles) files.readThrough();
        return { ...load, warmUpMs: slice * WARM_UP_SHARE, seed };
      },
    });
  } finally {
    files.close();
  }
}
