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
import { type SerializedPrimitive, serializeWords } from './handover.js';
import { ALIGNMENT, initializeWords, type Kind, keyOf } from './layout.js';
import { Parking } from './parking.js';
import { type AsyncOptions, promised } from './promises.js';
import {
  CAPACITY,
  CLOSED,
  CONSUMER,
  CONSUMER_CALLBACKS,
  COUNT_MASK,
  HEAD,
  PRODUCER,
  PRODUCER_CALLBACKS,
  RECORD_WORDS,
  TAIL,
} from './ring-words.js';

/** The shape of a ring, which takes less than 2^31 bytes altogether. */
export interface RingOptions {
  /** The size of a record in bytes: a multiple of 4. */
  recordBytes: number;
  /** How many records fit: a power of two, at most 2^30. */
  capacity: number;
}

/**
 * What {@link SpscRing} and {@link MpscRing} have in common: closing, and waiting for records or for space.
 *
 * One waits by blocking, with a deadline, by callback or by promise. A wait ends when there is something to do, and takes nothing: the `push()`
 * or `pop()` comes after it. A thread that dies while it waits is counted as waiting for ever: each later `push()` or `pop()` of the other side costs
 * a system call. Closing ends all waits: `push()` then throws, and `pop()` returns 0 once the ring is drained.
 */
export abstract class SharedRing {
  /** A ring starts at a multiple of so many bytes. */
  static readonly ALIGNMENT: number = ALIGNMENT;

  /** The size of a record in bytes. */
  readonly recordBytes: number;
  /** How many records fit. */
  readonly capacity: number;

  protected readonly words: Int32Array;
  protected readonly consumer: Parking;
  protected readonly consumerCallbacks: Parking;
  protected readonly producer: Parking;
  protected readonly producerCallbacks: Parking;
  readonly #kind: Kind;
  readonly #records: Acquisition;

  protected constructor(kind: Kind, words: Int32Array, records: Acquisition) {
    this.words = words;
    this.recordBytes = (words[RECORD_WORDS] as number) * 4;
    this.capacity = words[CAPACITY] as number;
    this.consumer = new Parking(words, CONSUMER);
    this.consumerCallbacks = new Parking(words, CONSUMER_CALLBACKS);
    this.producer = new Parking(words, PRODUCER);
    this.producerCallbacks = new Parking(words, PRODUCER_CALLBACKS);
    this.#kind = kind;
    this.#records = records;
  }

