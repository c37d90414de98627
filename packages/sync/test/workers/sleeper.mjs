// Says which task of the kernel it is, and waits when it is told to: for a unit, and says its number when it has got it; or for a mutex, and writes its
// number down while it owns it.
import { readlinkSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { KMutex, KSemaphore } from '@biodone/sync';

const { memory, number, kind } = workerData;
const words = new Int32Array(memory, KSemaphore.BYTES);
parentPort.once('message', () => {
  if (kind === 'mutex') {
    const mutex = new KMutex(memory, 0);
    Atomics.add(words, 0, 1);
    mutex.enter();
    words[2 + words[1]++] = number;
    mutex.exit();
  } else {
    const semaphore = new KSemaphore(memory, 0);
    Atomics.add(words, 0, 1);
    semaphore.wait();
    parentPort.postMessage(number);
  }
});
parentPort.postMessage(readlinkSync('/proc/thread-self').split('/')[2]);
