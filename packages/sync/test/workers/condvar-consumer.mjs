// Takes tokens one by one until it has seen that no more come.
import { parentPort, workerData } from 'node:worker_threads';
import { KCondvar, KMutex } from '@biodone/sync';

const { memory, way } = workerData;
const mutex = new KMutex(memory, 0);
const condvar = new KCondvar(memory, KMutex.BYTES);
const shared = new Int32Array(memory, KMutex.BYTES + KCondvar.BYTES, 2);
let taken = 0;
await mutex.enterAsync();
for (;;) {
  while (shared[0] === 0 && shared[1] === 0) {
    if (way === 'wait') condvar.wait(mutex);
    else if (way === 'timedWait') condvar.timedWait(mutex, 1);
    else await condvar.waitAsync(mutex);
  }
  if (shared[0] === 0) break;
  shared[0]--;
  taken++;
}
mutex.exit();
parentPort.postMessage(taken);
