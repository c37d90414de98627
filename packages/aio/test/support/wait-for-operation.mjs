// Waits for an operation of the thread that has started this one, from its handle.
import { parentPort, workerData } from 'node:worker_threads';
import { AioOpWaiter } from '@biodone/aio';

const { handle, how } = workerData;
const waiter = new AioOpWaiter(handle);
parentPort.postMessage('waiting');
try {
  if (how === 'available') parentPort.postMessage(waiter.waitAvailable());
  else parentPort.postMessage(how === 'async' ? await waiter.waitAsync() : waiter.wait());
} catch (error) {
  parentPort.postMessage(error.code);
}
