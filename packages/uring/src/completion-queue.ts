import { IORING_CQ_EVENTFD_DISABLED, IORING_SQ_CQ_OVERFLOW, IORING_SQ_TASKRUN } from './abi.js';
import type { RingMemory } from './ring-setup.js';

/** What makes a call necessary before all completions are in the queue. */
const NEEDS_CALL = IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN;

/** The completion queue, which the kernel writes and this thread reads. */
export class CompletionQueue {
  readonly #mask: number;
  readonly #headIndex: number;
  readonly #tailIndex: number;
  readonly #flagsIndex: number;
  readonly #sqFlagsIndex: number;
  readonly #entries: number;
  #words: Int32Array;
  #head: number;
  /** The head that the kernel knows. */
  #published: number;

  constructor(memory: RingMemory) {
    this.#mask = memory.cqEntries - 1;
    this.#headIndex = memory.cqHead;
    this.#tailIndex = memory.cqTail;
    this.#flagsIndex = memory.cqFlags;
    this.#sqFlagsIndex = memory.sqFlags;
    this.#entries = memory.cqes;
    this.#words = memory.words;
    this.#head = Atomics.load(memory.words, memory.cqHead);
    this.#published = this.#head;
  }

  /** How many entries are there. */
  get length(): number {
    return (this.tail - this.#head) | 0;
  }

  /** The kernel's end of the queue, for {@link take}. */
  get tail(): number {
    // Pairs with the kernel's release store of the tail: the entries before it are written.
    return Atomics.load(this.#words, this.#tailIndex);
  }

  /** The IORING_SQ_ bits that make a call necessary; 0 for none. */
  get needsCall(): number {
    return Atomics.load(this.#words, this.#sqFlagsIndex) & NEEDS_CALL;
  }

  /**
   * Takes back the mark of pending work that a call has not taken back. With deferred work the kernel adds first and marks then, so a call
   * in between has done the work, and the mark stays until there is more. Work that has come since is done by one more call, which has to
   * follow.
   */
  forgetWork(): void {
    Atomics.and(this.#words, this.#sqFlagsIndex, ~IORING_SQ_TASKRUN);
  }

  /** Takes the next entry, if there is one before `tail`: the index of its first word, or -1. */
  take(tail: number): number {
    const head = this.#head;
    // The difference, and not equality: a completion that reaps moves the head past a tail that was read before.
    if (((tail - head) | 0) <= 0) return -1;
    this.#head = (head + 1) | 0;
    return this.#entries + ((head & this.#mask) << 2);
  }

  /** Gives the places of the entries that have been taken back to the kernel: once a batch, because the fence costs as much as the rest. */
  publish(): void {
    if (this.#published === this.#head) return;
    this.#published = this.#head;
    // Pairs with the kernel's acquire load of the head, before it writes the next entry into such a place.
    Atomics.store(this.#words, this.#headIndex, this.#head);
  }

  /** Whether the kernel signals the eventfd at completions. */
  setNotification(on: boolean): void {
    // Pairs with the kernel's load of the flags after it has stored the tail: either it sees this, or `length` sees the completion.
    Atomics.store(this.#words, this.#flagsIndex, on ? 0 : IORING_CQ_EVENTFD_DISABLED);
  }

  /** Lets go of the memory, which is unmapped next: from now on the queue is empty. */
  detach(): void {
    this.#words = new Int32Array(this.#words.length).fill(this.#head, this.#tailIndex, this.#tailIndex + 1);
  }
}
