// Measures the block layer and its drivers, each beside what it stands on: operations of 4 KiB with callbacks, 32 at a time.
//
//   npm run bench -w @biodone/blockdev [-- --json FILE] [-- --repeats N] [-- --slice MS]
//
// All paths are run once, then all again, and so on (A B A B, and every other time from the last to the first): what disturbs the machine for a while
// disturbs all of them. Each path warms up before it counts. Each figure is the median of the repeats; the table shows the lowest and the
// highest too. Both sides of a ratio do the same work, in the same repeat, with the same clock: those in memory look at the
// processor's time once in 4096 operations (tally.mjs), those on files at performance.now() once a read (../../uring/bench/recorder.mjs). Files
// are read from the page cache.
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
import { bareCopies, checksumDevice, memDevice, nullDevice } from './in-memory.mjs';
import { file, mirror, reasonAgainst, stripe2, TestFiles, uringAlone } from './on-files.mjs';

const DEPTH = 32;
const BLOCK_BYTES = 4096;
const SIZE_BYTES = 64 * 2 ** 20;
/** Before each slice: the optimizing compiler needs a while, and forgets what it has not seen for some time. */
const WARM_UP_SHARE = 0.4;

const PATHS = [
  { id: 'null', run: nullDevice },
  { id: 'mem', run: memDevice },
  { id: 'checksum', run: checksumDevice },
  { id: 'memcpy', run: bareCopies },
  { id: 'uring', run: uringAlone, onFiles: true },
  { id: 'file', run: file, onFiles: true },
  { id: 'stripe2', run: stripe2, onFiles: true, opener: 'openStripe' },
  { id: 'mirror', run: mirror, onFiles: true, opener: 'openMirror' },
];

/** `over` is a ratio of operations a second; of times it is the other way round. */
const FIGURES = [
  { id: 'null_ops_per_s', ours: 'null' },
  { id: 'mem_over_memcpy_time', ours: 'memcpy', over: 'mem' },
  { id: 'checksum_read_over_plain', ours: 'checksum', over: 'mem' },
  { id: 'file_over_uring', ours: 'file', over: 'uring' },
  { id: 'stripe2_over_file', ours: 'stripe2', over: 'file' },
  { id: 'mirror_over_file', ours: 'mirror', over: 'file' },
];

const options = readOptions({ slice: { value: 'MS', default: 700 } });
if (options !== undefined) await main(options);

async function main({ json, repeats, slice }) {
  const loadBefore = currentLoad();
  const reasons = new Map();
  for (const { id, onFiles, opener } of PATHS) {
    const reason = onFiles ? reasonAgainst(opener) : null;
    if (reason !== null) reasons.set(id, reason);
  }
  const possible = PATHS.filter(({ id }) => !reasons.has(id));
  const samples = new Map(PATHS.map(({ id }) => [id, []]));
  const files = new TestFiles(SIZE_BYTES);
  const load = { paths: files.paths, depth: DEPTH, blockBytes: BLOCK_BYTES, sizeBytes: SIZE_BYTES, lengthMs: slice };
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const { id, run, onFiles } of repeat % 2 === 0 ? possible : possible.toReversed()) {
      tell(`repeat ${repeat + 1} of ${repeats}: ${id}`);
      if (onFiles) files.readThrough();
      samples.get(id).push(await run({ ...load, warmUpMs: slice * WARM_UP_SHARE, seed: repeat }));
    }
  }
  tell('');
  files.close();
  const environment = environmentOf(loadBefore, repeats);
  const figures = FIGURES.map(({ id, ours, over }) => ({ id, values: valuesOf(samples, ours, over) }));
  printTable([
    ['operations of 4 KiB a second', 'median', 'lowest', 'highest'],
    ...[...samples].map(([id, all]) => [id, ...spread(all)]),
  ]);
  console.log();
  printFigures(figures);
  for (const reason of new Set(reasons.values())) console.log(`\nnot available: ${reason}`);
  printEnvironment(environment);
  writeFigures(json, figures, environment);
}

function valuesOf(samples, ours, over) {
  if (over === undefined) return samples.get(ours);
  const others = samples.get(over);
  return others.length === 0 ? [] : samples.get(ours).map((value, repeat) => value / others[repeat]);
}
