// Opens files as the main thread does, on a worker's event loop, whenever it is told to.
import { parentPort } from 'node:worker_threads';
import { openingsPerSecond } from '../openings.mjs';

parentPort.on('message', async ({ kind, count, load }) => {
  parentPort.postMessage(await openingsPerSecond(kind, count, load));
});
