import { CallbackQueue } from './callback-queue.js';
import {
  type Acquisition,
  BUSY,
  BUSY_HERE,
  checkTimeout,
  type PendingWait,
  TAKEN,
  type WaitCallback,
  type WaitOptions,
} from './callback-waiter.js';
import { SyncError } from './errors.js';
import { checkSerialized, type SerializedPrimitive, serializeWords } from './handover.js';
import { ALIGNMENT, attachWords, initializeWords, keyOf, LOCK_BYTES, modeOf } from './layout.js';
import { forgetOwner, LIVENESS_POLL_MS, recordOwner, takeOver, takeOverFrom } from './mutex-robust.js';
import {
  CALLBACK_PARKING,
  CALLBACKS,
  FREE,
  HELD_BY_CALLBACK,
  LOCK,
  MUTEX,
  NOT_RECOVERABLE,
  OWNER,
  OWNER_DIED,
  ROBUST,
  SLEEPERS,
} from './mutex-words.js';
import { Parking } from './parking.js';
import { type AsyncOptions, promised } from './promises.js';
import { nowMs, SPINS, thisThread, tokenOf } from './thread.js';
import { threadState } from './thread-state.js';

/** Options of {@link KMutex.initialize}. */
export interface KMutexOptions {
  /**
   * Whether the next owner learns that a thread has ended while it owned the mutex. See {@link KMutex}.
   * @default false
   */
  robust?: boolean;
}

/** How a mutex was got: `'EOWNERDEAD'` if it is robust and an earlier owner has died while it owned it, else `'OK'`. */
export type MutexOutcome = 'OK' | 'EOWNERDEAD';

/**
 * A mutual exclusion lock in shared memory, as NetBSD's mutex(9).
 *
 * A `KMutex` is a stateless view: any number of threads make one from the same memory and offset, and share the lock. It can be taken by
 * blocking ({@link enter}), by trying ({@link tryEnter}), with a deadline ({@link timedEnter}), by callback ({@link enterCallback}) and by
 * promise ({@link enterAsync}); all of them wait for the same lock, in any mixture.
 *
 * It is adaptive: a thread that finds it taken looks again for a few microseconds if that promises anything, then sleeps in the kernel. The owner is
 * not worth waiting for if there is one CPU only, if others sleep for the mutex already, or if it took the mutex by callback and so may be anywhere
 * in its event loop.
 *
 * **Ownership** belongs to a thread, not to a function in it: whatever runs in that thread may call {@link exit}, nobody else.
 *
 * **Ordering**: everything that a thread did before `exit()` is visible to the next owner.
 *
 * **Fairness**: a running thread may overtake those who are being woken. `exit()` wakes the thread that has slept longest and, in each thread
 * with callbacks, the callback that has waited longest; they compete. So no wake-up is lost to a thread that is too busy to use it.
 * Callbacks of one thread are called in the order in which they began to wait. A thread that was woken and overtaken goes to the end of those who
 * sleep, and so does a thread that waits for a robust mutex each time it has asked whether the owner is alive: every 50 ms.
 *
 * **A thread that dies** (`worker.terminate()`, an uncaught error) while it owns the mutex leaves it taken: nobody will get it. If it dies in
 * the moment in which it is woken, the wake-up is lost; the others sleep until the next `exit()`. A *robust* mutex survives both: whoever
 * waits asks every 50 ms whether the owner is alive, takes the mutex over from a dead one and is told `EOWNERDEAD`. That owner then repairs
 * what the mutex protects and calls {@link makeConsistent}; if it calls `exit()` without, nobody can take the mutex again (`ENOTRECOVERABLE`).
 *
 * **The rule for robust mutexes**: note each worker's `threadId` while it lives, and always call {@link ownerExited} from its `'exit'` event, on Linux
 * too. Only Linux says which threads are alive (with procfs), and there too a death goes unnoticed without that call in three cases: between taking
 * the mutex and writing down who did; in `exit()`, between erasing that and freeing the mutex; and if the kernel has given the dead thread's number to a
 * new thread of this process, for as long as that lives.
 *
 * @example
 * ```js
 * import { Worker } from 'node:worker_threads';
 * import { KMutex } from '@biodone/sync';
 *
 * const memory = new SharedArrayBuffer(KMutex.BYTES + 8);
 * const mutex = KMutex.initialize(memory, 0);
 *
 * mutex.enter();
 * try {
 *   // Only this thread is here.
 * } finally {
 *   mutex.exit();
 * }
 *
 * await mutex.enterAsync({ timeoutMs: 1000 }); // does not block the event loop
 * mutex.exit();
 * ```
 */
