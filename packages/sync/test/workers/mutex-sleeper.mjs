// Blocks in enter(), and tells through shared memory that it is about to, and that it has got the mutex.
import { workerData } from 'node:worker_threads';
import { KMutex } from '@biodone/sync';

const mutex = new KMutex(workerData.memory, 0);
const shared = new Int32Array(workerData.memory, KMutex.BYTES, 2);
Atomics.store(shared, 0, 1);
mutex.enter();
Atomics.store(shared, 1, 1);
Atomics.notify(shared, 1);
mutex.exit();
