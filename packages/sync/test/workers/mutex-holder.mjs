// Takes the mutex, says so, and gives it back when it is told to.
import { parentPort, workerData } from 'node:worker_threads';
import { KMutex } from '@biodone/sync';

const mutex = new KMutex(workerData.memory, 0);
mutex.enter();
parentPort.once('message', () => mutex.exit());
parentPort.postMessage('held');
