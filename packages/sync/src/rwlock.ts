import { blockUntilTaken } from './blocking.js';
import { CallbackQueue } from './callback-queue.js';
import { checkTimeout, type PendingWait, TAKEN, type WaitCallback, type WaitOptions } from './callback-waiter.js';
import { SyncError } from './errors.js';
import { checkSerialized, type SerializedPrimitive, serializeWords } from './handover.js';
import { ALIGNMENT, attachWords, initializeWords, keyOf, LOCK_BYTES } from './layout.js';
import { Parking } from './parking.js';
import { type AsyncOptions, promised } from './promises.js';
import { ReaderEntry, readHolds, setReadHolds, WriterEntry } from './rwlock-entries.js';
import { CALLBACKS, FREE, READERS, RWLOCK, STATE, WRITERS, WRITERS_WAITING } from './rwlock-words.js';
import { thisThread } from './thread.js';

/** As what a {@link KRwlock} is taken: any number of readers, or one writer (RW_READER, RW_WRITER). */
export type RwRole = 'reader' | 'writer';

/**
 * A reader/writer lock in shared memory, as NetBSD's rwlock(9).
 *
 * A `KRwlock` is a stateless view, as {@link KMutex} is. It is taken as a reader or as the writer by blocking ({@link enter}), by trying
 * ({@link tryEnter}), with a deadline ({@link timedEnter}), by callback ({@link enterCallback}) or by promise ({@link enterAsync}), in any mixture.
 *
 * **Writers are preferred**: while one waits for readers to leave, no further reader joins them. When the lock becomes free, a waiting writer is
 * woken before waiting readers, but a running thread of either kind may overtake it. So readers can starve while writers keep coming. Callbacks
 * of one thread are called in the order in which they began to wait, readers and writers alike; only the first of them counts as a waiting writer.
 *
 * **Who is woken**: the exit of the writer or of the last reader wakes the callbacks' threads, and the writer that has slept longest, or if none sleeps
 * all sleeping readers. Who was woken and overtaken goes to the end of those who sleep.
 *
 * **Ownership** belongs to a thread: it may hold the lock as the writer, or as a reader any number of times. A second hold as a reader is given only
 * where it needs no waiting: behind a writer it would wait for itself (`EDEADLK`).
 *
 * **Ordering**: everything that a writer did before `exit()` or `downgrade()` is visible to the next readers and writer, and what readers did before
 * `exit()` to the next writer.
 *
 * **A thread that dies** while it holds the lock leaves it taken. If it dies as a waiting writer, readers get in one at a time from then on; if in the
 * moment in which it is woken, the others sleep until the next `exit()`. Where threads may die, wait with a deadline.
 *
 * @example
 * ```js
 * import { KRwlock } from '@biodone/sync';
 *
 * const lock = KRwlock.initialize(new SharedArrayBuffer(KRwlock.BYTES), 0);
 * lock.enter('reader');
 * if (lock.tryUpgrade()) lock.downgrade(); // alone: was the writer for a moment
 * lock.exit();
 * ```
 */
export class KRwlock {
  /** How many bytes a reader/writer lock takes: a cache line. */
  static readonly BYTES: number = LOCK_BYTES;
  /** A reader/writer lock starts at a multiple of so many bytes. */
  static readonly ALIGNMENT: number = ALIGNMENT;

  readonly #words: Int32Array;
  readonly #readers: Parking;
  readonly #writers: Parking;
  readonly #callbacks: Parking;
  readonly #readerEntry: ReaderEntry;
  readonly #writerEntry: WriterEntry;
  readonly #key: number;

