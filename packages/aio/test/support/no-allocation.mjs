// Measures what a pool allocates: node --expose-gc no-allocation.mjs WAY
// One line of JSON, in bytes per operation: `allocated`, how much the heap grew without a collection, and `kept`, how much of that a
// collection left; `inThreads`, how much the heaps of the service threads grew; `wakeUps`, how many times per operation completions came, of which
// there may be many at a time; and `collections`, how many there were while the first was measured.

import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { AioOp, AioServiceClass, AioServicePool, LINK_HARD, LINK_SOFT, OrderingKey, queueCompletion } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE, openMem, openNull } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { heapOfThreads, openCounting, spawnCounting } from './counting-driver.mjs';

const LENGTH_BYTES = 4096;
const BLOCKS = 4096;
const key = new OrderingKey();
const LINKS = [LINK_SOFT, LINK_HARD, LINK_SOFT, 0];
const threads = { service: 'threads', threads: 1, spawn: spawnCounting };
/**
 * Few at a time are with the thread there, so each wake-up is for few, and a wake-up is what takes the time. An object that an operation makes, of 16 bytes,
 * is 800 kB in all of these, and what Node and its compiler make beside them some 100.
 */
const FEW_AT_A_TIME = 50_000;
/** One at a time: what a wake-up makes may be 450 bytes, which is 11 MB in all of these. */
const ONE_AT_A_TIME = 25_000;
const counting = { device: openCounting, options: threads, threads: true, operations: 200_000 };
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
  pooled: { pooled: true },
  deadlines: { deadlineMs: (count) => 60_000 + (count % 13) * 1000 },
  'deadlines one by one': { deadlineMs: () => 60_000, depth: 1 },
  'one signal': { signal: oneSignal() },
  'a signal each': { signal: () => new AbortController().signal, operations: 20_000 },
  'timeouts by count': { timer: (index) => (index % 2 === 0 ? null : { timeoutMs: 60_000, count: 1 }), timeouts: true },
  'timeouts by time': { timer: () => ({ timeoutMs: 0 }), timeouts: true, operations: 100_000 },
  batch: { batch: () => 0 },
  chains: { batch: (index) => LINKS[index % 4] },
  'link timeouts': {
    batch: (index) => (index % 4 === 3 ? 0 : LINK_HARD),
    timer: (index) => (index % 2 === 0 ? null : { timeoutMs: 60_000, link: true }),
    timeouts: true,
  },
  class: { pools: 4 },
  'two choices': { pools: 4, classOptions: { balance: 'two-choices' } },
  stolen: { pools: 2, options: { inFlightMax: 4 }, classOptions: { balance: 'round-robin' } },
  'class ordered': { pools: 4, key: true },
  'class batch': { pools: 4, batch: () => 0 },
  'class chains': { pools: 4, batch: (index) => LINKS[index % 4] },
  'class disksort': { pools: 2, options: { inFlightMax: 4, discipline: 'disksort' } },
  'class deadlines': { pools: 2, options: { inFlightMax: 4 }, deadlineMs: (count) => 60_000 + (count % 13) * 1000 },
  'class flush': { pools: 2, flush: 8 },
  threads: counting,
  'threads flush': { ...counting, flush: 8 },
  'threads disksort': { ...counting, options: { ...threads, inFlightMax: 4, discipline: 'disksort' }, operations: FEW_AT_A_TIME },
  'threads priocscan': {
    ...counting,
    options: { ...threads, inFlightMax: 4, discipline: 'priocscan' },
    priority: 3,
    operations: FEW_AT_A_TIME,
  },
  'threads ordered': { ...counting, key: true, operations: ONE_AT_A_TIME },
  'threads deadlines': { ...counting, deadlineMs: (count) => 60_000 + (count % 13) * 1000 },
  'threads one signal': { ...counting, signal: oneSignal() },
  'threads batch': { ...counting, batch: () => 0 },
  'threads chains': { ...counting, batch: (index) => LINKS[index % 4] },
  'threads class': { ...counting, pools: 2 },
};

function oneSignal() {
  const { signal } = new AbortController();
  return () => signal;
}

const way = WAYS[process.argv[2]];
const DEPTH = way.depth ?? 32;
const device = way.device?.() ?? openNull();
const pool = way.pools
  ? new AioServiceClass(Array(way.pools).fill({ device, ...way.options }), way.classOptions)
  : new AioServicePool(device, way.options);

