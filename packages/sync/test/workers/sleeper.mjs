// Says which task of the kernel it is, waits for a unit when it is told to, and says its number when it has got it.
import { readlinkSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { KSemaphore } from '@biodone/sync';

const { memory, number } = workerData;
const semaphore = new KSemaphore(memory, 0);
const about = new Int32Array(memory, KSemaphore.BYTES, 1);
parentPort.once('message', () => {
  Atomics.add(about, 0, 1);
  semaphore.wait();
  parentPort.postMessage(number);
});
parentPort.postMessage(readlinkSync('/proc/thread-self').split('/')[2]);
