// What each choice costs, for docs/from-fs.md: reads by fs.readSync, FileHandle and AioFile at several depths and lengths, with memory of each kind,
// through the page cache and past it.
//
//   node bench/from-fs.mjs [--repeats N] [--slice MS]
//
// All rows are run once, then all again in the other order; each cell is the median of the repeats: operations a second (of streams, chunks), and the
// processor time of the whole process for each, in microseconds. The second says more on a machine that is busy with other things.
import { constants, openSync, readSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { open } from '@biodone/posix-aio';
import { IoBuffer } from '@biodone/uring';
import {
  currentLoad,
  environmentOf,
  printEnvironment,
  printTable,
  readOptions,
  spread,
  tell,
} from '../../../scripts/bench-table.mjs';
import { measured } from '../../uring/bench/measured.mjs';
import { FILE_BYTES, TestFile } from '../../uring/bench/test-file.mjs';

const KIB = 1024;
const DIRECT = constants.O_RDONLY | constants.O_DIRECT;

const buffer = (bytes) => new Uint8Array(bytes);
const ioBuffer = (bytes) => IoBuffer.allocate(bytes);

const handle = { open: ({ path }) => openHandle(path, 'r+'), memory: buffer };
const aioFile = { open: ({ path }) => open(path, 'r+'), memory: buffer };
const aioTrusted = { open: ({ path }) => open(path, 'r+', undefined, { trusted: true }), memory: buffer };
const aioIoBuffer = { open: ({ path }) => open(path, 'r+'), memory: ioBuffer };
const aioOnThreads = { open: ({ path }) => open(path, 'r+', undefined, { engine: 'fs' }), memory: buffer };
const aioDirect = { open: ({ path }) => open(path, DIRECT), memory: ioBuffer };
const aioDirectCopied = { open: ({ path }) => open(path, DIRECT), memory: buffer };

const TABLES = [
  {
    title: '4 KiB reads from the page cache, by depth',
    columns: [1, 4, 32, 128].map((depth) => ({ name: `depth ${depth}`, depth, blockBytes: 4 * KIB })),
    rows: [
      { name: 'fs.readSync', run: readsSync, only: 1 },
      { name: 'FileHandle', run: reads(handle) },
      { name: 'AioFile, Buffer', run: reads(aioFile) },
      { name: 'AioFile, IoBuffer', run: reads(aioIoBuffer) },
      { name: 'AioFile without io_uring', run: reads(aioOnThreads) },
    ],
  },
  {
    title: 'reads from the page cache, depth 8, by length',
    columns: [4, 16, 32, 64, 1024].map((kib) => ({ name: `${kib} KiB`, depth: 8, blockBytes: kib * KIB })),
    rows: [
      { name: 'FileHandle', run: reads(handle) },
      { name: 'AioFile, Buffer', run: reads(aioFile) },
      { name: 'AioFile, trusted Buffer', run: reads(aioTrusted) },
      { name: 'AioFile, IoBuffer', run: reads(aioIoBuffer) },
    ],
  },
  {
    title: '4 KiB reads past the page cache (O_DIRECT), by depth',
    columns: [1, 8, 32, 128].map((depth) => ({ name: `depth ${depth}`, depth, blockBytes: 4 * KIB })),
    rows: [
      { name: 'AioFile, IoBuffer', run: reads(aioDirect), direct: true },
      { name: 'AioFile, Buffer', run: reads(aioDirectCopied), direct: true },
    ],
  },
  {
    title: 'createReadStream from the page cache, by highWaterMark',
    columns: [64, 1024].map((kib) => ({ name: `${kib} KiB`, depth: 1, blockBytes: kib * KIB })),
    rows: [
      { name: 'FileHandle', run: streamed(handle) },
      { name: 'AioFile', run: streamed(aioFile) },
    ],
  },
  {
    title: '4 KiB writes into the page cache, by depth',
    columns: [1, 32].map((depth) => ({ name: `depth ${depth}`, depth, blockBytes: 4 * KIB })),
    rows: [
      { name: 'FileHandle', run: writes(handle) },
      { name: 'AioFile, Buffer', run: writes(aioFile) },
    ],
  },
  {
    title: 'opening, a read of 4 KiB and closing, by how many files at a time',
    columns: [1, 32].map((depth) => ({ name: `${depth} at a time`, depth, blockBytes: 4 * KIB })),
    rows: [
      { name: 'FileHandle', run: openings(handle) },
      { name: 'AioFile', run: openings(aioFile) },
      { name: 'AioFile without io_uring', run: openings(aioOnThreads) },
    ],
  },
];

function reads(side) {
  return (load) =>
    measure(side, load, async (file, memory, position) => (await file.read(memory, 0, load.blockBytes, position)).bytesRead);
}

function writes(side) {
  return (load) =>
    measure(side, load, async (file, memory, position) => (await file.write(memory, 0, load.blockBytes, position)).bytesWritten);
}

/** Runs `depth` operations at a time, each as soon as the one before it is done. */
async function measure(side, load, operation) {
  const path = async (_, recorder) => {
    const file = await side.open(load);
    const slots = Array.from({ length: load.depth }, () => side.memory(load.blockBytes));
    recorder.begin();
    await Promise.all(
      slots.map(async (memory, slot) => {
        let more = true;
        while (more) more = recorder.complete(slot, await operation(file, memory, recorder.nextOffset()));
      }),
    );
    await file.close();
  };
  return measured(path, load);
}

/** Reads the file from its beginning to its end, again and again. */
function streamed(side) {
  return async (load) => {
    const path = async (_, recorder) => {
      let more = true;
      recorder.begin();
      while (more) {
        const file = await side.open(load);
        for await (const chunk of file.createReadStream({ highWaterMark: load.blockBytes })) {
          more = recorder.complete(0, chunk.length);
          if (!more) break;
        }
      }
    };
    return measured(path, load);
  };
}

/** Opens the file for each read, and closes it. */
function openings(side) {
  return (load) => {
    const path = async (_, recorder) => {
      const slots = Array.from({ length: load.depth }, () => side.memory(load.blockBytes));
      recorder.begin();
      await Promise.all(
        slots.map(async (memory, slot) => {
          let more = true;
          while (more) {
            const file = await side.open(load);
            const { bytesRead } = await file.read(memory, 0, load.blockBytes, recorder.nextOffset());
            more = recorder.complete(slot, bytesRead);
            await file.close();
          }
        }),
      );
    };
    return measured(path, load);
  };
}

async function readsSync(load) {
  const path = async (_, recorder) => {
    const fd = openSync(load.path);
    const bytes = buffer(load.blockBytes);
    recorder.begin();
    while (recorder.complete(0, readSync(fd, bytes, 0, load.blockBytes, recorder.nextOffset())));
  };
  return measured(path, load);
}

async function main({ repeats, slice }) {
  const loadBefore = currentLoad();
  const file = new TestFile();
  for (const { title, columns, rows } of TABLES) {
    const cells = rows.flatMap((row) => columns.map((column) => ({ row, column, values: [] })));
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const { row, column, values } of repeat % 2 === 0 ? cells : cells.toReversed()) {
        if ((row.only ?? column.depth) !== column.depth || (row.direct && file.noDirect !== null)) continue;
        tell(`repeat ${repeat + 1} of ${repeats}: ${title}: ${row.name}, ${column.name}`);
        file.readThrough();
        const load = { path: file.path, fileBytes: FILE_BYTES, ...column, lengthMs: slice, warmUpMs: slice / 2, seed: repeat };
        values.push(await row.run(load));
      }
    }
    tell('');
    const textOf = (row, column) => {
      const { values } = cells.find((cell) => cell.row === row && cell.column === column);
      if (values.length === 0) return '–';
      return `${spread(values.map(({ iops }) => iops))[0]} (${spread(values.map(({ cpuUs }) => cpuUs))[0]})`;
    };
    console.log(`\n${title}\n`);
    printTable([
      ['a second (CPU µs)', ...columns.map(({ name }) => name)],
      ...rows.map((row) => [row.name, ...columns.map((column) => textOf(row, column))]),
    ]);
  }
  file.close();
  printEnvironment(environmentOf(loadBefore, repeats));
}

const options = readOptions({ slice: { value: 'MS', default: 500 } });
if (options !== undefined) await main(options);
