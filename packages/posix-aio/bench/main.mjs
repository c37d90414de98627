// Measures POSIX AIO beside glibc's, which is what fio's ioengine posixaio calls.
//
//   npm run bench -w @biodone/posix-aio [-- --json FILE] [-- --repeats N] [-- --slice MS]
//
// How paths take turns: scripts/bench-paths.mjs. Each warms up before it counts.
// Both sides read 4 KiB at random offsets of the same file, with as many requests in progress, and look at the clock seldom: fio with gtod_reduce, this
// side once in 64 reads. Files are read from the page cache, but for those with "direct". `lio32_system_calls` counts calls of io_uring_enter(2) for a
// list of 32; before it the list asks once what is behind its descriptor, by fcntl(2) and statx(2).
// Those of AioFile are beside Node's FileHandle, and look at the clock at each read, both sides: see aio-file.mjs, and whole-files.mjs and
// openings.mjs for those of whole files and of short openings.

import { benchPaths, over } from '../../../scripts/bench-paths.mjs';
import { readOptions } from '../../../scripts/bench-table.mjs';
import { reasonAgainstDirect, reasonAgainstRings } from '../../uring/bench/reasons.mjs';
import { FILE_BYTES, TestFile } from '../../uring/bench/test-file.mjs';
import { AIO_FILE_FIGURES, AIO_FILE_PATHS } from './aio-file.mjs';
import { fioPosixAio, fioVersion, reasonAgainstFio } from './fio-posixaio.mjs';
import { OPENING_FIGURES, OPENING_PATHS } from './openings.mjs';
import { callsOfList, listReads, notifiedReads, singleReads } from './posix-reads.mjs';
import { makeBenchFolder, WHOLE_FILE_FIGURES, WHOLE_FILE_PATHS } from './whole-files.mjs';

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

const FIGURES = [
  { id: 'direct_d32_over_glibc', ...over('direct_d32', 'glibc_direct_d32') },
  { id: 'cached_d32_over_glibc', ...over('lists_cached_d32', 'glibc_cached_d32') },
  { id: 'cached_d32_raw_over_glibc', ...over('single_cached_d32', 'glibc_cached_d32') },
  { id: 'cached_d32_notified_over_glibc', ...over('notified_cached_d32', 'glibc_cached_d32') },
  { id: 'cached_d1_notified_over_glibc', ...over('notified_cached_d1', 'glibc_cached_d1') },
  { id: 'cached_d1_over_glibc', ...over('single_cached_d1', 'glibc_cached_d1') },
  ...AIO_FILE_FIGURES,
  ...WHOLE_FILE_FIGURES,
  ...OPENING_FIGURES,
];

const options = readOptions({ slice: { value: 'MS', default: 1000 } });
if (options !== undefined) await main(options);

async function main(options) {
  const { slice } = options;
  const file = new TestFile();
  const slices = { warmUpMs: slice * WARM_UP_SHARE, lengthMs: slice };
  const folder = makeBenchFolder();
  const load = { path: file.path, folder, fileBytes: FILE_BYTES, blockBytes: BLOCK_BYTES, ...slices };
  try {
    await benchPaths({
      options,
      groups: [PATHS, WHOLE_FILE_PATHS, OPENING_PATHS],
      figures: FIGURES,
      heading: ['reads, or files, a second'],
      file,
      environment: reasonAgainstFio() === null ? { fio: fioVersion() } : {},
      loadOf: ({ depth = DEPTH, direct }, seed) => {
        file.readThrough();
        return { ...load, depth, direct, seed };
      },
      measureRest: async () => {
        const calls = reasonAgainstRings() === null ? [await callsOfList({ ...load, depth: DEPTH, seed: 0 })] : [];
        return [{ id: 'lio32_system_calls', values: calls }];
      },
    });
  } finally {
    file.close();
  }
}

function reasonAgainstDirectFio({ noDirect }) {
  return reasonAgainstFio() ?? noDirect;
}
