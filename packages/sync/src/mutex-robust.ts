import { CALLBACKS, LOCK, OWNER, OWNER_DIED, OWNER_TASK, SLEEPERS } from './mutex-words.js';
import { isTaskAlive, thisTask, thisThread } from './thread.js';

// The robust mode of KMutex: how the lock of a dead thread is found and taken over.
//
// The word OWNER_TASK is 0 while nobody owns the mutex, and the owner's task number (see thread.ts) from shortly after it has taken it. Who
// wants to take over from a dead owner first claims the right to do so, by changing the word to its own number, negative. So there is one
// successor at a time, and if that one dies too, its claim can be claimed.

/** How often a waiter asks whether the owner is alive, in milliseconds. */
export const LIVENESS_POLL_MS: number = 50;

/** What this thread's claims are called. Without procfs nobody can ask whether it is alive, so any unique number will do. */
const CLAIM = -(thisTask === 0 ? thisThread : thisTask);

/** The new owner writes down which task it is. Returns whether it owns the mutex after a dead one. */
export function recordOwner(words: Int32Array): boolean {
  // [mutex:robust-record] Pairs with the load in takeOver().
  Atomics.store(words, OWNER_TASK, thisTask);
  // [mutex:robust-outcome] Only the owner changes the mark, so it needs no partner.
  return (Atomics.load(words, LOCK) & OWNER_DIED) !== 0;
}

/** The owner is about to free the mutex. */
export function forgetOwner(words: Int32Array): void {
  // [mutex:robust-forget] Pairs with the compareExchange in takeOver(): before the mutex is free, so that a live thread's number is never there
  // while another one owns it.
  Atomics.store(words, OWNER_TASK, 0);
}

/** Takes the mutex over if its owner has died. Returns whether this thread owns it now, marked with OWNER_DIED. */
export function takeOver(words: Int32Array): boolean {
  // Without procfs nobody is known to be dead here, not even the holder of a claim.
  if (thisTask === 0) return false;
  // [mutex:robust-look] Pairs with the store in recordOwner().
  const task = Atomics.load(words, OWNER_TASK);
  // A task number stays while its thread owns the mutex, or has died owning it.
  if (task === 0 || isTaskAlive(Math.abs(task))) return false;
  // [mutex:robust-dead] Between the two accesses to OWNER_TASK: if that is unchanged, these bits name whose task it was.
  const dead = Atomics.load(words, LOCK) & OWNER;
  // [mutex:robust-claim] Pairs with itself in other threads, and with the stores above: it fails if the owner was alive after all, or if another
  // thread was faster.
  if (Atomics.compareExchange(words, OWNER_TASK, task, CLAIM) !== task) return false;
  return succeed(words, dead);
}

/**
 * Takes the mutex over from the thread with this token, which the caller knows to have ended. Returns whether this thread owns it now,
 * marked with OWNER_DIED; false if that thread does not own the mutex, or another thread is taking over.
 */
export function takeOverFrom(words: Int32Array, token: number): boolean {
  // [mutex:robust-exited-look] Pairs with the store in recordOwner().
  const task = Atomics.load(words, OWNER_TASK);
  // [mutex:robust-exited-owner] After the load above: if the dead thread owns the mutex here, that number was its own, 0, or a claim.
  if ((Atomics.load(words, LOCK) & OWNER) !== token) return false;
  if (task < 0 && (thisTask === 0 || isTaskAlive(-task))) return false;
  // [mutex:robust-exited-claim] Pairs with the claim in takeOver().
  if (Atomics.compareExchange(words, OWNER_TASK, task, CLAIM) !== task) return false;
  return succeed(words, token);
}

/**
 * Makes this thread the owner in place of the dead one with that token. Only the holder of the claim comes here. Returns false, without the claim,
 * if the dead thread owns the mutex no more: where the number was 0, another thread may have taken over and freed it, and a third own it by now.
 */
function succeed(words: Int32Array, dead: number): boolean {
  for (;;) {
    // [mutex:robust-bits] Pairs with those who mark that they wait: their marks must stay.
    const state = Atomics.load(words, LOCK);
    if ((state & OWNER) !== dead) {
      // [mutex:robust-undo] Fails if the third one has recorded itself over the claim: pairs with the stores above.
      Atomics.compareExchange(words, OWNER_TASK, CLAIM, 0);
      return false;
    }
    const mine = (state & (SLEEPERS | CALLBACKS)) | thisThread | OWNER_DIED;
    // [mutex:robust-succeed] Pairs with the same.
    if (Atomics.compareExchange(words, LOCK, state, mine) === state) break;
  }
  // [mutex:robust-own] Ends the claim. Pairs with the load in takeOver().
  Atomics.store(words, OWNER_TASK, thisTask);
  return true;
}
