// Takes a unit and gives it back, again and again; says how many others it has seen with a unit, itself included.
import { parentPort, workerData } from 'node:worker_threads';
import { KSemaphore } from '@biodone/sync';

const { memory, rounds, way } = workerData;
const semaphore = new KSemaphore(memory, 0);
const shared = new Int32Array(memory, KSemaphore.BYTES, 2);
let most = 0;
for (let round = 0; round < rounds; round++) {
  if (way === 'wait') semaphore.wait();
  else if (way === 'timedWait') while (!semaphore.timedWait(1));
  else await semaphore.waitAsync();
  most = Math.max(most, Atomics.add(shared, 0, 1) + 1);
  Atomics.add(shared, 1, 1);
  Atomics.sub(shared, 0, 1);
  semaphore.post();
}
parentPort.postMessage(most);
