// Writes so much into a pipe that its ring registers that, and says how many files are registered.

import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { IoBuffer, prepareWrite, RingFile, RingRequest, ThreadRing } from '@biodone/uring';

class Write extends RingRequest {
  complete() {}
}

const { path, count } = workerData;
const ring = new ThreadRing();
const file = RingFile.open(path, 'w');
const memory = IoBuffer.allocate(1);
for (let left = count; left > 0; left--) {
  const write = new Write();
  prepareWrite(write, file, memory, 0, 1, -1);
  ring.start(write);
}
while (ring.inFlight > 0) ring.wait(10_000);
const info = readFileSync(`/proc/self/fdinfo/${ring.ring.fd}`, 'utf8');
parentPort.postMessage([...info.matchAll(/^ *\d+: .*\/fifo$/gm)].length);
setInterval(() => {}, 1000);
