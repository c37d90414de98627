/**
 * Objects that nobody uses, to be used again. A stack on an array that never shrinks: Array.pop() would give memory back, and take it again.
 * What is on it is not in a queue at the same time, so it needs none of a queue's care.
 */
export class FreeList<T> {
  readonly #items: (T | null)[] = [];
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  put(item: T): void {
    this.#items[this.#count] = item;
    this.#count += 1;
  }

  /** The one that was put here last, which is most likely in the processor's cache; null if there is none. */
  take(): T | null {
    if (this.#count === 0) return null;
    this.#count -= 1;
    return this.#items[this.#count] as T;
  }
}
