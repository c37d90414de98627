import { type Acquisition, BUSY, type CallbackWaiter, TAKEN } from './callback-waiter.js';
import type { Parking } from './parking.js';
import { FREE, STATE, WRITERS_WAITING } from './rwlock-words.js';
import { thisThread } from './thread.js';
import { threadState } from './thread-state.js';

// The two ways into a KRwlock, as things that one waits for.

/** How many times this thread holds the lock with this key as a reader. */
export function readHolds(key: number): number {
  return threadState.readHolds.get(key) ?? 0;
}

/** Changes {@link readHolds}. */
export function setReadHolds(key: number, holds: number): void {
  if (holds === 0) threadState.readHolds.delete(key);
  else threadState.readHolds.set(key, holds);
}

/** The place of one more reader. */
export class ReaderEntry implements Acquisition {
  readonly pollMs: number = Number.POSITIVE_INFINITY;
  readonly #words: Int32Array;
  readonly #key: number;

  constructor(words: Int32Array, key: number) {
    this.#words = words;
    this.#key = key;
  }

  attempt(): number {
    const words = this.#words;
    for (;;) {
      // [rwlock:read-look] Pairs with whoever changes the word last; the compareExchange checks that it still holds.
      const state = Atomics.load(words, STATE);
      if (state < FREE) return BUSY;
      // [rwlock:read-prefer] Pairs with the add of a writer that begins to wait. A free lock is for everybody: if a writer died while it
      // waited, readers still get in.
      if (state > FREE && Atomics.load(words, WRITERS_WAITING) > 0) return BUSY;
      // [rwlock:read] Pairs with the store of a writer's exit().
      if (Atomics.compareExchange(words, STATE, state, state + 1) !== state) continue;
      setReadHolds(this.#key, readHolds(this.#key) + 1);
      return TAKEN;
    }
  }

  retreat(): void {
    // Nothing was taken.
  }
}

/** The place of the writer. */
export class WriterEntry implements Acquisition {
  readonly pollMs: number = Number.POSITIVE_INFINITY;
  readonly #words: Int32Array;
  readonly #readers: Parking;
  readonly #callbacks: Parking;

  constructor(words: Int32Array, readers: Parking, callbacks: Parking) {
    this.#words = words;
    this.#readers = readers;
    this.#callbacks = callbacks;
  }

  /** The note of a callback is 1 once it is counted among the waiting writers. A thread that blocks counts itself. */
  attempt(waiter: CallbackWaiter | null): number {
    // [rwlock:write] Pairs with the store of a writer's exit(), and with the sub of the last reader's.
    if (Atomics.compareExchange(this.#words, STATE, FREE, -thisThread) === FREE) {
      if (waiter !== null && waiter.note === 1) this.leave();
      return TAKEN;
    }
    if (waiter !== null && waiter.note === 0) {
      waiter.note = 1;
      this.join();
    }
    return BUSY;
  }

  retreat(waiter: CallbackWaiter): void {
    if (waiter.note === 1) this.abandon();
  }

  /** A writer begins to wait: new readers stay behind it. */
  join(): void {
    // [rwlock:writer-joins] Pairs with the load in ReaderEntry.attempt().
    Atomics.add(this.#words, WRITERS_WAITING, 1);
  }

  /** A writer has got the lock. */
  leave(): void {
    // [rwlock:writer-leaves] As join().
    Atomics.sub(this.#words, WRITERS_WAITING, 1);
  }

  /** A writer waits no longer, without having got the lock: the readers who stayed behind it may share the lock with its holders. */
  abandon(): void {
    // [rwlock:writer-gives-up] Pairs with the load in ReaderEntry.attempt(): the sub comes before the wake-up.
    if (Atomics.sub(this.#words, WRITERS_WAITING, 1) > 1) return;
    this.#readers.wake(Number.POSITIVE_INFINITY);
    this.#callbacks.wake(Number.POSITIVE_INFINITY);
  }
}
