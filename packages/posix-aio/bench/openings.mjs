// Files that are opened for little, by an AioFile and by Node's FileHandle: several at a time, folders among them, and in a worker.
//
//   node bench/openings.mjs [--json FILE] [--repeats N] [--slice MS]
//
// The two sides take turns: see two-sides.mjs. One turn opens so many files at a time as the path's id says behind the x, uses each and closes it. The
// files are in the page cache, and written ones are there already.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { benchPaths } from '../../../scripts/bench-paths.mjs';
import { readOptions } from '../../../scripts/bench-table.mjs';
import { reasonAgainstRings } from '../../uring/bench/reasons.mjs';
import { overFileHandle, ratesOf, SIDES } from './two-sides.mjs';
import { makeBenchFolder } from './whole-files.mjs';

const LENGTH_BYTES = 4096;
const DATA = Buffer.alloc(LENGTH_BYTES, 'biodone');
/** Never aborted. */
const { signal } = new AbortController();

const KINDS = {
  open_close_folder: async (openFile, path) => {
    const file = await openFile(`${path}-folder`, 'r');
    await file.close();
  },
  open_write_close: async (openFile, path) => {
    const file = await openFile(path, 'r+');
    const { bytesWritten } = await file.write(DATA, 0, LENGTH_BYTES, 0);
    await file.close();
    check(bytesWritten);
  },
  open_read_close: async (openFile, path) => {
    const file = await openFile(path, 'r');
    const { bytesRead } = await file.read(Buffer.allocUnsafe(LENGTH_BYTES), 0, LENGTH_BYTES, 0);
    await file.close();
    check(bytesRead);
  },
  open_readfile_close: async (openFile, path) => {
    const file = await openFile(path, 'r');
    const { length } = await file.readFile();
    await file.close();
    check(length);
  },
  open_readfile_signal_close: async (openFile, path) => {
    const file = await openFile(path, 'r');
    const { length } = await file.readFile({ signal });
    await file.close();
    check(length);
  },
};

function check(bytes) {
  if (bytes !== LENGTH_BYTES) throw new Error(`a file of ${LENGTH_BYTES} bytes came to ${bytes}`);
}

const onMain = [
  ['open_close_folder', 1],
  ['open_close_folder', 16],
  ['open_write_close', 1],
  ['open_write_close', 16],
  ['open_read_close', 1],
  ['open_read_close', 16],
].map(([kind, count]) => ({ id: `${kind}_x${count}`, run: (load) => openingsPerSecond(kind, count, load) }));

const inWorker = ['open_readfile_close', 'open_readfile_signal_close'].map((kind) => ({
  id: `worker_${kind}`,
  run: (load) => askWorker({ kind, count: 1, load }),
}));

/** What can be measured: by which id, how, and why not. */
export const OPENING_PATHS = [...onMain, ...inWorker].map((path) => ({ ...path, needs: reasonAgainstRings }));

/** What is made of it. */
export const OPENING_FIGURES = OPENING_PATHS.map(({ id }) => overFileHandle(id));

/** How many files are opened, used and closed a second, `count` at a time. */
export async function openingsPerSecond(kind, count, { folder, lengthMs }) {
  const sides = SIDES.map(({ name, openFile }) => {
    const paths = Array.from({ length: count }, (_, index) => join(folder, `${name}-opened-${index}`));
    for (const path of paths) {
      writeFileSync(path, DATA);
      mkdirSync(`${path}-folder`, { recursive: true });
    }
    return { openFile, paths };
  });
  const use = KINDS[kind];
  const work = ({ openFile, paths }) => Promise.all(paths.map((path) => use(openFile, path)));
  return ratesOf(sides, work, lengthMs, count);
}

function askWorker(message) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./workers/openings.mjs', import.meta.url));
    const end = (settle) => (value) => void worker.terminate().then(() => settle(value));
    worker.once('message', end(resolve));
    worker.once('error', end(reject));
    worker.postMessage(message);
  });
}

async function main(options) {
  const folder = makeBenchFolder();
  await benchPaths({
    options,
    groups: [OPENING_PATHS],
    figures: OPENING_FIGURES,
    heading: ['files a second'],
    loadOf: () => ({ folder, lengthMs: options.slice }),
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = readOptions({ slice: { value: 'MS', default: 1000 } });
  if (options !== undefined) await main(options);
}