export class KMutex {
  /** How many bytes a mutex takes: a cache line. */
  static readonly BYTES: number = LOCK_BYTES;
  /** A mutex starts at a multiple of so many bytes. */
  static readonly ALIGNMENT: number = ALIGNMENT;

  readonly #words: Int32Array;
  readonly #robust: boolean;
  readonly #callbacks: Parking;
  readonly #acquisition: Acquisition;
  readonly #key: number;

  /**
   * Attaches to a mutex that some thread has initialized.
   *
   * @throws {@link SyncError} `EINVAL` if there is none at that place, `EPROTONOSUPPORT` if another version of this package made it
   */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#words = attachWords(MUTEX, memory, byteOffset, LOCK_BYTES);
    this.#robust = (modeOf(this.#words) & ROBUST) !== 0;
    this.#callbacks = new Parking(this.#words, CALLBACK_PARKING);
    this.#acquisition = new CallbackEntry(this.#words, this.#robust);
    this.#key = keyOf(this.#words, 0);
  }

  /**
   * Makes a new, free mutex at a place of shared memory, before any other thread uses it (mutex_init).
   *
   * @param byteOffset a multiple of {@link ALIGNMENT}, with {@link BYTES} after it
   * @throws {@link SyncError} `EINVAL` if the memory is not shared, too small or misaligned
   */
  static initialize(memory: SharedArrayBuffer, byteOffset: number, options: KMutexOptions = {}): KMutex {
    initializeWords(MUTEX, memory, byteOffset, LOCK_BYTES, options.robust === true ? ROBUST : 0, []);
    return viewOf(memory, byteOffset);
  }

  /**
   * Attaches to what {@link serialize} of another thread returned.
   *
   * @throws {@link SyncError} `EINVAL` if that is no mutex, `EPROTONOSUPPORT` if it is one of another version of this package
   */
  static attach(serialized: SerializedPrimitive): KMutex {
    checkSerialized(MUTEX, serialized);
    return viewOf(serialized.memory, serialized.byteOffset);
  }

  /** A plain object for `postMessage()` or `workerData`, for {@link attach}. */
  serialize(): SerializedPrimitive {
    return serializeWords(MUTEX, this.#words);
  }

  /**
   * Takes the mutex; blocks the thread until it is free (mutex_enter).
   *
   * @throws {@link SyncError} `EDEADLK` if this thread owns it, `ENOTRECOVERABLE` if it is lost
   */
  enter(): MutexOutcome {
    // [mutex:enter] Pairs with the compareExchange in exit() and the exchange in #exitSlowly().
    if (Atomics.compareExchange(this.#words, LOCK, FREE, thisThread) !== FREE) {
      this.#enterSlowly(Number.POSITIVE_INFINITY, 'mutex_enter');
    }
    return this.#robust && recordOwner(this.#words) ? 'EOWNERDEAD' : 'OK';
  }

  /**
   * Takes the mutex if it is free now (mutex_tryenter). Never blocks. False also if this thread owns it, and if a dead thread does: this takes
   * nothing over. After a true, {@link ownerDied} tells whether an earlier owner has died.
   *
   * @throws {@link SyncError} `ENOTRECOVERABLE` if the mutex is lost
   */
  tryEnter(): boolean {
    // [mutex:try] Pairs with the compareExchange in exit() and the exchange in #exitSlowly().
    const state = Atomics.compareExchange(this.#words, LOCK, FREE, thisThread);
    if (state !== FREE && !takeIfFree(this.#words, state, 0, 'mutex_tryenter')) return false;
    if (this.#robust) recordOwner(this.#words);
    return true;
  }

  /**
   * As {@link enter}, for at most `timeoutMs` milliseconds. After a true, {@link ownerDied} tells what {@link enter} would have returned.
   *
   * @returns false if the mutex did not become free in that time
   * @throws {@link SyncError} `EDEADLK` if this thread owns it, `ENOTRECOVERABLE` if it is lost, `EINVAL` if `timeoutMs` is negative or NaN
   */
  timedEnter(timeoutMs: number): boolean {
    checkTimeout(timeoutMs, 'mutex_timedenter');
    if (this.tryEnter()) return true;
    if (!this.#enterSlowly(nowMs() + timeoutMs, 'mutex_timedenter')) return false;
    if (this.#robust) recordOwner(this.#words);
    return true;
  }

  /**
   * Takes the mutex as soon as it is free, without blocking: then calls `callback(null)`, and this thread owns it. Also waits for this very
   * thread to free it. Keeps the thread alive while it waits.
   *
   * The callback gets `ETIMEDOUT` after `timeoutMs`, `ECANCELED` after `cancel()`, `ENOTRECOVERABLE` if the mutex is lost; the mutex is then not
   * owned. In robust mode ask {@link ownerDied} in the callback.
   *
   * @throws {@link SyncError} `EINVAL` if `timeoutMs` is negative or NaN
   */
  enterCallback(callback: WaitCallback, options: WaitOptions = {}): PendingWait {
    const queue = CallbackQueue.of(this.#words, this.#callbacks, this.#key, options, 'mutex_enter');
    return queue.start(this.#acquisition, callback, options, 'mutex_enter', 0);
  }

  /**
   * As {@link enterCallback}, by promise. Once the promise is resolved this thread owns the mutex.
   *
   * Rejected with an {@link AbortError} when `signal` is aborted in time, and with the errors of {@link enterCallback}.
   */
  async enterAsync(options: AsyncOptions = {}): Promise<MutexOutcome> {
    await promised((callback) => this.enterCallback(callback, options), options.signal);
    return this.ownerDied() ? 'EOWNERDEAD' : 'OK';
  }

  /**
   * Frees the mutex and wakes who waits for it (mutex_exit).
   *
   * @throws {@link SyncError} `EPERM` if this thread does not own it
   */
  exit(): void {
    if (this.#robust) {
      if (!this.owned()) throw notOwner('mutex_exit');
      forgetOwner(this.#words);
    }
    // [mutex:exit] Pairs with the compareExchange of whoever enters next.
    const state = Atomics.compareExchange(this.#words, LOCK, thisThread, FREE);
    if (state !== thisThread) this.#exitSlowly(state);
    if (threadState.localWaits !== 0) threadState.queues.get(this.#key)?.schedule();
  }

  /** Whether this thread owns the mutex (mutex_owned). */
  owned(): boolean {
    // [mutex:owned] Only this thread can change the answer, so it needs no partner.
    return (Atomics.load(this.#words, LOCK) & OWNER) === thisThread;
  }

  /** Whether this thread owns the mutex after a dead owner, and has not called {@link makeConsistent} yet. */
  ownerDied(): boolean {
    // [mutex:owner-died] As in owned().
    const state = Atomics.load(this.#words, LOCK);
    return (state & OWNER) === thisThread && (state & OWNER_DIED) !== 0;
  }

  /**
   * Says that what the mutex protects is in order again after an owner's death (pthread_mutex_consistent).
   *
   * @throws {@link SyncError} `EPERM` if this thread does not own the mutex, `EINVAL` if no owner has died
   */
  makeConsistent(): void {
    if (!this.owned()) throw notOwner('mutex_consistent');
    if (!this.ownerDied()) throw new SyncError('EINVAL', 'mutex_consistent', 'no owner has died');
    // [mutex:consistent] Only the owner changes this bit; atomic because of those who mark in the same word that they wait.
    Atomics.and(this.#words, LOCK, ~OWNER_DIED);
  }

  /**
   * Says that a worker has ended, for robust mutexes where Node cannot find that out (see above). For the worker's `'exit'` event; does not block.
   *
   * @param threadId the worker's `threadId`: note it while the worker lives, it is -1 once it has ended
   * @returns whether the worker owned the mutex, which is free now; its next owner gets `EOWNERDEAD`
   * @throws {@link SyncError} `EINVAL` if the mutex is not robust, or `threadId` is none (such as -1) or that of the calling thread
   */
  ownerExited(threadId: number): boolean {
    if (!this.#robust) throw new SyncError('EINVAL', 'mutex_owner_exited', 'the mutex is not robust');
    if (!Number.isInteger(threadId) || threadId < 0) {
      throw new SyncError('EINVAL', 'mutex_owner_exited', `${threadId} is no thread id; note it while the worker lives`);
    }
    const token = tokenOf(threadId);
    if (token === thisThread) throw new SyncError('EINVAL', 'mutex_owner_exited', 'this thread has not ended');
    if (!takeOverFrom(this.#words, token)) return false;
    forgetOwner(this.#words);
    this.#free(OWNER_DIED);
    return true;
  }

  /** Blocks until the mutex is taken, and returns true; or until the deadline, and returns false. */
  #enterSlowly(deadlineMs: number, syscall: string): boolean {
    const words = this.#words;
    this.#spin();
    // Who has slept cannot know whether others still do, so it takes the mutex with their mark set.
    let mark = 0;
    for (;;) {
      // [mutex:slow-look] Pairs with whoever changes the word last; the compareExchange below checks that it still holds.
      const state = Atomics.load(words, LOCK);
      if ((state & OWNER) === 0) {
        if (takeIfFree(words, state, mark, syscall)) return true;
        continue;
      }
      if ((state & OWNER) === thisThread) throw new SyncError('EDEADLK', syscall, 'this thread owns the mutex');
      const marked = state | SLEEPERS;
      // [mutex:slow-mark] Pairs with the exchange in #exitSlowly().
      if (state !== marked && Atomics.compareExchange(words, LOCK, state, marked) !== state) continue;
      // The mark comes before the deadline: whoever gives up may have used up a wake-up that another sleeper needs.
      const remainingMs = deadlineMs - nowMs();
      if (remainingMs <= 0) return false;
      // [mutex:slow-sleep] Pairs with the notify in #free(); the word changes before the notify, so a sleep that starts late ends at once.
      Atomics.wait(words, LOCK, marked, this.#robust ? Math.min(remainingMs, LIVENESS_POLL_MS) : remainingMs);
      mark = SLEEPERS;
      if (this.#robust && takeOver(words)) return true;
    }
  }

  /** Looks again for a while, as long as the owner can be running and nobody sleeps. */
  #spin(): void {
    for (let spin = 0; spin < SPINS; spin++) {
      // [mutex:spin] A hint only: whoever enters checks it by compareExchange.
      const state = Atomics.load(this.#words, LOCK);
      if ((state & OWNER) === 0 || (state & (SLEEPERS | HELD_BY_CALLBACK)) !== 0) return;
    }
  }

  #exitSlowly(state: number): void {
    if ((state & OWNER) !== thisThread) throw notOwner('mutex_exit');
    this.#free((state & OWNER_DIED) === 0 ? FREE : NOT_RECOVERABLE);
  }

  /** Frees the mutex that this thread owns, and wakes who waits. */
  #free(after: number): void {
    // [mutex:free] Pairs with the compareExchange of whoever enters next. It reads the marks in the same instant: who marks later finds the mutex
    // free.
    const before = Atomics.exchange(this.#words, LOCK, after);
    // [mutex:wake-sleeper] Pairs with the wait in #enterSlowly(). The one sleeper takes the mark along for the others; from a lost mutex all
    // must learn.
    if ((before & SLEEPERS) !== 0) Atomics.notify(this.#words, LOCK, after === NOT_RECOVERABLE ? Number.POSITIVE_INFINITY : 1);
    if ((before & CALLBACKS) !== 0) this.#callbacks.wake(Number.POSITIVE_INFINITY);
  }
}

// Outside of the class: a class that mentions itself would lose its name in the bundle.
function viewOf(memory: SharedArrayBuffer, byteOffset: number): KMutex {
  return new KMutex(memory, byteOffset);
}

/** The mutex as something that a callback waits for. */
class CallbackEntry implements Acquisition {
  readonly #words: Int32Array;
  readonly pollMs: number;

  constructor(words: Int32Array, robust: boolean) {
    this.#words = words;
    this.pollMs = robust ? LIVENESS_POLL_MS : Number.POSITIVE_INFINITY;
  }

  attempt(): number {
    const words = this.#words;
    const robust = this.pollMs === LIVENESS_POLL_MS;
    if (robust && takeOver(words)) return TAKEN;
    for (;;) {
      // [mutex:callback-look] Pairs with whoever changes the word last; the compareExchange below checks that it still holds.
      const state = Atomics.load(words, LOCK);
      if ((state & OWNER) === 0) {
        if (!takeIfFree(words, state, HELD_BY_CALLBACK, 'mutex_enter')) continue;
        if (robust) recordOwner(words);
        return TAKEN;
      }
      if ((state & OWNER) === thisThread) return BUSY_HERE;
      const marked = state | CALLBACKS;
      // [mutex:callback-mark] Pairs with the exchange in #free().
      if (state === marked || Atomics.compareExchange(words, LOCK, state, marked) === state) return BUSY;
    }
  }

  retreat(): void {
    // The mark stays; it costs the next exit() a needless wake-up at most.
  }
}

/** Takes the mutex with these marks if `state`, which was read just now, says that it is free. */
function takeIfFree(words: Int32Array, state: number, marks: number, syscall: string): boolean {
  if ((state & OWNER) !== 0) return false;
  if ((state & NOT_RECOVERABLE) !== 0)
    throw new SyncError('ENOTRECOVERABLE', syscall, 'an owner died and nobody repaired its work');
  // [mutex:take] Pairs with the compareExchange in exit() and the exchange in #free(): what the last owner did is visible from here on.
  return Atomics.compareExchange(words, LOCK, state, state | thisThread | marks) === state;
}

function notOwner(syscall: string): SyncError {
  return new SyncError('EPERM', syscall, 'this thread does not own the mutex');
}
