import { readSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

parentPort.postMessage('ready');
const byte = Buffer.alloc(1);
while (readSync(workerData.input, byte) === 1) writeSync(workerData.output, byte);
parentPort.postMessage('done');
