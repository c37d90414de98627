import { wakeRing } from '@biodone/uring';
import { OWNER_SLEEPS } from './memory-layout.js';

/** Wakes the thread that owns a pool, if it sleeps, for completions that have been pushed. For service threads. */
export function wakeOwner(words: Int32Array, ownerFd: number): void {
  // Pairs with the store in ServiceThreads: the completions were pushed before, so either the owner sees them, or this sees that it sleeps.
  // One thread finds it asleep, so a sleep costs one wake-up.
  if (Atomics.load(words, OWNER_SLEEPS) === 0 || Atomics.compareExchange(words, OWNER_SLEEPS, 1, 0) === 0) return;
  if (ownerFd >= 0) wakeRing(ownerFd);
  else Atomics.notify(words, OWNER_SLEEPS);
}
