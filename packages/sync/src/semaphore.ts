import { blockUntilTaken } from './blocking.js';
import { CallbackQueue } from './callback-queue.js';
import {
  type Acquisition,
  BUSY,
  checkTimeout,
  type PendingWait,
  TAKEN,
  type WaitCallback,
  type WaitOptions,
} from './callback-waiter.js';
import { SyncError } from './errors.js';
import { checkSerialized, type SerializedPrimitive, serializeWords } from './handover.js';
import { ALIGNMENT, attachWords, BODY, initializeWords, type Kind, keyOf, LOCK_BYTES } from './layout.js';
import { PARKING_WORDS, Parking } from './parking.js';
import { type AsyncOptions, promised } from './promises.js';

const KIND: Kind = { name: 'KSemaphore', number: 4, syscall: 'sema_init' };

/** Index of the number of units. */
const COUNT = BODY;
/** Index of the greatest number of units that there may be. */
const LIMIT = BODY + 1;
/** Index of the parking place of blocked threads. */
const THREADS = BODY + 2;
/** Index of the parking place of callbacks. */
const CALLBACKS = THREADS + PARKING_WORDS;

/** Options of {@link KSemaphore.initialize}. */
export interface KSemaphoreOptions {
  /**
   * How many units there are at first.
   * @default 0
   */
  count?: number;
  /**
   * How many units there may be at most.
   * @default 2147483647
   */
  limit?: number;
}

/**
 * A counting semaphore in shared memory, as FreeBSD's sema(9).
 *
 * A `KSemaphore` is a stateless view, as {@link KMutex} is. A unit is taken by blocking ({@link wait}), by trying ({@link tryWait}), with a deadline
 * ({@link timedWait}), by callback ({@link waitCallback}) or by promise ({@link waitAsync}), in any mixture. Units belong to nobody: any thread may
 * post.
 *
 * **Ordering**: everything that a thread did before `post()` is visible to whoever takes one of its units.
 *
 * **Fairness**: a running thread may overtake those who are being woken. `post(n)` wakes the n threads that have slept longest and, in each thread
 * with callbacks, the one that has waited longest; they compete for the units. Callbacks of one thread are called in the order in which they
 * began to wait. A thread that was woken and overtaken goes to the end of those who sleep.
 *
 * **A thread that dies** keeps no unit that it has not taken. If it dies in the moment in which it is woken, the wake-up is lost, not the unit:
 * others who sleep get it after the next `post()`. If it dies while it waits, it is counted as waiting for ever: each later `post()` costs a system
 * call. Where threads may die, wait with a deadline.
 *
 * @example
 * ```js
 * import { KSemaphore } from '@biodone/sync';
 *
 * const slots = KSemaphore.initialize(new SharedArrayBuffer(KSemaphore.BYTES), 0, { count: 2 });
 * await slots.waitAsync();
 * console.log(slots.tryWait(), slots.tryWait(), slots.value()); // true false 0
 * slots.post(2);
 * ```
 */
export class KSemaphore {
  /** How many bytes a semaphore takes: a cache line. */
  static readonly BYTES: number = LOCK_BYTES;
  /** A semaphore starts at a multiple of so many bytes. */
  static readonly ALIGNMENT: number = ALIGNMENT;

  readonly #words: Int32Array;
  readonly #threads: Parking;
  readonly #callbacks: Parking;
  readonly #unit: Unit;
  readonly #key: number;

