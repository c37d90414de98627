// Measures what a pool allocates: node --expose-gc no-allocation.mjs WAY
// One line of JSON, in bytes per operation: `allocated`, how much the heap grew without a collection, and `kept`, how much of that a
// collection left; and `collections`, how many there were while the former was measured.

import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { AioOp, AioServiceClass, AioServicePool, LINK_HARD, LINK_SOFT, OrderingKey, queueCompletion } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE, openMem, openNull } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const DEPTH = 32;
const LENGTH_BYTES = 4096;
const BLOCKS = 4096;
const key = new OrderingKey();
/** How each way differs from the plain one: callbacks on the null device. */
const WAYS = {
  null: {},
  mem: { device: () => openMem(BLOCKS * LENGTH_BYTES) },
  'one’s own': { own: true },
  sync: { sync: true },
  reaped: { reaped: true },
  fcfs: { options: { inFlightMax: 4 } },
  disksort: { options: { inFlightMax: 4, discipline: 'disksort' } },
  readprio: { options: { inFlightMax: 4, discipline: 'readprio' }, write: 3 },
  priocscan: { options: { inFlightMax: 4, discipline: 'priocscan' }, priority: 3 },
  limited: { options: { bytesMax: 2 ** 20 } },
  ordered: { key: true },
  flush: { flush: 8 },
  drain: { drain: 8 },
  batch: { batch: () => 0 },
  chains: { batch: (index) => [LINK_SOFT, LINK_HARD, LINK_SOFT, 0][index % 4] },
  class: { pools: 4 },
  'two choices': { pools: 4, classOptions: { balance: 'two-choices' } },
  stolen: { pools: 2, options: { inFlightMax: 4 }, classOptions: { balance: 'round-robin' } },
  'class ordered': { pools: 4, key: true },
};
const way = WAYS[process.argv[2]];
const device = way.device?.() ?? openNull();
const pool = way.pools
  ? new AioServiceClass(Array(way.pools).fill({ device, ...way.options }), way.classOptions)
  : new AioServicePool(device, way.options);

let left = 0;
let finished = () => {};
let next = 0;

function done(op) {
  if (op.error !== 0) throw new Error(`error ${op.error}`);
  left -= 1;
  if (way.batch !== undefined) startBatch();
  else if (left >= DEPTH) start(op);
  else if (left === 0) finished();
  return true;
}

/** When all are done, all are submitted again. */
function startBatch() {
  if (left % DEPTH !== 0) return;
  if (left === 0) finished();
  else if (pool.submitAll(ops, verdicts) !== DEPTH) throw new Error(`refused: ${verdicts}`);
}

function start(op) {
  next += 1;
  op.offset = ((next * 7) % BLOCKS) * LENGTH_BYTES;
  op.operation = way.write !== undefined && next % way.write === 0 ? BLOCK_WRITE : 0;
  if (next % way.flush === 0) op.operation = BLOCK_FLUSH;
  if (way.priority !== undefined) op.priority = next % way.priority;
  if (way.drain !== undefined) op.drain = next % way.drain === 0;
  pool.submit(op);
}

const verdicts = new Int32Array(DEPTH);
const ops = Array.from({ length: way.sync ? 1 : DEPTH }, (_, index) => {
  const op = way.own ? new AioOp() : pool.allocate();
  op.buffer = IoBuffer.allocate(LENGTH_BYTES);
  op.lengthBytes = LENGTH_BYTES;
  op.callback = way.sync ? null : way.reaped ? queueCompletion : done;
  if (way.key) op.orderingKey = key;
  if (way.batch) op.link = way.batch(index);
  return op;
});

function run(operations) {
  return new Promise((resolve) => {
    finished = resolve;
    left = operations;
    if (way.batch !== undefined) startBatch();
    else for (const op of ops) start(op);
    if (way.sync) {
      for (let count = 0; count < operations; count++) start(ops[0]);
      resolve();
    }
    while (way.reaped && left > 0) done(pool.waitComplete());
  });
}

const collections = [];
const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
observer.observe({ entryTypes: ['gc'] });

const OPERATIONS = 400_000;
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
await pool.close();
console.log(
  JSON.stringify({
    allocated,
    kept: (collected - before) / (OPERATIONS * ROUNDS),
    collections: collections.filter(({ startTime }) => startTime >= began && startTime <= ended).length,
    observed: collections.length,
  }),
);
