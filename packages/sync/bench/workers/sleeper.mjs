// Sleeps once a round, in one of four ways, and writes down when it went on.
import { workerData as memory, parentPort } from 'node:worker_threads';
import { KMutex, KSemaphore } from '@biodone/sync';
import {
  ABOUT,
  BARE,
  CALLS,
  DONE,
  IN_ATOMICS_WAIT,
  IN_CALLBACK,
  IN_MUTEX,
  IN_WAIT_ASYNC,
  KIND,
  MUTEX,
  ROUND,
  SEMAPHORE,
  SHARED,
} from './wake-layout.mjs';

const mutex = new KMutex(memory, MUTEX);
const semaphore = new KSemaphore(memory, SEMAPHORE);
const shared = new Int32Array(memory, SHARED);
const woken = new BigInt64Array(memory, 0, 1);

const ways = {
  [IN_MUTEX]() {
    Atomics.store(shared, ABOUT, 1);
    mutex.enter();
    goOn();
    mutex.exit();
    done();
  },
  [IN_ATOMICS_WAIT]() {
    Atomics.store(shared, ABOUT, 1);
    Atomics.wait(shared, BARE, 0);
    goOn();
    done();
  },
  [IN_CALLBACK]: () =>
    new Promise((resolve) => {
      semaphore.waitCallback(() => {
        goOn();
        done();
        resolve();
      });
      // Said by the event loop, where the callback then waits.
      setImmediate(() => Atomics.store(shared, ABOUT, 1));
    }),
  [IN_WAIT_ASYNC]: async () => {
    const waiting = Atomics.waitAsync(shared, CALLS, Atomics.load(shared, CALLS)).value;
    const alive = setInterval(() => {}, 1e9);
    setImmediate(() => Atomics.store(shared, ABOUT, 1));
    await waiting;
    goOn();
    clearInterval(alive);
    done();
  },
};

function goOn() {
  Atomics.store(woken, 0, process.hrtime.bigint());
}

function done() {
  Atomics.store(shared, DONE, 1);
}

parentPort.postMessage('ready');
for (let round = 0; ; round++) {
  Atomics.wait(shared, ROUND, round);
  await ways[Atomics.load(shared, KIND)]();
}
