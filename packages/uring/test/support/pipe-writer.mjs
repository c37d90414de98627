import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

parentPort.postMessage('ready');
Atomics.wait(workerData.go, 0, 0);
writeSync(workerData.fd, 'x');
