// Waits for a robust mutex, repairs what it protects, and says how it got it.
import { parentPort, workerData } from 'node:worker_threads';
import { KMutex } from '@biodone/sync';

const mutex = new KMutex(workerData.memory, 0);
const outcome = mutex.enter();
if (outcome === 'EOWNERDEAD') mutex.makeConsistent();
mutex.exit();
parentPort.postMessage(outcome);