  /**
   * Attaches to a lock that some thread has initialized.
   *
   * @throws {@link SyncError} `EINVAL` if there is none at that place, `EPROTONOSUPPORT` if another version of this package made it
   */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#words = attachWords(RWLOCK, memory, byteOffset, LOCK_BYTES);
    this.#readers = new Parking(this.#words, READERS);
    this.#writers = new Parking(this.#words, WRITERS);
    this.#callbacks = new Parking(this.#words, CALLBACKS);
    this.#key = keyOf(this.#words, 0);
    this.#readerEntry = new ReaderEntry(this.#words, this.#key);
    this.#writerEntry = new WriterEntry(this.#words, this.#readers, this.#callbacks);
  }

  /**
   * Makes a new, free lock at a place of shared memory, before any other thread uses it (rw_init).
   *
   * @param byteOffset a multiple of {@link ALIGNMENT}, with {@link BYTES} after it
   * @throws {@link SyncError} `EINVAL` if the memory is not shared, too small or misaligned
   */
  static initialize(memory: SharedArrayBuffer, byteOffset: number): KRwlock {
    initializeWords(RWLOCK, memory, byteOffset, LOCK_BYTES, 0, []);
    return viewOf(memory, byteOffset);
  }

  /**
   * Attaches to what {@link serialize} of another thread returned.
   *
   * @throws {@link SyncError} `EINVAL` if that is no reader/writer lock, `EPROTONOSUPPORT` if it is one of another version of this package
   */
  static attach(serialized: SerializedPrimitive): KRwlock {
    checkSerialized(RWLOCK, serialized);
    return viewOf(serialized.memory, serialized.byteOffset);
  }

  /** A plain object for `postMessage()` or `workerData`, for {@link attach}. */
  serialize(): SerializedPrimitive {
    return serializeWords(RWLOCK, this.#words);
  }

  /**
   * Takes the lock; blocks the thread until that is possible (rw_enter).
   *
   * @throws {@link SyncError} `EDEADLK` if this thread would wait for itself: it holds the lock already
   */
  enter(role: RwRole): void {
    if (!this.tryEnter(role)) this.#block(role, Number.POSITIVE_INFINITY, 'rw_enter');
  }

  /** Takes the lock if that is possible now (rw_tryenter). Never blocks. */
  tryEnter(role: RwRole): boolean {
    return this.#entryOf(role, 'rw_tryenter').attempt(null) === TAKEN;
  }

  /**
   * As {@link enter}, for at most `timeoutMs` milliseconds.
   *
   * @returns false if it was not possible in that time
   * @throws {@link SyncError} `EDEADLK` if this thread would wait for itself, `EINVAL` if `timeoutMs` is negative or NaN
   */
  timedEnter(role: RwRole, timeoutMs: number): boolean {
    checkTimeout(timeoutMs, 'rw_timedenter');
    return this.tryEnter(role) || this.#block(role, timeoutMs, 'rw_timedenter');
  }

  /**
   * Takes the lock as soon as that is possible, without blocking, then calls `callback(null)`. Also waits for this very thread to free it. Keeps the
   * thread alive while it waits.
   *
   * The callback gets `ETIMEDOUT` after `timeoutMs` and `ECANCELED` after `cancel()`; the lock is not held then.
   *
   * @throws {@link SyncError} `EINVAL` if `timeoutMs` is negative or NaN
   */
  enterCallback(role: RwRole, callback: WaitCallback, options: WaitOptions = {}): PendingWait {
    const entry = this.#entryOf(role, 'rw_enter');
    const queue = CallbackQueue.of(this.#words, this.#callbacks, this.#key, options, 'rw_enter');
    return queue.start(entry, callback, options, 'rw_enter', 0);
  }

  /** As {@link enterCallback}, by promise. Rejected with an {@link AbortError} when `signal` is aborted in time. */
  async enterAsync(role: RwRole, options: AsyncOptions = {}): Promise<void> {
    await promised((callback) => this.enterCallback(role, callback, options), options.signal);
  }

  /**
   * Gives the lock back, as what this thread holds it, and wakes who waits for it (rw_exit).
   *
   * @throws {@link SyncError} `EPERM` if this thread does not hold it
   */
  exit(): void {
    const holds = readHolds(this.#key);
    if (holds > 0) {
      setReadHolds(this.#key, holds - 1);
      // [rwlock:read-exit] Pairs with the compareExchange of the next writer.
      if (Atomics.sub(this.#words, STATE, 1) === 1) this.#wake();
      return;
    }
    if (!this.writeHeld()) throw notHeld('rw_exit');
    // [rwlock:write-exit] Pairs with the compareExchange of the next readers or writer.
    Atomics.store(this.#words, STATE, FREE);
    this.#wake();
  }

  /**
   * Turns this thread's hold as a reader into the writer's, if there is no other hold (rw_tryupgrade). Never blocks.
   *
   * @returns false if there are other holds; this one then stays what it is
   * @throws {@link SyncError} `EPERM` if this thread does not hold the lock as a reader
   */
  tryUpgrade(): boolean {
    if (!this.readHeld()) throw notHeld('rw_tryupgrade');
    // [rwlock:upgrade] Pairs with the sub of the other readers' exit().
    if (Atomics.compareExchange(this.#words, STATE, 1, -thisThread) !== 1) return false;
    setReadHolds(this.#key, 0);
    return true;
  }

  /**
   * Turns the writer's hold into a reader's, and lets waiting readers in if no writer waits (rw_downgrade). Never blocks.
   *
   * @throws {@link SyncError} `EPERM` if this thread does not hold the lock as the writer
   */
  downgrade(): void {
    if (!this.writeHeld()) throw notHeld('rw_downgrade');
    setReadHolds(this.#key, 1);
    // [rwlock:downgrade] Pairs with the compareExchange of readers.
    Atomics.store(this.#words, STATE, 1);
    this.#callbacks.wake(Number.POSITIVE_INFINITY);
    // [rwlock:downgrade-look] Pairs with the add of a writer that begins to wait. Should that one give up, it wakes the readers itself.
    if (Atomics.load(this.#words, WRITERS_WAITING) === 0) this.#readers.wake(Number.POSITIVE_INFINITY);
  }

  /** Whether this thread holds the lock as a reader (rw_read_held). */
  readHeld(): boolean {
    return readHolds(this.#key) > 0;
  }

  /** Whether this thread holds the lock as the writer (rw_write_held). */
  writeHeld(): boolean {
    // [rwlock:write-held] Only this thread can change the answer, so it needs no partner.
    return Atomics.load(this.#words, STATE) === -thisThread;
  }

  #block(role: RwRole, timeoutMs: number, syscall: string): boolean {
    if (this.readHeld() || this.writeHeld()) throw new SyncError('EDEADLK', syscall, 'this thread holds the lock');
    if (role === 'reader') return blockUntilTaken(this.#readers, this.#readerEntry, timeoutMs);
    this.#writerEntry.join();
    const taken = blockUntilTaken(this.#writers, this.#writerEntry, timeoutMs);
    if (taken) this.#writerEntry.leave();
    else this.#writerEntry.abandon();
    return taken;
  }

  /** The lock is free: wakes who may take it. */
  #wake(): void {
    this.#callbacks.wake(Number.POSITIVE_INFINITY);
    if (this.#writers.wake(1) === 0) this.#readers.wake(Number.POSITIVE_INFINITY);
  }

  #entryOf(role: RwRole, syscall: string): ReaderEntry | WriterEntry {
    if (role === 'reader') return this.#readerEntry;
    if (role === 'writer') return this.#writerEntry;
    throw new SyncError('EINVAL', syscall, `role ${String(role)}`);
  }
}

// Outside of the class: a class that mentions itself would lose its name in the bundle.
function viewOf(memory: SharedArrayBuffer, byteOffset: number): KRwlock {
  return new KRwlock(memory, byteOffset);
}

function notHeld(syscall: string): SyncError {
  return new SyncError('EPERM', syscall, 'this thread does not hold the lock');
}