let left = 0;
let finished = () => {};
let next = 0;

/** Of timeouts. */
const ETIME = 62;
const ECANCELED = 125;

const resolved = Promise.resolve();
let deliveries = 0;
let delivering = false;
const delivered = () => {
  delivering = false;
};

/** Counts how often completions come, of which there may be many at a time. */
function countDelivery() {
  if (delivering) return;
  delivering = true;
  deliveries += 1;
  resolved.then(delivered);
}

function done(op) {
  if (way.threads) countDelivery();
  if (op.error !== 0 && !(way.timeouts && (op.error === ETIME || op.error === ECANCELED))) throw new Error(`error ${op.error}`);
  left -= 1;
  if (way.pooled) return startAnother();
  if (way.batch !== undefined) startBatch();
  else if (left >= DEPTH) start(op);
  else if (left === 0) finished();
  return true;
}

/** The pool has the one that is done, and gives another. */
function startAnother() {
  if (left >= DEPTH) {
    const op = pool.allocate();
    op.buffer = ops[0].buffer;
    op.lengthBytes = LENGTH_BYTES;
    op.callback = done;
    start(op);
  } else if (left === 0) finished();
  return false;
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
  if (way.deadlineMs !== undefined) op.deadlineMs = way.deadlineMs(next);
  const refused = pool.submit(op);
  if (refused !== 0) throw new Error(`refused: ${refused}`);
}

const verdicts = new Int32Array(DEPTH);
const ops = Array.from({ length: way.sync ? 1 : DEPTH }, (_, index) => {
  const op = way.own ? new AioOp() : pool.allocate();
  op.buffer = IoBuffer.allocate(LENGTH_BYTES);
  op.lengthBytes = LENGTH_BYTES;
  op.callback = way.sync ? null : way.reaped ? queueCompletion : done;
  if (way.key) op.orderingKey = key;
  if (way.batch) op.link = way.batch(index);
  if (way.signal) op.signal = way.signal();
  if (way.timer) op.timer = way.timer(index);
  return op;
});

function run(operations) {
  return new Promise((resolve) => {
    finished = resolve;
    left = operations;
    if (way.batch !== undefined) startBatch();
    else for (let count = 0; way.pooled && count < DEPTH; count++) startAnother();
    if (way.batch === undefined && !way.pooled) for (const op of ops) start(op);
    if (way.sync) {
      for (let count = 0; count < operations; count++) start(ops[0]);
      resolve();
    }
    while (way.reaped && left > 0) done(pool.waitComplete());
  });
}

/** By how much the heaps of the service threads have grown. */
function noteThreads(round) {
  const heap = heapOfThreads();
  const grown = (heap - lastInThreads) / OPERATIONS;
  if (round === 0 || grown < inThreads) inThreads = grown;
  lastInThreads = heap;
}

const collections = [];
const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
observer.observe({ entryTypes: ['gc'] });

const OPERATIONS = way.operations ?? 400_000;
const ROUNDS = 3;
await run(OPERATIONS);
await turn();
globalThis.gc();
globalThis.gc();
const before = process.memoryUsage().heapUsed;
const began = performance.now();
// The compiler's memory is on the same heap, and a busy machine compiles late: the leanest round is what an operation allocates.
let allocated = Number.POSITIVE_INFINITY;
let wakeUps = 0;
let inThreads = 0;
let last = before;
let lastInThreads = 0;
if (way.threads) noteThreads(-1);
for (let round = 0; round < ROUNDS; round++) {
  const deliveriesBefore = deliveries;
  await run(OPERATIONS);
  const heapUsed = process.memoryUsage().heapUsed;
  const grown = (heapUsed - last) / OPERATIONS;
  const woken = (deliveries - deliveriesBefore) / OPERATIONS;
  last = heapUsed;
  if (grown < allocated) [allocated, wakeUps] = [grown, woken];
  if (way.threads) noteThreads(round);
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
    wakeUps,
    inThreads,
    kept: (collected - before) / (OPERATIONS * ROUNDS),
    collections: collections.filter(({ startTime }) => startTime >= began && startTime <= ended).length,
    observed: collections.length,
  }),
);
