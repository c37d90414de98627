import { parentPort, workerData } from 'node:worker_threads';
import { KMutex } from '@biodone/sync';

/** On a cache line of its own, as the mutex is. */
const CAS_WORD = 16;
const { memory, lock, rounds, gate } = workerData;
const mutex = new KMutex(memory, 0);
const shared = new Int32Array(memory, KMutex.BYTES);
const words = new Int32Array(gate);

Atomics.add(words, 1, 1);
while (Atomics.load(words, 0) === 0);
const start = process.hrtime.bigint();
if (lock === 'mutex') {
  for (let round = 0; round < rounds; round++) {
    mutex.enter();
    shared[0]++;
    mutex.exit();
  }
} else {
  for (let round = 0; round < rounds; round++) {
    while (Atomics.compareExchange(shared, CAS_WORD, 0, 1) !== 0);
    shared[0]++;
    Atomics.store(shared, CAS_WORD, 0);
  }
}
const end = process.hrtime.bigint();
parentPort.postMessage({ start, end });
