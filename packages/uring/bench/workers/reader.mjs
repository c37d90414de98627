// Reads as the main thread does, on a worker's event loop, whenever it is told to.
import { parentPort } from 'node:worker_threads';
import { biodone } from '../biodone.mjs';
import { measured } from '../measured.mjs';

parentPort.on('message', async (load) => {
  parentPort.postMessage(await measured(biodone, load));
});
