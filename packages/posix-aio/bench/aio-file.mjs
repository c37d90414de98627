// Reads by an AioFile and by Node's FileHandle: the same calls, the same kinds of memory, 4 KiB at random places of a file in the page cache.
//
//   node bench/aio-file.mjs [--json FILE] [--repeats N] [--slice MS]
//
// As in the other benchmarks, all paths are run once, then all again in the other order, and each ratio is of one repeat. The path `_iobuffer` reads
// into memory that need not be copied, which FileHandle does not know.

import { open as openHandle } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { open } from '@biodone/posix-aio';
import { IoBuffer, probe } from '@biodone/uring';
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
import { measured } from '../../uring/bench/measured.mjs';
import { FILE_BYTES, TestFile } from '../../uring/bench/test-file.mjs';

const BLOCK_BYTES = 4096;
/** Before each slice: the optimizing compiler needs a while. */
const WARM_UP_SHARE = 0.5;

const newBuffer = () => new Uint8Array(BLOCK_BYTES);
const newIoBuffer = () => IoBuffer.allocate(BLOCK_BYTES);

const withoutRings = () => (probe().available ? null : probe().reason);
const always = () => null;

/** What can be measured: by which id, at which depth, how, and why not. */
export const AIO_FILE_PATHS = [1, 32].flatMap((depth) => [
  { id: `aiofile_d${depth}`, depth, run: readsOf(({ path }) => open(path), newBuffer), needs: withoutRings },
  { id: `aiofile_iobuffer_d${depth}`, depth, run: readsOf(({ path }) => open(path), newIoBuffer), needs: withoutRings },
  {
    id: `aiofile_fs_d${depth}`,
    depth,
    run: readsOf(({ path }) => open(path, 'r', 0, { engine: 'fs' }), newBuffer),
    needs: always,
  },
  { id: `filehandle_d${depth}`, depth, run: readsOf(({ path }) => openHandle(path), newBuffer), needs: always },
]);

const over = (ours, theirs) => ({ from: [ours, theirs], of: (our, their) => our / their });

/** What is made of it. */
export const AIO_FILE_FIGURES = [1, 32].flatMap((depth) => [
  { id: `aiofile_d${depth}_over_filehandle`, ...over(`aiofile_d${depth}`, `filehandle_d${depth}`) },
  { id: `aiofile_iobuffer_d${depth}_over_filehandle`, ...over(`aiofile_iobuffer_d${depth}`, `filehandle_d${depth}`) },
  { id: `aiofile_fs_d${depth}_over_filehandle`, ...over(`aiofile_fs_d${depth}`, `filehandle_d${depth}`) },
]);

/**
 * Measures all paths, and returns the figures with a value for each repeat, and the samples, which are reads a second.
 *
 * @param {{repeats: number, slice: number}} options how often, and for how many milliseconds each time
 * @param file what is read, with its `path` and `readThrough`
 */
export async function benchAioFile({ repeats, slice }, file) {
  const samples = new Map(AIO_FILE_PATHS.map(({ id }) => [id, []]));
  const possible = AIO_FILE_PATHS.filter(({ needs }) => needs() === null);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const { id, depth, run } of repeat % 2 === 0 ? possible : possible.toReversed()) {
      tell(`repeat ${repeat + 1} of ${repeats}: ${id}`);
      file.readThrough();
      const load = { path: file.path, fileBytes: FILE_BYTES, blockBytes: BLOCK_BYTES, lengthMs: slice };
      samples.get(id).push(await run({ ...load, depth, warmUpMs: slice * WARM_UP_SHARE, seed: repeat }));
    }
  }
  tell('');
  const figures = AIO_FILE_FIGURES.map(({ id, from, of }) => {
    const [ours, theirs] = from.map((path) => samples.get(path));
    return { id, values: ours.map((value, repeat) => of(value, theirs[repeat])) };
  });
  return { samples, figures };
}

/** Reads `depth` at a time, each as soon as the one before it is done. */
function readsOf(openFile, allocate) {
  const path = async (load, recorder) => {
    const file = await openFile(load);
    const slots = Array.from({ length: load.depth }, allocate);
    recorder.begin();
    await Promise.all(
      slots.map(async (memory, slot) => {
        let more = true;
        while (more) more = recorder.complete(slot, (await file.read(memory, 0, BLOCK_BYTES, recorder.nextOffset())).bytesRead);
      }),
    );
    await file.close();
  };
  return async (load) => (await measured(path, load)).iops;
}

async function main({ json, repeats, slice }) {
  const loadBefore = currentLoad();
  const file = new TestFile();
  const { samples, figures } = await benchAioFile({ repeats, slice }, file);
  file.close();
  const environment = environmentOf(loadBefore, repeats);
  printTable([['reads a second', 'median', 'lowest', 'highest'], ...[...samples].map(([id, all]) => [id, ...spread(all)])]);
  console.log();
  printFigures(figures);
  if (withoutRings() !== null) console.log(`\nnot available: ${withoutRings()}`);
  printEnvironment(environment);
  writeFigures(json, figures, environment);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = readOptions({ slice: { value: 'MS', default: 1000 } });
  if (options !== undefined) await main(options);
}
