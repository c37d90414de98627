// Measures what the callback path allocates: node --expose-gc no-allocation.mjs KIND [PATH], of the kinds below.
// One line of JSON, in bytes per operation: `allocated`, how much the heap grew without a collection, and `kept`, how much of that a
// collection left; and `collections`, how many there were while the former was measured.

import { readFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import {
  BLOCK_WRITE,
  BlockIo,
  openCache,
  openChecksum,
  openCow,
  openFile,
  openMem,
  openMirror,
  openNull,
  openQcow2,
  openRaid,
  openSnapshots,
  openStripe,
  openThrottle,
  openVhd,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { wholeQcow2, wholeVhd } from './whole-images.mjs';

const [kind, path] = process.argv.slice(2);
const DEPTH = 32;
// A whole row of the raid below is two stripes.
const STRIPE_BYTES = 4096;
const LENGTH_BYTES = kind.startsWith('raid-row') ? 2 * STRIPE_BYTES : 4096;
const IMAGE_BYTES = 2 ** 20;
const file = () => openFile(path, { readOnly: true, engine: 'uring' });
const OPEN = {
  null: () => openNull(),
  mem: () => openMem(2 ** 24),
  // Limits that are looked at, and that nothing here reaches.
  throttle: () => openThrottle(openNull(), { iops: 1e12, bytesPerSecond: 1e15 }),
  // All that is read is in it after the first round.
  cache: () => openCache(openMem(2 ** 24), { cacheBytes: 2 ** 25 }),
  'cache-writes': () => openCache(openMem(2 ** 24), { cacheBytes: 2 ** 25, dirtyMaxBytes: 2 ** 25, writeBackDelayMs: 2 ** 30 }),
  'cache-device': () => openCache(openMem(2 ** 24), { cacheDevice: openMem(2 ** 25), create: true }),
  'cache-device-writes': () =>
    openCache(openMem(2 ** 24), {
      cacheDevice: openMem(2 ** 25),
      create: true,
      dirtyMaxBytes: 2 ** 24,
      writeBackDelayMs: 2 ** 30,
    }),
  cow: () => openCow(openMem(2 ** 24), { blockBytes: 4096 }),
  'cow-write': () => openCow(openMem(2 ** 20), { blockBytes: 4096 }),
  checksum: () => checksum(),
  'checksum-in-place': () => checksum(),
  'checksum-write': () => checksum(),
  'snapshots-read': async () => (await snapshots()).device,
  'snapshots-write': async () => (await snapshots()).device,
  snapshot: async () => (await snapshots()).snapshot,
  qcow2: () => openQcow2(wholeQcow2(IMAGE_BYTES)),
  vhd: () => openVhd(wholeVhd(IMAGE_BYTES)),
  file,
  stripe: () => openStripe([file(), file()]),
  // Reads, and writes of less than a row and of a whole one.
  'raid-read': openMemRaid,
  'raid-write': openMemRaid,
  'raid-row': openMemRaid,
  'raid-row-in-place': openMemRaid,
  mirror: async () => (await openMirror([file(), file()], { labels: false })).device,
};

function openMemRaid() {
  const disks = Array.from({ length: 3 }, () => openMem(2 ** 20));
  return openRaid(disks, { create: true, assumeClean: true, stripeBytes: STRIPE_BYTES, regionBytes: 2 ** 20 });
}

/** Written all over: what never was is zeros, and no checksum is looked at. */
async function checksum() {
  const device = await openChecksum(openMem(2 ** 24), { create: true });
  writeEvery(device, 1);
  return device;
}

/** A device with a snapshot that has every other block from its store, and the rest from the device. */
async function snapshots() {
  const device = openSnapshots(openMem(IMAGE_BYTES), { blockBytes: LENGTH_BYTES });
  const snapshot = await device.snapshot();
  writeEvery(device, 2);
  return { device, snapshot };
}

/** Writes to every n-th block. */
function writeEvery(device, distance) {
  const io = new BlockIo();
  io.operation = BLOCK_WRITE;
  io.buffer = IoBuffer.allocate(LENGTH_BYTES);
  io.lengthBytes = LENGTH_BYTES;
  for (; io.offset < device.limits.sizeBytes; io.offset += distance * LENGTH_BYTES) device.strategySync(io);
}

const device = await OPEN[kind]();
const isWrite = [
  'raid-write',
  'raid-row',
  'raid-row-in-place',
  'cache-writes',
  'cache-device-writes',
  'checksum-write',
  'cow-write',
  'snapshots-write',
].includes(kind);
const blocks = Math.min(2 ** 20, device.limits.sizeBytes / LENGTH_BYTES);
// The file is cached, so every read completes in the system call that starts it.
if (path !== undefined) readFileSync(path);

let left = 0;
let finished = () => {};
let next = 0;

function iodone(io) {
  if (io.error !== 0 || io.transferredBytes !== LENGTH_BYTES) throw new Error(`${io.error} ${io.transferredBytes}`);
  left -= 1;
  if (left >= DEPTH) start(io);
  else if (left === 0) finished();
}

function start(io) {
  next = (next + 7) % blocks;
  io.offset = next * LENGTH_BYTES;
  device.strategy(io);
}

const shared = kind.endsWith('-in-place') ? IoBuffer.inWebAssembly(DEPTH * LENGTH_BYTES) : null;
const requests = Array.from({ length: DEPTH }, (_, slot) => {
  const io = new BlockIo();
  if (kind.endsWith('-write')) io.operation = BLOCK_WRITE;
  io.buffer = shared ?? IoBuffer.allocate(LENGTH_BYTES);
  io.bufferOffset = shared === null ? 0 : slot * LENGTH_BYTES;
  io.lengthBytes = LENGTH_BYTES;
  io.iodone = iodone;
  if (isWrite) io.operation = BLOCK_WRITE;
  return io;
});

function run(operations) {
  return new Promise((resolve) => {
    finished = resolve;
    left = operations;
    for (const io of requests) start(io);
  });
}

const collections = [];
const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
observer.observe({ entryTypes: ['gc'] });

const OPERATIONS = 1_000_000;
const ROUNDS = 3;
await run(OPERATIONS);
await turn();
globalThis.gc();
globalThis.gc();
const before = process.memoryUsage().heapUsed;
const began = performance.now();
// The compiler's memory is on the same heap, and a busy machine compiles late: the leanest round is what an operation allocates.
let allocated = Number.POSITIVE_INFINITY;
let last = before;
for (let round = 0; round < ROUNDS; round++) {
  await run(OPERATIONS);
  const heapUsed = process.memoryUsage().heapUsed;
  allocated = Math.min(allocated, (heapUsed - last) / OPERATIONS);
  last = heapUsed;
}
const ended = performance.now();
globalThis.gc();
globalThis.gc();
const collected = process.memoryUsage().heapUsed;
// The observer hears of collections in a later turn.
await turn();
await turn();
await device.close();
console.log(
  JSON.stringify({
    allocated,
    kept: (collected - before) / (OPERATIONS * ROUNDS),
    collections: collections.filter(({ startTime }) => startTime >= began && startTime <= ended).length,
    observed: collections.length,
  }),
);
