import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
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
  LAYOUT_BYTES,
  MUTEX,
  ROUND,
  SEMAPHORE,
  SHARED,
} from './workers/wake-layout.mjs';

const ROUNDS = 300;
/** How long a thread gets to fall asleep after it has said that it is about to. */
const ASLEEP_NS = 150_000n;

/**
 * The time from the call that wakes until the sleeper goes on: exit() for a thread in enter(), Atomics.notify for a thread in Atomics.wait, in
 * turns in the same loop; and post() for a callback of an idle event loop, beside Atomics.notify for an Atomics.waitAsync.
 */
export async function wakeUps() {
  const memory = new SharedArrayBuffer(LAYOUT_BYTES);
  const mutex = KMutex.initialize(memory, MUTEX);
  const semaphore = KSemaphore.initialize(memory, SEMAPHORE);
  const shared = new Int32Array(memory, SHARED);
  const woken = new BigInt64Array(memory, 0, 1);
  const worker = new Worker(new URL('./workers/sleeper.mjs', import.meta.url), { workerData: memory });
  await once(worker, 'message');

  const round = (kind, wake) => {
    Atomics.store(shared, DONE, 0);
    Atomics.store(shared, ABOUT, 0);
    Atomics.store(shared, KIND, kind);
    Atomics.add(shared, ROUND, 1);
    Atomics.notify(shared, ROUND);
    while (Atomics.load(shared, ABOUT) === 0);
    const about = process.hrtime.bigint();
    while (process.hrtime.bigint() - about < ASLEEP_NS);
    const start = process.hrtime.bigint();
    wake();
    while (Atomics.load(shared, DONE) === 0);
    return Number(Atomics.load(woken, 0) - start);
  };
  const exit = () => {
    mutex.exit();
  };
  const notify = () => {
    Atomics.store(shared, BARE, 1);
    Atomics.notify(shared, BARE, 1);
  };
  const post = () => semaphore.post();
  const notifyCall = () => {
    Atomics.add(shared, CALLS, 1);
    Atomics.notify(shared, CALLS);
  };
  const times = { mutex: [], bare: [], callback: [], waitAsync: [] };
  const measures = [
    () => {
      mutex.enter();
      times.mutex.push(round(IN_MUTEX, exit));
    },
    () => {
      Atomics.store(shared, BARE, 0);
      times.bare.push(round(IN_ATOMICS_WAIT, notify));
    },
    () => times.callback.push(round(IN_CALLBACK, post)),
    () => times.waitAsync.push(round(IN_WAIT_ASYNC, notifyCall)),
  ];
  const reversed = measures.toReversed();
  for (let count = 0; count < ROUNDS; count++) {
    // What comes first is another one each time.
    const order = count % 2 === 0 ? measures : reversed;
    for (const measure of order) measure();
  }
  await worker.terminate();
  const [wake, bare, callback, waitAsync] = Object.values(times).map(median);
  return {
    wake_ns: wake,
    bare_wake_ns: bare,
    wake_over_bare: wake / bare,
    callback_wake_ns: callback,
    wait_async_wake_ns: waitAsync,
    callback_wake_over_wait_async: callback / waitAsync,
  };
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
