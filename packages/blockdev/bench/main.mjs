// Measures the block layer and its drivers, each beside what it stands on: operations of 4 KiB with callbacks, 32 at a time.
//
//   npm run bench -w @biodone/blockdev [-- --json FILE] [-- --repeats N] [-- --slice MS]
//
// How paths take turns: scripts/bench-paths.mjs. Each warms up before it counts. Both sides of a ratio do the same work, in the same repeat, with the same clock: those in memory look at the
// processor's time once in 4096 operations (tally.mjs), those on files at performance.now() once a read (../../uring/bench/recorder.mjs). Files
// are read from the page cache.
import { benchPaths, over, rate } from '../../../scripts/bench-paths.mjs';
import { readOptions } from '../../../scripts/bench-table.mjs';
import { reasonAgainstRings } from '../../uring/bench/reasons.mjs';
import { bareCopies, memDevice, nullDevice } from './in-memory.mjs';
import { file, mirror, stripe2, TestFiles, uringAlone } from './on-files.mjs';

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
  { id: 'file', run: file, onFiles: true, needs: reasonAgainstRings },
  { id: 'stripe2', run: stripe2, onFiles: true, needs: reasonAgainstRings },
  { id: 'mirror', run: mirror, onFiles: true, needs: reasonAgainstRings },
];

const FIGURES = [
  { id: 'null_ops_per_s', ...rate('null') },
  { id: 'mem_over_memcpy_time', ...over('memcpy', 'mem') },
  { id: 'file_over_uring', ...over('file', 'uring') },
  { id: 'stripe2_over_file', ...over('stripe2', 'file') },
  { id: 'mirror_over_file', ...over('mirror', 'file') },
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
      paths: PATHS,
      figures: FIGURES,
      heading: ['operations of 4 KiB a second'],
      loadOf: ({ onFiles }, seed) => {
        if (onFiles) files.readThrough();
        return { ...load, warmUpMs: slice * WARM_UP_SHARE, seed };
      },
    });
  } finally {
    files.close();
  }
}
