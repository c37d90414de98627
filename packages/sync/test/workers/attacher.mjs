// Attaches to what it gets, and uses it.
import { parentPort, workerData } from 'node:worker_threads';
import { KCondvar, KMutex, KRwlock, KSemaphore } from '@biodone/sync';

const semaphore = KSemaphore.attach(workerData.semaphore);
parentPort.once('message', (message) => {
  const mutex = KMutex.attach(message.mutex);
  mutex.enter();
  KCondvar.attach(message.condvar).signal();
  mutex.exit();
  const lock = KRwlock.attach(message.lock);
  lock.enter('writer');
  lock.exit();
  semaphore.post();
  parentPort.postMessage('attached');
});
