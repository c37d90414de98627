import { getEnvironmentData, setEnvironmentData, threadId } from 'node:worker_threads';

/** What threads that are started later have from those that start them. */
const KEY = 'biodone.aio.nextCpu';

let next: Int32Array | null = null;

/**
 * Where the service threads of the next pool begin among the CPUs: pools of one thread each would all have the first one otherwise. One count for the threads of
 * this process that begin with the same: a thread hands it to those that it starts after its first pool with service threads. One that was started before has
 * a count of its own, which begins at the thread's number.
 *
 * @param count how many CPUs the pool takes
 * @returns a number that counts on, to be taken modulo the CPUs
 */
export function takeCpus(count: number): number {
  next ??= shared();
  return Atomics.add(next, 0, count) >>> 0;
}

function shared(): Int32Array {
  const given: unknown = getEnvironmentData(KEY);
  if (given instanceof SharedArrayBuffer) return new Int32Array(given);
  const made = new SharedArrayBuffer(4);
  const words = new Int32Array(made);
  words[0] = threadId;
  setEnvironmentData(KEY, made);
  return words;
}
