// Whole files by an AioFile and by Node's FileHandle: opening, reading or writing all at once and closing, and reading alone on a file that stays open.
//
//   node bench/whole-files.mjs [--json FILE] [--repeats N] [--slice MS]
//
// As in the other benchmarks, all paths are run once, then all again in the other order, and each ratio is of one repeat. Files that are read are in the page
// cache; those that are written are there already, and are truncated by their opening ('w'). Both sides look at the clock after each file.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { open } from '@biodone/posix-aio';
import { libc } from '@biodone/uring';
import { benchPaths, over } from '../../../scripts/bench-paths.mjs';
import { readOptions } from '../../../scripts/bench-table.mjs';
import { reasonAgainstRings } from '../../uring/bench/reasons.mjs';

const SIZES = { '4k': 2 ** 12, '64k': 2 ** 16, '1m': 2 ** 20, '16m': 2 ** 24 };
/** There are many paths, and each is one file after the other, which needs no long time. */
const SLICE_SHARE = 0.3;
const WARM_UP_SHARE = 0.15;
const SEEK_SET = 0;

const SIDES = [
  { side: 'aiofile', openFile: open, needs: reasonAgainstRings },
  { side: 'filehandle', openFile: openHandle },
];

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
export const WHOLE_FILE_PATHS = all.flatMap(({ kind, size }) =>
  SIDES.map(({ side, openFile, needs }) => ({
    id: `${side}_${kind}_${size}`,
    run: (load) => filesPerSecond(KINDS[kind], openFile, SIZES[size], load),
    needs,
  })),
);

/** What is made of it. */
export const WHOLE_FILE_FIGURES = all.map(({ kind, size }) => ({
  id: `${kind}_${size}_over_filehandle`,
  ...over(`aiofile_${kind}_${size}`, `filehandle_${kind}_${size}`),
}));

async function filesPerSecond(work, openFile, lengthBytes, { folder, lengthMs }) {
  const path = join(folder, String(lengthBytes));
  const data = Buffer.alloc(lengthBytes, 'biodone');
  writeFileSync(path, data);
  const file = await openFile(path, 'r');
  const subject = { openFile, path, data, file, lengthBytes };
  await repeatFor(lengthMs * WARM_UP_SHARE, () => work(subject));
  const perSecond = await repeatFor(lengthMs * SLICE_SHARE, () => work(subject));
  await file.close();
  return perSecond;
}

async function repeatFor(lengthMs, work) {
  const startedAt = performance.now();
  let count = 0;
  let tookMs = 0;
  do {
    await work();
    count += 1;
    tookMs = performance.now() - startedAt;
  } while (tookMs < lengthMs);
  return count / (tookMs / 1000);
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
