import { CallbackQueue } from './callback-queue.js';
import {
  type Acquisition,
  BUSY,
  type CallbackWaiter,
  checkTimeout,
  type PendingWait,
  TAKEN,
  type WaitCallback,
  type WaitOptions,
} from './callback-waiter.js';
import { SyncError } from './errors.js';
import { checkSerialized, type SerializedPrimitive, serializeWords } from './handover.js';
import { ALIGNMENT, attachWords, BODY, initializeWords, type Kind, keyOf, LOCK_BYTES } from './layout.js';
import type { KMutex } from './mutex.js';
import { PARKING_WORDS, Parking } from './parking.js';
import { type AsyncOptions, promised } from './promises.js';

const KIND: Kind = { name: 'KCondvar', number: 2, syscall: 'cv_init' };

/** Index of the parking place of blocked threads. */
const THREADS = BODY;
/** Index of the parking place of callbacks. Its sequence number counts the wake-ups. */
const CALLBACKS = THREADS + PARKING_WORDS;
/** Index of the number of broadcasts. */
const BROADCASTS = CALLBACKS + PARKING_WORDS;

/**
 * A condition variable in shared memory, as NetBSD's condvar(9).
 *
 * A `KCondvar` is a stateless view, as {@link KMutex} is. Threads wait by blocking ({@link wait}), with a deadline ({@link timedWait}), by
 * callback ({@link waitCallback}) or by promise ({@link waitAsync}), in any mixture; however the wait ends, the mutex is owned again.
 *
 * **Wake-ups may be spurious**: look at the condition again after every wait.
 *
 * **Who is woken**: {@link signal} wakes the thread that has slept longest and, in each thread with callbacks, the one that has waited longest;
 * so it is not lost to a thread that is too busy to use it. {@link broadcast} wakes all who waited when it was called. A wake-up that comes after
 * the waiter has freed the mutex is never missed.
 *
 * **Ordering**: as the mutex gives it; signal and broadcast alone order nothing.
 *
 * **A thread that dies** while it waits is counted as waiting for ever: {@link hasWaiters} stays true, each later wake-up costs a system call, and
 * one that was on its way to it is lost. Where threads may die, wait with a deadline.
 *
 * **With a robust mutex** any wait may come back with the mutex of a dead owner: ask {@link KMutex.ownerDied} after it.
 *
 * @example
 * ```js
 * import { KCondvar, KMutex } from '@biodone/sync';
 *
 * const memory = new SharedArrayBuffer(KMutex.BYTES + KCondvar.BYTES + 8);
 * const mutex = KMutex.initialize(memory, 0);
 * const condvar = KCondvar.initialize(memory, KMutex.BYTES);
 * const ready = new Int32Array(memory, KMutex.BYTES + KCondvar.BYTES, 1);
 *
 * setImmediate(() => {
 *   mutex.enter();
 *   ready[0] = 1;
 *   condvar.signal();
 *   mutex.exit();
 * });
 *
 * await mutex.enterAsync();
 * while (ready[0] === 0) await condvar.waitAsync(mutex);
 * mutex.exit();
 * console.log('ready');
 * ```
 */
export class KCondvar {
  /** How many bytes a condition variable takes: a cache line. */
  static readonly BYTES: number = LOCK_BYTES;
  /** A condition variable starts at a multiple of so many bytes. */
  static readonly ALIGNMENT: number = ALIGNMENT;

  readonly #words: Int32Array;
  readonly #threads: Parking;
  readonly #callbacks: Parking;
  readonly #key: number;

