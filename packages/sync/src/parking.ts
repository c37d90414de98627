// Where those sleep who wait for something. Sleeping threads and callbacks wait on separate words: a wake-up that was meant for one
// sleeper must never go to a callback of a thread that is busy.

/** How many words a {@link Parking} takes. */
export const PARKING_WORDS: number = 2;

/**
 * Two words of shared memory: how many wait, and a sequence number that every wake-up changes.
 *
 * Who waits: `enter()`, look at what it waits for, `sleep()` with the sequence number from before that look, and so on; in the end
 * `leave()`. Who makes that something true: first does so, then calls `wake()`. Either the waiter sees it, or the waker sees the waiter.
 */
export class Parking {
  readonly #words: Int32Array;
  /** Index of the number of those who wait. */
  readonly #waiters: number;
  /** Index of the sequence number. */
  readonly sequenceIndex: number;

  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#waiters = index;
    this.sequenceIndex = index + 1;
  }

  /** From now on a wake-up counts for the caller too. */
  enter(): void {
    // [parking:enter] Pairs with the load in wake(): the add comes before the caller's look, the load after the waker's change.
    Atomics.add(this.#words, this.#waiters, 1);
  }

  leave(): void {
    // [parking:leave] Pairs with the load in wake(); a wake-up in between is spurious, no more.
    Atomics.sub(this.#words, this.#waiters, 1);
  }

  /** How many wait. */
  waiters(): number {
    // [parking:waiters] Pairs with the add in enter().
    return Atomics.load(this.#words, this.#waiters);
  }

  /** The sequence number to give to {@link sleep}; to be read before the look at what is waited for. */
  sequence(): number {
    // [parking:sequence] Pairs with the add in wake(): a wake-up after this line ends the sleep at once.
    return Atomics.load(this.#words, this.sequenceIndex);
  }

  /** Blocks the thread until a wake-up after `sequence` was read, at most `timeoutMs`. Returns false if the time has passed. */
  sleep(sequence: number, timeoutMs: number): boolean {
    // [parking:sleep] Pairs with the notify in wake().
    return Atomics.wait(this.#words, this.sequenceIndex, sequence, timeoutMs) !== 'timed-out';
  }

  /** Wakes up to `count` of those who wait, in the order in which they fell asleep. Who was woken in vain and sleeps again is then the last. Returns how many were asleep. */
  wake(count: number): number {
    // [parking:wake-look] Pairs with the add in enter(). A notify without a sleeper would cost more than the rest of an uncontended call.
    if (Atomics.load(this.#words, this.#waiters) === 0) return 0;
    // [parking:wake-sequence] Pairs with the load in sequence(), for those who are about to sleep.
    Atomics.add(this.#words, this.sequenceIndex, 1);
    // [parking:wake-notify] Pairs with the wait in sleep(), for those who do, or with the waitAsync of a callback queue.
    return Atomics.notify(this.#words, this.sequenceIndex, count);
  }
}
