// Reads by an AioFile and by Node's FileHandle: the same calls, the same kinds of memory, 4 KiB at random places of a file in the page cache.
//
//   node bench/aio-file.mjs [--json FILE] [--repeats N] [--slice MS]
//
// As in the other benchmarks, all paths are run once, then all again in the other order, and each ratio is of one repeat. The path `_iobuffer` reads
// into memory that need not be copied, which FileHandle does not know.

import { open as openHandle } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { open } from '@biodone/posix-aio';
import { IoBuffer } from '@biodone/uring';
import { benchPaths, over } from '../../../scripts/bench-paths.mjs';
import { readOptions } from '../../../scripts/bench-table.mjs';
import { measured } from '../../uring/bench/measured.mjs';
import { reasonAgainstRings } from '../../uring/bench/reasons.mjs';
import { FILE_BYTES, TestFile } from '../../uring/bench/test-file.mjs';

const BLOCK_BYTES = 4096;
/** Before each slice: the optimizing compiler needs a while. */
const WARM_UP_SHARE = 0.5;

const newBuffer = () => new Uint8Array(BLOCK_BYTES);
const newIoBuffer = () => IoBuffer.allocate(BLOCK_BYTES);

/** What can be measured: by which id, at which depth, how, and why not. */
export const AIO_FILE_PATHS = [1, 32].flatMap((depth) => [
  { id: `aiofile_d${depth}`, depth, run: readsOf(({ path }) => open(path), newBuffer), needs: reasonAgainstRings },
  { id: `aiofile_iobuffer_d${depth}`, depth, run: readsOf(({ path }) => open(path), newIoBuffer), needs: reasonAgainstRings },
  {
    id: `aiofile_fs_d${depth}`,
    depth,
    run: readsOf(({ path }) => open(path, 'r', 0, { engine: 'fs' }), newBuffer),
  },
  { id: `filehandle_d${depth}`, depth, run: readsOf(({ path }) => openHandle(path), newBuffer) },
]);

/** What is made of it. */
export const AIO_FILE_FIGURES = [1, 32].flatMap((depth) => [
  { id: `aiofile_d${depth}_over_filehandle`, ...over(`aiofile_d${depth}`, `filehandle_d${depth}`) },
  { id: `aiofile_iobuffer_d${depth}_over_filehandle`, ...over(`aiofile_iobuffer_d${depth}`, `filehandle_d${depth}`) },
  { id: `aiofile_fs_d${depth}_over_filehandle`, ...over(`aiofile_fs_d${depth}`, `filehandle_d${depth}`) },
]);

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

async function main(options) {
  const { slice } = options;
  const file = new TestFile();
  const slices = { warmUpMs: slice * WARM_UP_SHARE, lengthMs: slice };
  try {
    await benchPaths({
      options,
      groups: [AIO_FILE_PATHS],
      figures: AIO_FILE_FIGURES,
      heading: ['reads a second'],
      loadOf: ({ depth }, seed) => {
        file.readThrough();
        return { path: file.path, fileBytes: FILE_BYTES, blockBytes: BLOCK_BYTES, depth, ...slices, seed };
      },
    });
  } finally {
    file.close();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = readOptions({ slice: { value: 'MS', default: 1000 } });
  if (options !== undefined) await main(options);
}