  /**
   * Attaches to a semaphore that some thread has initialized.
   *
   * @throws {@link SyncError} `EINVAL` if there is none at that place, `EPROTONOSUPPORT` if another version of this package made it
   */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#words = attachWords(KIND, memory, byteOffset, LOCK_BYTES);
    this.#threads = new Parking(this.#words, THREADS);
    this.#callbacks = new Parking(this.#words, CALLBACKS);
    this.#unit = new Unit(this.#words);
    this.#key = keyOf(this.#words, 0);
  }

  /**
   * Makes a new semaphore at a place of shared memory, before any other thread uses it (sema_init).
   *
   * @param byteOffset a multiple of {@link ALIGNMENT}, with {@link BYTES} after it
   * @throws {@link SyncError} `EINVAL` if the memory is not shared, too small or misaligned, or `count` or `limit` is no number of units
   */
  static initialize(memory: SharedArrayBuffer, byteOffset: number, options: KSemaphoreOptions = {}): KSemaphore {
    const { count = 0, limit = 2 ** 31 - 1 } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit >= 2 ** 31) throw new SyncError('EINVAL', 'sema_init', `limit ${limit}`);
    if (!Number.isInteger(count) || count < 0 || count > limit) throw new SyncError('EINVAL', 'sema_init', `count ${count}`);
    // In the order of COUNT and LIMIT.
    initializeWords(KIND, memory, byteOffset, LOCK_BYTES, 0, [count, limit]);
    return viewOf(memory, byteOffset);
  }

  /**
   * Attaches to what {@link serialize} of another thread returned.
   *
   * @throws {@link SyncError} `EINVAL` if that is no semaphore, `EPROTONOSUPPORT` if it is one of another version of this package
   */
  static attach(serialized: SerializedPrimitive): KSemaphore {
    checkSerialized(KIND, serialized);
    return viewOf(serialized.memory, serialized.byteOffset);
  }

  /** A plain object for `postMessage()` or `workerData`, for {@link attach}. */
  serialize(): SerializedPrimitive {
    return serializeWords(KIND, this.#words);
  }

  /** Takes a unit; blocks the thread until there is one (sema_wait). */
  wait(): void {
    if (!this.tryWait()) blockUntilTaken(this.#threads, this.#unit, Number.POSITIVE_INFINITY);
  }

  /** Takes a unit if there is one now (sema_trywait). Never blocks. */
  tryWait(): boolean {
    return this.#unit.attempt() === TAKEN;
  }

  /**
   * As {@link wait}, for at most `timeoutMs` milliseconds (sema_timedwait).
   *
   * @returns false if there was no unit in that time
   * @throws {@link SyncError} `EINVAL` if `timeoutMs` is negative or NaN
   */
  timedWait(timeoutMs: number): boolean {
    checkTimeout(timeoutMs, 'sema_timedwait');
    return this.tryWait() || blockUntilTaken(this.#threads, this.#unit, timeoutMs);
  }

  /**
   * Takes a unit as soon as there is one, without blocking, then calls `callback(null)`. Keeps the thread alive while it waits.
   *
   * The callback gets `ETIMEDOUT` after `timeoutMs` and `ECANCELED` after `cancel()`; no unit is taken then.
   *
   * @throws {@link SyncError} `EINVAL` if `timeoutMs` is negative or NaN
   */
  waitCallback(callback: WaitCallback, options: WaitOptions = {}): PendingWait {
    const queue = CallbackQueue.of(this.#words, this.#callbacks, this.#key, options, 'sema_wait');
    return queue.start(this.#unit, callback, options, 'sema_wait', 0);
  }

  /** As {@link waitCallback}, by promise. Rejected with an {@link AbortError} when `signal` is aborted in time. */
  async waitAsync(options: AsyncOptions = {}): Promise<void> {
    await promised((callback) => this.waitCallback(callback, options), options.signal);
  }

  /**
   * Gives `count` units and wakes who waits for them (sema_post). Never blocks.
   *
   * @throws {@link SyncError} `EINVAL` if `count` is no positive integer, `EOVERFLOW` if there would be more units than the limit
   */
  post(count = 1): void {
    if (!Number.isInteger(count) || count < 1) throw new SyncError('EINVAL', 'sema_post', `count ${count}`);
    const words = this.#words;
    for (;;) {
      // [semaphore:post-look] Pairs with whoever changes the count last; the compareExchange checks that it still holds.
      const units = Atomics.load(words, COUNT);
      if (units + count > (words[LIMIT] as number)) throw new SyncError('EOVERFLOW', 'sema_post', `limit ${words[LIMIT]}`);
      // [semaphore:post] Pairs with the compareExchange in Unit.attempt().
      if (Atomics.compareExchange(words, COUNT, units, units + count) === units) break;
    }
    this.#threads.wake(count);
    this.#callbacks.wake(Number.POSITIVE_INFINITY);
  }

  /** How many units there are at this moment (sema_value). */
  value(): number {
    // [semaphore:value] A snapshot, without a partner.
    return Atomics.load(this.#words, COUNT);
  }
}

// Outside of the class: a class that mentions itself would lose its name in the bundle.
function viewOf(memory: SharedArrayBuffer, byteOffset: number): KSemaphore {
  return new KSemaphore(memory, byteOffset);
}

/** A unit as something that one waits for. */
class Unit implements Acquisition {
  readonly pollMs: number = Number.POSITIVE_INFINITY;
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  attempt(): number {
    for (;;) {
      // [semaphore:take-look] Pairs with whoever changes the count last; the compareExchange checks that it still holds.
      const units = Atomics.load(this.#words, COUNT);
      if (units === 0) return BUSY;
      // [semaphore:take] Pairs with the compareExchange in post().
      if (Atomics.compareExchange(this.#words, COUNT, units, units - 1) === units) return TAKEN;
    }
  }

  retreat(): void {
    // Nothing was taken.
  }
}
