import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/**
 * Starts workers, lets them begin together when all are ready, and returns what each sends. They wait for the start by spinning on `gate`, whose second
 * word counts those who are ready.
 */
export async function runWorkers(name, workerData) {
  const gate = new SharedArrayBuffer(8);
  const words = new Int32Array(gate);
  const file = new URL(`./workers/${name}.mjs`, import.meta.url);
  const workers = workerData.map((data) => {
    const transferList = data.port === undefined ? [] : [data.port];
    return new Worker(file, { workerData: { ...data, gate }, transferList });
  });
  const answers = workers.map(async (worker) => (await once(worker, 'message'))[0]);
  while (Atomics.load(words, 1) < workers.length) await new Promise(setImmediate);
  Atomics.store(words, 0, 1);
  const results = await Promise.all(answers);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return results;
}
