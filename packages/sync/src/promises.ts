import type { PendingWait, WaitCallback, WaitOptions } from './callback-waiter.js';
import { AbortError } from './errors.js';

/** Options of a wait by promise. */
export interface AsyncOptions extends WaitOptions {
  /** Gives up when it is aborted; the promise is then rejected with an {@link AbortError}. An abort that comes too late is ignored. */
  signal?: AbortSignal;
}

/** Makes a promise of a wait by callback. */
export function promised(start: (callback: WaitCallback) => PendingWait, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return Promise.reject(new AbortError(signal.reason));
  return new Promise((resolve, reject) => {
    let aborted = false;
    const abort = (): void => {
      aborted = pending.cancel();
    };
    const pending = start((error) => {
      signal?.removeEventListener('abort', abort);
      if (error === null) resolve();
      // Not any error: a wait for a condition variable has to take its mutex again, which may be lost.
      else reject(aborted && error.code === 'ECANCELED' ? new AbortError(signal?.reason) : error);
    });
    signal?.addEventListener('abort', abort);
  });
}
