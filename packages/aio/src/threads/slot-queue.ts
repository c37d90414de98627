/** Slots in the order in which they came: a ring with room for all, so that nothing is allocated. */
export class SlotQueue {
  readonly #slots: Int32Array;
  #head = 0;
  length = 0;

  /** @param size how many slots there are, a power of two */
  constructor(size: number) {
    this.#slots = new Int32Array(size);
  }

  push(slot: number): void {
    this.#slots[(this.#head + this.length) & (this.#slots.length - 1)] = slot;
    this.length += 1;
  }

  /** Takes the first slot of a queue that is not empty. */
  shift(): number {
    const slot = this.#slots[this.#head] as number;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.length -= 1;
    return slot;
  }

  /** Turns the order of the last slots round. */
  reverseLast(count: number): void {
    const mask = this.#slots.length - 1;
    let first = this.#head + this.length - count;
    let last = this.#head + this.length - 1;
    for (; first < last; first++, last--) {
      const slot = this.#slots[first & mask] as number;
      this.#slots[first & mask] = this.#slots[last & mask] as number;
      this.#slots[last & mask] = slot;
    }
  }

  /** Takes a slot out. False if it is not there. Those at either end are found first, as when all are taken out in their order. */
  remove(slot: number): boolean {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let first = this.#head;
    let last = this.#head + this.length - 1;
    while (first <= last && slots[first & mask] !== slot && slots[last & mask] !== slot) {
      first += 1;
      last -= 1;
    }
    if (first > last) return false;
    if (slots[first & mask] === slot) {
      for (; first > this.#head; first--) slots[first & mask] = slots[(first - 1) & mask] as number;
      this.#head = (this.#head + 1) & mask;
    } else {
      const end = this.#head + this.length - 1;
      for (; last < end; last++) slots[last & mask] = slots[(last + 1) & mask] as number;
    }
    this.length -= 1;
    return true;
  }
}