  /**
   * Attaches to a condition variable that some thread has initialized.
   *
   * @throws {@link SyncError} `EINVAL` if there is none at that place, `EPROTONOSUPPORT` if another version of this package made it
   */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#words = attachWords(KIND, memory, byteOffset, LOCK_BYTES);
    this.#threads = new Parking(this.#words, THREADS);
    this.#callbacks = new Parking(this.#words, CALLBACKS);
    this.#key = keyOf(this.#words, 0);
  }

  /**
   * Makes a new condition variable at a place of shared memory, before any other thread uses it (cv_init).
   *
   * @param byteOffset a multiple of {@link ALIGNMENT}, with {@link BYTES} after it
   * @throws {@link SyncError} `EINVAL` if the memory is not shared, too small or misaligned
   */
  static initialize(memory: SharedArrayBuffer, byteOffset: number): KCondvar {
    initializeWords(KIND, memory, byteOffset, LOCK_BYTES, 0, []);
    return viewOf(memory, byteOffset);
  }

  /**
   * Attaches to what {@link serialize} of another thread returned.
   *
   * @throws {@link SyncError} `EINVAL` if that is no condition variable, `EPROTONOSUPPORT` if it is one of another version of this package
   */
  static attach(serialized: SerializedPrimitive): KCondvar {
    checkSerialized(KIND, serialized);
    return viewOf(serialized.memory, serialized.byteOffset);
  }

  /** A plain object for `postMessage()` or `workerData`, for {@link attach}. */
  serialize(): SerializedPrimitive {
    return serializeWords(KIND, this.#words);
  }

  /**
   * Frees the mutex, blocks until a wake-up, and takes the mutex again (cv_wait).
   *
   * @throws {@link SyncError} `EPERM` if this thread does not own the mutex, `ENOTRECOVERABLE` if the mutex is lost meanwhile
   */
  wait(mutex: KMutex): void {
    this.#block(mutex, Number.POSITIVE_INFINITY, 'cv_wait');
  }

  /**
   * As {@link wait}, for a wake-up within `timeoutMs` milliseconds (cv_timedwait). Taking the mutex again may take longer.
   *
   * @returns false if the time passed without a wake-up
   * @throws {@link SyncError} as {@link wait}, and `EINVAL` if `timeoutMs` is negative or NaN
   */
  timedWait(mutex: KMutex, timeoutMs: number): boolean {
    checkTimeout(timeoutMs, 'cv_timedwait');
    return this.#block(mutex, timeoutMs, 'cv_timedwait');
  }

  /**
   * Frees the mutex at once and, when there has been a wake-up and the mutex is taken again, calls `callback(null)`. Never blocks; keeps the
   * thread alive.
   *
   * The callback gets `ETIMEDOUT` after `timeoutMs`, `ECANCELED` after `cancel()`; the mutex is owned then too. Only with `ENOTRECOVERABLE` it
   * is not. Both come too late once this thread has noticed the wake-up, and only waits for the mutex any more; a wake-up that it had not noticed by
   * then is left to the callbacks of this thread that wait behind.
   *
   * @throws {@link SyncError} `EPERM` if this thread does not own the mutex, `EINVAL` if `timeoutMs` is negative or NaN
   */
  waitCallback(mutex: KMutex, callback: WaitCallback, options: WaitOptions = {}): PendingWait {
    if (!mutex.owned()) throw notOwner('cv_wait');
    const queue = CallbackQueue.of(this.#words, this.#callbacks, this.#key, options, 'cv_wait');
    // The queue's note counts the wake-ups that its callbacks have used up.
    if (queue.isEmpty) queue.note = this.#callbacks.sequence();
    // [condvar:callback-generation] Pairs with the add in broadcast(); before the mutex is free, so that no broadcast is missed.
    const generation = Atomics.load(this.#words, BROADCASTS);
    const enterAgain: WaitCallback = (error) => {
      mutex.enterCallback((failure) => callback(failure ?? error));
    };
    const waiter = queue.start(new WakeUp(this.#words, this.#callbacks, queue), enterAgain, options, 'cv_wait', generation);
    queue.announce();
    mutex.exit();
    return waiter;
  }

  /**
   * As {@link waitCallback}, by promise. Once the promise is resolved, or rejected with anything but `ENOTRECOVERABLE`, this thread owns the mutex.
   *
   * Rejected with an {@link AbortError} when `signal` is aborted in time. A signal that is aborted already gives that error with the mutex owned
   * throughout.
   */
  async waitAsync(mutex: KMutex, options: AsyncOptions = {}): Promise<void> {
    await promised((callback) => this.waitCallback(mutex, callback, options), options.signal);
  }

  /** Wakes at least one of those who wait, if any do (cv_signal). Owning the mutex is usual, not required. Never blocks. */
  signal(): void {
    this.#threads.wake(1);
    this.#callbacks.wake(Number.POSITIVE_INFINITY);
  }

  /** Wakes all who wait (cv_broadcast). Owning the mutex is usual, not required. Never blocks. */
  broadcast(): void {
    this.#threads.wake(Number.POSITIVE_INFINITY);
    // [condvar:broadcast] Pairs with the load in WakeUp.attempt(); before the wake-up, so that who is woken sees it.
    Atomics.add(this.#words, BROADCASTS, 1);
    this.#callbacks.wake(Number.POSITIVE_INFINITY);
  }

  /**
   * Whether anybody waits (cv_has_waiters). While the mutex is owned, never false if somebody waits; may stay true until those who were woken have
   * run. Without the mutex it is a hint.
   */
  hasWaiters(): boolean {
    return this.#threads.waiters() + this.#callbacks.waiters() > 0;
  }

  #block(mutex: KMutex, timeoutMs: number, syscall: string): boolean {
    if (!mutex.owned()) throw notOwner(syscall);
    this.#threads.enter();
    // Read while the mutex is owned: a wake-up after it is free changes the number, and the sleep ends at once.
    const sequence = this.#threads.sequence();
    mutex.exit();
    const woken = this.#threads.sleep(sequence, timeoutMs);
    this.#threads.leave();
    mutex.enter();
    return woken;
  }
}

// Outside of the class: a class that mentions itself would lose its name in the bundle.
function viewOf(memory: SharedArrayBuffer, byteOffset: number): KCondvar {
  return new KCondvar(memory, byteOffset);
}

/** A wake-up as something that a callback waits for. */
class WakeUp implements Acquisition {
  readonly pollMs: number = Number.POSITIVE_INFINITY;
  readonly #words: Int32Array;
  readonly #callbacks: Parking;
  readonly #queue: CallbackQueue;

  constructor(words: Int32Array, callbacks: Parking, queue: CallbackQueue) {
    this.#words = words;
    this.#callbacks = callbacks;
    this.#queue = queue;
  }

  attempt(waiter: CallbackWaiter): number {
    // [condvar:callback-broadcast] Pairs with the add in broadcast(): the waiter's note is the number from before it waited.
    if (Atomics.load(this.#words, BROADCASTS) !== waiter.note) return TAKEN;
    const unused = (this.#callbacks.sequence() - this.#queue.note) | 0;
    if (unused <= 0) return BUSY;
    this.#queue.note = (this.#queue.note + 1) | 0;
    return TAKEN;
  }

  retreat(): void {
    // Nothing was taken.
  }
}

function notOwner(syscall: string): SyncError {
  return new SyncError('EPERM', syscall, 'this thread does not own the mutex');
}
