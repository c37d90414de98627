import { parentPort, workerData } from 'node:worker_threads';
import { wakeRing } from '@biodone/uring';

const { go, rounds, eventFd } = workerData;
parentPort.postMessage('ready');
for (let round = 1; round <= rounds; round++) {
  Atomics.wait(go, 0, round - 1);
  wakeRing(eventFd);
}
