// A worker with two rings that tries to poll each by the other, and stays there.

import { parentPort } from 'node:worker_threads';
import { preparePollAdd, RingFile, RingRequest, ThreadRing } from '@biodone/uring';

class Silent extends RingRequest {
  complete() {}
}

const rings = [new ThreadRing({ cqEntries: 64 }), new ThreadRing({ cqEntries: 64 })];
const codes = rings.map((ring, index) => {
  const other = RingFile.borrow(rings[1 - index].ring.fd);
  const poll = new Silent();
  try {
    preparePollAdd(poll, other, 1);
    ring.start(poll);
    ring.flush();
    return 'polling';
  } catch (error) {
    return error.code;
  }
});
parentPort.postMessage(codes);
setInterval(() => {}, 1000);
