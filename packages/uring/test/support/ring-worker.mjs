import { parentPort, workerData } from 'node:worker_threads';
import { IoBuffer, prepareRead, RingFile, RingRequest, threadRing } from '@biodone/uring';

const { path, requests, depth } = workerData;
const file = RingFile.open(path);
const buffer = IoBuffer.allocate(4096);
const ring = threadRing();
let started = 0;
let completed = 0;
let bytes = 0;

class Read extends RingRequest {
  begin() {
    started += 1;
    prepareRead(this, file, buffer, 0, 4096, (started % 16) * 4096);
    ring.start(this);
  }

  complete(result) {
    completed += 1;
    bytes += result;
    if (started < requests) this.begin();
    else if (completed === requests) {
      parentPort.postMessage({ completed, bytes });
      void file.close();
    }
  }
}

for (let count = 0; count < depth; count++) new Read().begin();
