import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { KCondvar, KMutex, KRwlock, KSemaphore, MpscRing, SpscRing, SyncError } from '@biodone/sync';

/** Starts `test/workers/NAME.mjs`. */
export function startWorker(name: string, workerData: unknown): Worker {
  return new Worker(new URL(`./workers/${name}.mjs`, import.meta.url), { workerData });
}

/** What a worker sends next; fails with its error. */
export async function answerOf<T>(worker: Worker): Promise<T> {
  const [answer] = (await once(worker, 'message')) as [T];
  return answer;
}

/** Starts several workers with the same script and returns what each sends first. */
export function answersOf<T>(name: string, workerData: readonly unknown[]): Promise<T[]> {
  return Promise.all(workerData.map((data) => answerOf<T>(startWorker(name, data))));
}

/** The error that a call throws. */
export function errorOf(run: () => unknown): SyncError {
  try {
    run();
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

export const newMutex = (robust = false): KMutex => KMutex.initialize(new SharedArrayBuffer(KMutex.BYTES), 0, { robust });
export const newCondvar = (): KCondvar => KCondvar.initialize(new SharedArrayBuffer(KCondvar.BYTES), 0);
export const newRwlock = (): KRwlock => KRwlock.initialize(new SharedArrayBuffer(KRwlock.BYTES), 0);
export const newSemaphore = (count = 0): KSemaphore =>
  KSemaphore.initialize(new SharedArrayBuffer(KSemaphore.BYTES), 0, { count });
export const newSpscRing = (recordBytes = 4, capacity = 4): SpscRing => {
  const shape = { recordBytes, capacity };
  return SpscRing.initialize(new SharedArrayBuffer(SpscRing.bytes(shape)), 0, shape);
};
export const newMpscRing = (recordBytes = 4, capacity = 4): MpscRing => {
  const shape = { recordBytes, capacity };
  return MpscRing.initialize(new SharedArrayBuffer(MpscRing.bytes(shape)), 0, shape);
};
