import { KMutex } from '@biodone/sync';
import { Mutex } from 'async-mutex';

const ROUNDS = 20_000;
const TASKS = 4;

/** Four asynchronous functions of one thread that want one mutex all the time: by promise, beside a mutex that knows one thread only. */
export async function inOneThread() {
  const mutex = KMutex.initialize(new SharedArrayBuffer(KMutex.BYTES), 0);
  const ours = await rate(async () => {
    for (let round = 0; round < ROUNDS; round++) {
      await mutex.enterAsync();
      mutex.exit();
    }
  });
  const callbacks = await rate(
    () =>
      new Promise((resolve) => {
        let round = 0;
        const entered = () => {
          mutex.exit();
          if (++round === ROUNDS) resolve();
          else mutex.enterCallback(entered);
        };
        mutex.enterCallback(entered);
      }),
  );
  const other = new Mutex();
  const theirs = await rate(async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const release = await other.acquire();
      release();
    }
  });
  return {
    mutex_promise_per_s: ours,
    mutex_callback_per_s: callbacks,
    async_mutex_per_s: theirs,
    mutex_promise_over_async_mutex: ours / theirs,
  };
}

async function rate(task) {
  const start = process.hrtime.bigint();
  await Promise.all(Array.from({ length: TASKS }, task));
  return (TASKS * ROUNDS) / (Number(process.hrtime.bigint() - start) / 1e9);
}
