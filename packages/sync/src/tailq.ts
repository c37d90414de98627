import { SyncError } from './errors.js';

/**
 * What an object needs to be an element of a {@link TailQueue}: three fields of its own, which its constructor sets to null, so that all
 * objects of a class keep one shape. Only the queue writes them.
 */
export interface TailQueueEntry {
  /** The queue that the object is in, or null. */
  queue: object | null;
  /** The element behind it. */
  queueNext: TailQueueEntry | null;
  /** The element before it. */
  queuePrevious: TailQueueEntry | null;
}

/**
 * An intrusive doubly linked list, as the TAILQ of BSD's queue(3): the links live in the elements, so nothing is allocated, and any
 * element is removed in constant time.
 *
 * For one thread: the elements are ordinary objects. An element is in one queue at most.
 *
 * To remove elements while going through them, take `next(entry)` before `remove(entry)`.
 *
 * @example
 * ```js
 * import { TailQueue } from '@biodone/sync';
 *
 * class Request {
 *   queue = null;
 *   queueNext = null;
 *   queuePrevious = null;
 *   constructor(name) {
 *     this.name = name;
 *   }
 * }
 *
 * const queue = new TailQueue();
 * queue.insertTail(new Request('first'));
 * queue.insertTail(new Request('second'));
 * console.log(queue.removeFirst().name, queue.length); // first 1
 * ```
 */
export class TailQueue<T extends TailQueueEntry> {
  #first: TailQueueEntry | null = null;
  #last: TailQueueEntry | null = null;
  #length = 0;

  /** The first element, or null (TAILQ_FIRST). */
  get first(): T | null {
    return this.#first as T | null;
  }

  /** The last element, or null (TAILQ_LAST). */
  get last(): T | null {
    return this.#last as T | null;
  }

  /** How many elements there are. */
  get length(): number {
    return this.#length;
  }

  /** Whether there is no element (TAILQ_EMPTY). */
  get isEmpty(): boolean {
    return this.#first === null;
  }

  /**
   * The element behind `entry`, or null (TAILQ_NEXT).
   *
   * @throws {@link SyncError} `ENOENT` if `entry` is not in this queue
   */
  next(entry: T): T | null {
    this.#mustHold(entry, 'TAILQ_NEXT');
    return entry.queueNext as T | null;
  }

  /**
   * The element before `entry`, or null (TAILQ_PREV).
   *
   * @throws {@link SyncError} `ENOENT` if `entry` is not in this queue
   */
  previous(entry: T): T | null {
    this.#mustHold(entry, 'TAILQ_PREV');
    return entry.queuePrevious as T | null;
  }

  /**
   * Puts `entry` at the end (TAILQ_INSERT_TAIL).
   *
   * @throws {@link SyncError} `EBUSY` if `entry` is in a queue
   */
  insertTail(entry: T): void {
    this.#link(entry, this.#last, null, 'TAILQ_INSERT_TAIL');
  }

  /**
   * Puts `entry` at the start (TAILQ_INSERT_HEAD).
   *
   * @throws {@link SyncError} `EBUSY` if `entry` is in a queue
   */
  insertHead(entry: T): void {
    this.#link(entry, null, this.#first, 'TAILQ_INSERT_HEAD');
  }

  /**
   * Puts `entry` right before `place` (TAILQ_INSERT_BEFORE).
   *
   * @throws {@link SyncError} `EBUSY` if `entry` is in a queue, `ENOENT` if `place` is not in this one
   */
  insertBefore(place: T, entry: T): void {
    this.#mustHold(place, 'TAILQ_INSERT_BEFORE');
    this.#link(entry, place.queuePrevious, place, 'TAILQ_INSERT_BEFORE');
  }

  /**
   * Puts `entry` right behind `place` (TAILQ_INSERT_AFTER).
   *
   * @throws {@link SyncError} `EBUSY` if `entry` is in a queue, `ENOENT` if `place` is not in this one
   */
  insertAfter(place: T, entry: T): void {
    this.#mustHold(place, 'TAILQ_INSERT_AFTER');
    this.#link(entry, place, place.queueNext, 'TAILQ_INSERT_AFTER');
  }

  /**
   * Takes `entry` out, in constant time (TAILQ_REMOVE).
   *
   * @throws {@link SyncError} `ENOENT` if `entry` is not in this queue
   */
  remove(entry: T): void {
    this.#mustHold(entry, 'TAILQ_REMOVE');
    const previous = entry.queuePrevious;
    const next = entry.queueNext;
    if (previous === null) this.#first = next;
    else previous.queueNext = next;
    if (next === null) this.#last = previous;
    else next.queuePrevious = previous;
    entry.queue = null;
    entry.queueNext = null;
    entry.queuePrevious = null;
    this.#length--;
  }

  /** Takes the first element out and returns it; null if there is none. */
  removeFirst(): T | null {
    const entry = this.#first as T | null;
    if (entry !== null) this.remove(entry);
    return entry;
  }

  /**
   * Moves all elements of `source` behind those of this queue (TAILQ_CONCAT). Each moved element learns its new queue, so unlike BSD's
   * this takes time in proportion to the length of `source`.
   *
   * @throws {@link SyncError} `EINVAL` if `source` is this queue
   */
  concat(source: TailQueue<T>): void {
    if (source === this) throw new SyncError('EINVAL', 'TAILQ_CONCAT', 'a queue cannot be moved into itself');
    const first = source.#first;
    if (first === null) return;
    for (let entry: TailQueueEntry | null = first; entry !== null; entry = entry.queueNext) entry.queue = this;
    first.queuePrevious = this.#last;
    if (this.#last === null) this.#first = first;
    else this.#last.queueNext = first;
    this.#last = source.#last;
    this.#length += source.#length;
    source.#first = null;
    source.#last = null;
    source.#length = 0;
  }

  /** Goes through the elements; the one at hand may be removed. For cold paths: each run allocates an iterator. */
  *[Symbol.iterator](): IterableIterator<T> {
    let entry = this.#first;
    while (entry !== null) {
      const next: TailQueueEntry | null = entry.queueNext;
      yield entry as T;
      entry = next;
    }
  }

  #link(entry: T, previous: TailQueueEntry | null, next: TailQueueEntry | null, syscall: string): void {
    if (entry.queue !== null) throw new SyncError('EBUSY', syscall, 'the entry is in a queue');
    entry.queue = this;
    entry.queuePrevious = previous;
    entry.queueNext = next;
    if (previous === null) this.#first = entry;
    else previous.queueNext = entry;
    if (next === null) this.#last = entry;
    else next.queuePrevious = entry;
    this.#length++;
  }

  #mustHold(entry: T, syscall: string): void {
    if (entry.queue !== this) throw new SyncError('ENOENT', syscall, 'the entry is not in this queue');
  }
}
