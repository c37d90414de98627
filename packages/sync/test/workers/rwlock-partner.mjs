// Does what it is asked to, and says whether it could.
import { parentPort, workerData } from 'node:worker_threads';
import { KRwlock } from '@biodone/sync';

const lock = new KRwlock(workerData.memory, 0);
const answers = {
  reader: () => lock.tryEnter('reader'),
  writer: () => lock.tryEnter('writer'),
  upgrade: () => lock.tryUpgrade(),
  exit() {
    lock.exit();
    return true;
  },
};
parentPort.on('message', (question) => parentPort.postMessage(answers[question]()));
parentPort.postMessage('ready');
