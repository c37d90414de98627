// Whole files by an AioFile and by Node's FileHandle: opening, reading or writing all at once and closing, and reading alone on a file that stays open.
//
//   node bench/whole-files.mjs [--json FILE] [--repeats N] [--slice MS]
//
// The two sides take turns file by file: see two-sides.mjs. The ratio is of one repeat. Files that are read are in the page cache; those that are written are
// there already, and are truncated by their opening ('w').

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { libc } from '@biodone/uring';
import { benchPaths } from '../../../scripts/bench-paths.mjs';
import { readOptions } from '../../../scripts/bench-table.mjs';
import { reasonAgainstRings } from '../../uring/bench/reasons.mjs';
import { overFileHandle, ratesOf, SIDES } from './two-sides.mjs';

const SIZES = { '4k': 2 ** 12, '64k': 2 ** 16, '1m': 2 ** 20, '16m': 2 ** 24 };
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
export const WHOLE_FILE_FIGURES = WHOLE_FILE_PATHS.map(({ id }) => overFileHandle(id));

async function filesPerSecond(work, lengthBytes, { folder, lengthMs }) {
  const sides = [];
  for (const { name, openFile } of SIDES) {
    const path = join(folder, `${name}-${lengthBytes}`);
    const data = Buffer.alloc(lengthBytes, 'biodone');
    writeFileSync(path, data);
    const file = await openFile(path, 'r');
    sides.push({ openFile, path, data, file, lengthBytes });
  }
  const rates = await ratesOf(sides, work, lengthMs);
  for (const { file } of sides) await file.close();
  return rates;
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
