// Adds to a plain counter under a mutex, which it takes in one of the four ways. Two owners at once would lose additions, or see each other's
// mark.
import { parentPort, workerData } from 'node:worker_threads';
import { KMutex } from '@biodone/sync';

const { memory, rounds, way } = workerData;
const mutex = new KMutex(memory, 0);
const shared = new Int32Array(memory, KMutex.BYTES, 2);
let intruders = 0;

function work() {
  if (shared[1] !== 0) intruders++;
  shared[1] = 1;
  shared[0]++;
  shared[1] = 0;
  mutex.exit();
}

const enter = {
  enter: () => mutex.enter(),
  timedEnter() {
    while (!mutex.timedEnter(1));
  },
  enterCallback: () => new Promise((resolve) => mutex.enterCallback(resolve)),
  enterAsync: () => mutex.enterAsync(),
}[way];

for (let round = 0; round < rounds; round++) {
  const entered = enter();
  if (entered instanceof Promise) await entered;
  work();
}
parentPort.postMessage(intruders);
