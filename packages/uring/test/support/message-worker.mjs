// Hears messages that another thread sends to its ring, by the event loop or in a wait, and says what it has heard.

import { parentPort, workerData } from 'node:worker_threads';
import { prepareTimeout, Ring, RingRequest, ThreadRing } from '@biodone/uring';

const { options, hears, count } = workerData;

class Timer extends RingRequest {
  complete() {}
}

const heard = [];

if (hears === 'ring') {
  const ring = new Ring(options);
  ring.onMessage = (data, result) => heard.push([data, result]);
  parentPort.postMessage(ring.fd);
  while (heard.length < count) {
    ring.wait(1, Number.POSITIVE_INFINITY);
    ring.reap(Number.POSITIVE_INFINITY);
  }
  ring.close();
  parentPort.postMessage(heard);
} else if (hears === 'wait') {
  const ring = new ThreadRing({ ...options, eventLoop: false });
  ring.ring.onMessage = (data, result) => heard.push([data, result]);
  // Without a request there would be nothing to wait for.
  const timer = new Timer();
  prepareTimeout(timer, 1_000_000);
  ring.start(timer);
  parentPort.postMessage(ring.ring.fd);
  while (heard.length < count) ring.wait(Number.POSITIVE_INFINITY);
  ring.closeSync();
  parentPort.postMessage(heard);
} else {
  const ring = new ThreadRing(options);
  // A ring with nothing in flight does not keep the thread.
  const alive = setInterval(() => {}, 1000);
  ring.ring.onMessage = async (data, result) => {
    heard.push([data, result]);
    if (heard.length < count) return;
    clearInterval(alive);
    await ring.close();
    parentPort.postMessage(heard);
  };
  parentPort.postMessage(ring.ring.fd);
}
