// Counts the bytes that a million operations allocate, with no garbage collection in between to hide them.
// Usage: allocation.mjs null | file PATH
import { PerformanceObserver } from 'node:perf_hooks';
import { AioServicePool } from '@biodone/aio';
import { openFile, openNull } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const [kind, path] = process.argv.slice(2);
const device = kind === 'null' ? openNull() : openFile(path, { readOnly: true, engine: 'uring' });
const blocks = Math.floor((device.limits.sizeBytes ?? 0) / 4096);
const pool = new AioServicePool(device);
const OPERATIONS = 1_000_000;
const DEPTH = 32;

let remaining = 0;
let outstanding = 0;
let block = 0;
let finish = () => {};
const callback = (op) => {
  if (op.error !== 0 || op.transferredBytes !== 4096) throw new Error(`error ${op.error}, ${op.transferredBytes} bytes`);
  if (remaining > 0) {
    remaining -= 1;
    block = (block + 7) % blocks;
    op.offset = block * 4096;
    pool.submit(op);
    return true;
  }
  outstanding -= 1;
  if (outstanding === 0) finish();
  return false;
};

function run(operations) {
  remaining = operations - DEPTH;
  outstanding = DEPTH;
  return new Promise((resolve) => {
    finish = resolve;
    for (let index = 0; index < DEPTH; index++) {
      const op = pool.allocate();
      op.buffer = IoBuffer.allocate(4096);
      op.lengthBytes = 4096;
      op.offset = 0;
      op.callback = callback;
      pool.submit(op);
    }
  });
}

let collections = 0;
const observer = new PerformanceObserver((list) => {
  collections += list.getEntries().length;
});
observer.observe({ entryTypes: ['gc'] });

await run(OPERATIONS);
globalThis.gc();
// The observer hears of the collection above in a later turn.
await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
collections = 0;
const before = process.memoryUsage().heapUsed;
await run(OPERATIONS);
const after = process.memoryUsage().heapUsed;
await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const seen = collections;
globalThis.gc();
const retained = process.memoryUsage().heapUsed - before;
console.log(
  JSON.stringify({ allocatedBytes: (after - before) / OPERATIONS, retainedBytes: retained / OPERATIONS, collections: seen }),
);
