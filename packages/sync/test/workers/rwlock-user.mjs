// A writer changes two numbers one after the other; a reader must never see them differ.
import { parentPort, workerData } from 'node:worker_threads';
import { KRwlock } from '@biodone/sync';

const { memory, rounds, role, way } = workerData;
const lock = new KRwlock(memory, 0);
const shared = new Int32Array(memory, KRwlock.BYTES, 2);
let mistakes = 0;
for (let round = 0; round < rounds; round++) {
  if (way === 'enter') lock.enter(role);
  else if (way === 'timedEnter') while (!lock.timedEnter(role, 1));
  else await lock.enterAsync(role);
  if (shared[0] !== shared[1]) mistakes++;
  if (role === 'writer') {
    shared[0]++;
    shared[1]++;
  }
  lock.exit();
}
parentPort.postMessage(mistakes);
