// Whole files by an AioFile and by Node's FileHandle: opening, reading or writing all at once and closing, and reading alone on a file that stays open.
//
//   node bench/whole-files.mjs [--json FILE] [--repeats N] [--slice MS]
//
// The two sides take turns file by file, since a disk that others use too is faster and slower by the second, and a rate is of the median time for a file.
// The ratio is of one repeat. Files that are read are in the page cache; those that are written are there already, and are truncated by their opening ('w').
// Both sides look at the clock before and after each file.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { open } from '@biodone/posix-aio';
import { libc } from '@biodone/uring';
import { benchPaths } from '../../../scripts/bench-paths.mjs';
import { readOptions } from '../../../scripts/bench-table.mjs';
import { reasonAgainstRings } from '../../uring/bench/reasons.mjs';

const SIZES = { '4k': 2 ** 12, '64k': 2 ** 16, '1m': 2 ** 20, '16m': 2 ** 24 };
/** There are many paths, and each is one file after the other, which needs no long time. */
const SLICE_SHARE = 0.6;
const WARM_UP_SHARE = 0.3;
const SEEK_SET = 0;

const KINDS = {
  open_readfile_close: async ({ openFile, path, lengthBytes }) => {
    const file = await openFile(path, 'r');
    const { length } = await file.readFile();
    await file.close();
    if (length !== lengthBytes) throw new Error(`a file of ${lengthBytes} bytes came to ${length}`);
  },
  open_writefile_close: async ({ openFile, path, data }) => {
    const file = await openFile(`${path}-written`, 'w');
    await file.writeFile(data);
    await file.close();
  },
  readfile: async ({ file, lengthBytes }) => {
    libc().lseek(file.fd, 0, SEEK_SET);
    const { length } = await file.readFile();
    if (length !== lengthBytes) throw new Error(`a file of ${lengthBytes} bytes came to ${length}`);
  },
};

const all = Object.keys(KINDS).flatMap((kind) => Object.keys(SIZES).map((size) => ({ kind, size })));

/** What can be measured: by which id, how, and why not. */
export const WHOLE_FILE_PATHS = all.map(({ kind, size }) => ({
  id: `${kind}_${size}`,
  run: (load) => filesPerSecond(KINDS[kind], SIZES[size], load),
  needs: reasonAgainstRings,
}));

/** What is made of it. */
export const WHOLE_FILE_FIGURES = WHOLE_FILE_PATHS.map(({ id }) => ({
  id: `${id}_over_filehandle`,
  from: [id],
  of: ({ iops, fileHandleIops }) => iops / fileHandleIops,
}));

async function filesPerSecond(work, lengthBytes, { folder, lengthMs }) {
  const sides = [];
  for (const [side, openFile] of Object.entries({ aiofile: open, filehandle: openHandle })) {
    const path = join(folder, `${side}-${lengthBytes}`);
    const data = Buffer.alloc(lengthBytes, 'biodone');
    writeFileSync(path, data);
    const file = await openFile(path, 'r');
    sides.push({ openFile, path, data, file, lengthBytes, timesMs: [] });
  }
  await repeatFor(lengthMs * WARM_UP_SHARE, sides, work);
  for (const side of sides) side.timesMs = [];
  await repeatFor(lengthMs * SLICE_SHARE, sides, work);
  for (const { file } of sides) await file.close();
  const [iops, fileHandleIops] = sides.map(({ timesMs }) => 1000 / median(timesMs));
  return { iops, fileHandleIops };
}

function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[sorted.length >> 1];
}

/** Each side first as often as the other. */
async function repeatFor(lengthMs, sides, work) {
  const startedAt = performance.now();
  let order = sides;
  do {
    for (const side of order) {
      const begun = performance.now();
      await work(side);
      side.timesMs.push(performance.now() - begun);
    }
    order = order.toReversed();
  } while (performance.now() - startedAt < lengthMs);
}

/** A folder for the files, which goes with the process. */
export function makeBenchFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'biodone-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function main(options) {
  const folder = makeBenchFolder();
  await benchPaths({
    options,
    groups: [WHOLE_FILE_PATHS],
    figures: WHOLE_FILE_FIGURES,
    heading: ['files a second'],
    loadOf: () => ({ folder, lengthMs: options.slice }),
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = readOptions({ slice: { value: 'MS', default: 1000 } });
  if (options !== undefined) await main(options);
}
