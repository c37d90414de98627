import { KMutex } from '@biodone/sync';

const ROUNDS = 3_000_000;

/** enter() and exit() of a mutex that nobody else wants, beside the two atomic operations that any lock needs. */
export function uncontended() {
  const mutex = KMutex.initialize(new SharedArrayBuffer(KMutex.BYTES), 0);
  const word = new Int32Array(new SharedArrayBuffer(64));
  const mutexNs = timed(() => {
    for (let round = 0; round < ROUNDS; round++) {
      mutex.enter();
      mutex.exit();
    }
  });
  const casNs = timed(() => {
    for (let round = 0; round < ROUNDS; round++) {
      if (Atomics.compareExchange(word, 0, 0, 1) !== 0) throw new Error('not free');
      if (Atomics.compareExchange(word, 0, 1, 0) !== 1) throw new Error('not taken');
    }
  });
  return { mutex_uncontended_ns: mutexNs, cas_pair_ns: casNs, mutex_over_cas_pair: mutexNs / casNs };
}

function timed(run) {
  const start = process.hrtime.bigint();
  run();
  return Number(process.hrtime.bigint() - start) / ROUNDS;
}