  /** A plain object for `postMessage()` or `workerData`, for the static `attach()`. */
  serialize(): SerializedPrimitive {
    return serializeWords(this.#kind, this.words);
  }

  /**
   * Closes the ring, from any thread: nothing can be pushed any more; what was pushed can be popped. Ends all waits. Closing twice is no error.
   */
  close(): void {
    // [ring:close] Pairs with the compareExchange of push(), which fails from here on.
    Atomics.or(this.words, HEAD, CLOSED);
    this.wakeConsumer();
    this.wakeProducers();
  }

  /** Whether the ring is closed. */
  isClosed(): boolean {
    // [ring:closed] Pairs with the or in close().
    return (Atomics.load(this.words, HEAD) & CLOSED) !== 0;
  }

  /** Whether the ring is closed and empty: nothing will ever come out of it any more. */
  isDrained(): boolean {
    return isDrained(this.words);
  }

  /** How many records are in the ring at this moment. Those that are just being pushed or popped count too. */
  length(): number {
    // [ring:length-tail] Before the head, so that the difference is never negative. Pairs with the store in pop().
    const tail = Atomics.load(this.words, TAIL);
    // [ring:length-head] Pairs with the compareExchange in push().
    return Math.min(((Atomics.load(this.words, HEAD) >>> 1) - tail) & COUNT_MASK, this.capacity);
  }

  /**
   * For the consumer: blocks the thread until there is a record or the ring is drained, at most `timeoutMs` milliseconds.
   *
   * @returns false if the time has passed
   * @throws {@link SyncError} `EINVAL` if `timeoutMs` is negative or NaN
   */
  waitForRecords(timeoutMs: number = Number.POSITIVE_INFINITY): boolean {
    checkTimeout(timeoutMs, 'ring_wait');
    return this.#records.attempt(null) === TAKEN || blockUntilTaken(this.consumer, this.#records, timeoutMs);
  }

  /**
   * For the consumer: calls `callback(null)` when there is a record or the ring is drained. Never blocks; keeps the thread alive. The callback gets
   * `ETIMEDOUT` after `timeoutMs` and `ECANCELED` after `cancel()`.
   *
   * @throws {@link SyncError} `EINVAL` if `timeoutMs` is negative or NaN
   */
  waitForRecordsCallback(callback: WaitCallback, options: WaitOptions = {}): PendingWait {
    const queue = CallbackQueue.of(this.words, this.consumerCallbacks, keyOf(this.words, 0), options, 'ring_wait');
    return queue.start(this.#records, callback, options, 'ring_wait', 0);
  }

  /** As {@link waitForRecordsCallback}, by promise. Rejected with an {@link AbortError} when `signal` is aborted in time. */
  async waitForRecordsAsync(options: AsyncOptions = {}): Promise<void> {
    await promised((callback) => this.waitForRecordsCallback(callback, options), options.signal);
  }

  /**
   * For a producer: blocks the thread until `count` records fit or the ring is closed, at most `timeoutMs` milliseconds. With several producers
   * another one may be faster to use the space.
   *
   * @returns false if the time has passed
   * @throws {@link SyncError} `EINVAL` if `count` is not between 1 and the capacity, or `timeoutMs` is negative or NaN
   */
  waitForSpace(count = 1, timeoutMs: number = Number.POSITIVE_INFINITY): boolean {
    checkTimeout(timeoutMs, 'ring_wait');
    const space = this.#space(count);
    return space.attempt() === TAKEN || blockUntilTaken(this.producer, space, timeoutMs);
  }

  /**
   * For a producer: calls `callback(null)` when `count` records fit or the ring is closed. Never blocks; keeps the thread alive. The callback gets
   * `ETIMEDOUT` after `timeoutMs` and `ECANCELED` after `cancel()`.
   *
   * @throws {@link SyncError} `EINVAL` if `count` is not between 1 and the capacity, or `timeoutMs` is negative or NaN
   */
  waitForSpaceCallback(count: number, callback: WaitCallback, options: WaitOptions = {}): PendingWait {
    const space = this.#space(count);
    const queue = CallbackQueue.of(this.words, this.producerCallbacks, keyOf(this.words, 1), options, 'ring_wait');
    return queue.start(space, callback, options, 'ring_wait', 0);
  }

  /** As {@link waitForSpaceCallback}, by promise. Rejected with an {@link AbortError} when `signal` is aborted in time. */
  async waitForSpaceAsync(count = 1, options: AsyncOptions = {}): Promise<void> {
    await promised((callback) => this.waitForSpaceCallback(count, callback, options), options.signal);
  }

  /** There is something to pop, or the ring is closed. */
  protected wakeConsumer(): void {
    this.consumer.wake(Number.POSITIVE_INFINITY);
    this.consumerCallbacks.wake(Number.POSITIVE_INFINITY);
  }

  /** There is space, or the ring is closed. */
  protected wakeProducers(): void {
    this.producer.wake(Number.POSITIVE_INFINITY);
    this.producerCallbacks.wake(Number.POSITIVE_INFINITY);
  }

  /** Checks the place of records in a caller's array. */
  protected checkRecords(records: Int32Array, count: number, first: number, syscall: string): void {
    const recordWords = this.recordBytes / 4;
    const fits = Number.isInteger(count) && Number.isInteger(first) && count >= 0 && first >= 0;
    if (fits && (first + count) * recordWords <= records.length) return;
    throw new SyncError('EINVAL', syscall, `${count} records from ${first} on in an array of ${records.length / recordWords}`);
  }

  #space(count: number): SpaceReady {
    if (Number.isInteger(count) && count >= 1 && count <= this.capacity) return new SpaceReady(this.words, count);
    throw new SyncError('EINVAL', 'ring_wait', `space for ${count} of ${this.capacity} records`);
  }
}

/** Checks the shape of a ring. */
export function checkShape(options: RingOptions, syscall: string): void {
  const { recordBytes, capacity } = options;
  if (!Number.isInteger(recordBytes) || recordBytes < 4 || recordBytes % 4 !== 0) {
    throw new SyncError('EINVAL', syscall, `record size ${recordBytes} is not a multiple of 4`);
  }
  if (!Number.isInteger(Math.log2(capacity)) || capacity < 1 || capacity > 2 ** 30) {
    throw new SyncError('EINVAL', syscall, `capacity ${capacity} is not a power of two up to 2^30`);
  }
}

/** The size of a ring as the layout can say it. */
export function checkSize(bytes: number, syscall: string): number {
  if (bytes < 2 ** 31) return bytes;
  throw new SyncError('EINVAL', syscall, `a ring of ${bytes} bytes, not less than 2^31`);
}

/** Lays out a ring of `bytes` bytes. */
export function initializeRing(
  kind: Kind,
  memory: SharedArrayBuffer,
  byteOffset: number,
  options: RingOptions,
  bytes: number,
): void {
  // In the order of RECORD_WORDS and CAPACITY.
  initializeWords(kind, memory, byteOffset, bytes, 0, [options.recordBytes / 4, options.capacity]);
}

/** Whether the ring is closed and all that was pushed has been popped. */
export function isDrained(words: Int32Array): boolean {
  // [ring:drained-head] Once it is closed, the head word changes no more. Pairs with the or in close().
  const head = Atomics.load(words, HEAD);
  // [ring:drained-tail] Pairs with the store in pop().
  return (head & CLOSED) !== 0 && Atomics.load(words, TAIL) === head >>> 1;
}

/** Space as something that a producer waits for. */
class SpaceReady implements Acquisition {
  readonly pollMs: number = Number.POSITIVE_INFINITY;
  readonly #words: Int32Array;
  readonly #count: number;

  constructor(words: Int32Array, count: number) {
    this.#words = words;
    this.#count = count;
  }

  attempt(): number {
    // [ring:space-tail] Before the head, so that the difference is never negative. Pairs with the store in pop().
    const tail = Atomics.load(this.#words, TAIL);
    // [ring:space-head] Pairs with the compareExchange in push() and the or in close().
    const head = Atomics.load(this.#words, HEAD);
    const used = ((head >>> 1) - tail) & COUNT_MASK;
    return (head & CLOSED) !== 0 || used + this.#count <= (this.#words[CAPACITY] as number) ? TAKEN : BUSY;
  }

  retreat(): void {
    // Nothing was taken.
  }
}
