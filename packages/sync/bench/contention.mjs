import { KMutex } from '@biodone/sync';
import { runWorkers } from './run-workers.mjs';

const ROUNDS = 400_000;

/** Two threads that add to one counter all the time, under a mutex and under a lock that only spins on compareExchange. */
export async function contention() {
  const mutex = await rate('mutex');
  const spin = await rate('spin');
  return { mutex_contended_per_s: mutex, cas_loop_contended_per_s: spin, mutex_contended_over_cas_loop: mutex / spin };
}

async function rate(lock) {
  const memory = new SharedArrayBuffer(KMutex.BYTES + 128);
  KMutex.initialize(memory, 0);
  const data = { memory, lock, rounds: ROUNDS };
  const times = await runWorkers('contender', [data, data]);
  const added = new Int32Array(memory, KMutex.BYTES)[0];
  if (added !== 2 * ROUNDS) throw new Error(`${added} of ${2 * ROUNDS} additions`);
  const start = times.map((time) => time.start).reduce((a, b) => (a < b ? a : b));
  const end = times.map((time) => time.end).reduce((a, b) => (a > b ? a : b));
  return (2 * ROUNDS) / (Number(end - start) / 1e9);
}
