// Measures what requests allocate: node --expose-gc no-allocation.mjs nop|read|timeout PATH
// One line of JSON: `allocated`, by how many bytes a request the heap grew without a collection, and `collections`, how many there were
// while that was measured.

import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { IoBuffer, prepareNop, prepareRead, prepareTimeout, RingFile, RingRequest, ThreadRing } from '@biodone/uring';

const [kind, path] = process.argv.slice(2);
const BATCH = 32;
const LENGTH_BYTES = 4096;
const BLOCKS = 256;
const REQUESTS = 100_000;
const ROUNDS = 3;
const ring = new ThreadRing({ sqEntries: BATCH, cqEntries: 2 * BATCH, eventLoop: false });
const file = RingFile.open(path);
// Some nanoseconds, each another number that is no integer. Among other things in an array each is an object that is there already, where
// a number that is computed for a call may be one that is made for it.
const times = [undefined, ...Array.from({ length: BLOCKS }, (_, index) => index / 1e6)];
let next = 0;

/** By kind: what prepares a request, and what it completes with. */
const kinds = {
  nop: [prepareNop, 0],
  read: [(request) => prepareRead(request, file, request.buffer, 0, LENGTH_BYTES, next * LENGTH_BYTES), LENGTH_BYTES],
  timeout: [(request) => prepareTimeout(request, times[next + 1]), -62],
};
const [prepare, wanted] = kinds[kind];

class Request extends RingRequest {
  buffer = IoBuffer.allocate(LENGTH_BYTES);

  complete(result) {
    if (result !== wanted) throw new Error(`${kind}: ${result}`);
  }
}

const requests = Array.from({ length: BATCH }, () => new Request());

function run(count) {
  for (let done = 0; done < count; done += BATCH) {
    for (let index = 0; index < BATCH; index++) {
      next = (next + 7) % BLOCKS;
      prepare(requests[index]);
      ring.start(requests[index]);
    }
    // One system call for all of them, however many wake-ups timers take.
    while (ring.inFlight > 0) ring.submitAndWait(ring.inFlight, 10_000);
  }
}

const collections = [];
const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
observer.observe({ entryTypes: ['gc'] });

run(REQUESTS);
await turn();
globalThis.gc();
await turn();
const began = performance.now();
// The compiler's memory is on the same heap, and a busy machine compiles late: the leanest round is what a request allocates.
let allocated = Number.POSITIVE_INFINITY;
let last = process.memoryUsage().heapUsed;
for (let round = 0; round < ROUNDS; round++) {
  run(REQUESTS);
  await turn();
  const { heapUsed } = process.memoryUsage();
  allocated = Math.min(allocated, (heapUsed - last) / REQUESTS);
  last = heapUsed;
}
const ended = performance.now();
globalThis.gc();
// The observer hears of collections in a later turn.
await turn();
await turn();
ring.closeSync();
await file.close();
console.log(
  JSON.stringify({
    allocated,
    collections: collections.filter(({ startTime }) => startTime >= began && startTime <= ended).length,
    observed: collections.length,
  }),
);
