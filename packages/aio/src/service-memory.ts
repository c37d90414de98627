import { KCondvar, KMutex } from '@biodone/sync';
import {
  COMPLETED,
  LINK,
  layoutOf,
  pendingOffset,
  RECORD_NUMBERS,
  SEQUENCE,
  SLOT_QUEUED,
  SLOT_TAKEN,
  SLOT_WORDS,
  STATE,
  SUBMISSION_HEAD,
  SUBMISSION_TAIL,
  THREAD,
  THREAD_IDLE,
  THREAD_IN_KERNEL,
  THREAD_STARTING,
  THREAD_STATE,
  THREAD_WAKER,
  THREAD_WORDS,
} from './threads/memory-layout.js';

/** What another thread needs to attach to the memory. */
export interface ServiceMemoryHandle {
  readonly shared: SharedArrayBuffer;
  /** How many slots there are, a power of two. */
  readonly size: number;
  readonly threads: number;
}

/**
 * The memory that a pool shares with its service threads.
 *
 * The pool's thread writes what an operation asks for into a slot and puts the slot on the submission queue. Service threads take slots off,
 * serve the operations and push the slots on a list of completed ones, which the pool's thread takes as a whole. `lock` guards the submission
 * queue and what the threads say of themselves; a thread's `pending` is signalled when operations were submitted. The list of completed slots needs no lock.
 *
 * A thread may die anywhere in it, also while it owns `lock`. So `lock` is robust, and the submission queue can be made again from the slots, each
 * of which says where its operation is: see {@link enter}.
 */
export class ServiceMemory {
  readonly shared: SharedArrayBuffer;
  readonly lock: KMutex;
  /** What each thread sleeps on. One each, so that it can be chosen who is woken. */
  readonly pending: readonly KCondvar[];
  readonly words: Int32Array;
  /** {@link RECORD_NUMBERS} numbers a slot. Whoever has the slot may touch them. */
  readonly records: Float64Array;
  readonly size: number;
  readonly threads: number;
  /** Where the words of slots begin, {@link SLOT_WORDS} each. */
  readonly slots: number;
  readonly #threads: number;
  readonly #queue: number;

  /** Attaches to the memory that {@link create} has made, in any thread. */
  constructor({ shared, size, threads }: ServiceMemoryHandle) {
    const layout = layoutOf(size, threads);
    this.shared = shared;
    this.size = size;
    this.threads = threads;
    this.lock = new KMutex(shared, 0);
    this.pending = Array.from({ length: threads }, (_, thread) => new KCondvar(shared, pendingOffset(thread)));
    this.words = new Int32Array(shared, layout.words, layout.slots + size * SLOT_WORDS);
    this.records = new Float64Array(shared, layout.records, size * RECORD_NUMBERS);
    this.slots = layout.slots;
    this.#threads = layout.threads;
    this.#queue = layout.queue;
  }

  /** Makes the memory for `depth` operations in flight. */
  static create(depth: number, threads: number): ServiceMemory {
    const size = 2 ** Math.ceil(Math.log2(depth));
    const shared = new SharedArrayBuffer(layoutOf(size, threads).bytes);
    KMutex.initialize(shared, 0, { robust: true });
    for (let thread = 0; thread < threads; thread++) KCondvar.initialize(shared, pendingOffset(thread));
    return new ServiceMemory({ shared, size, threads });
  }

  handle(): ServiceMemoryHandle {
    return { shared: this.shared, size: this.size, threads: this.threads };
  }

  /** Takes the lock, and puts in order what a thread has left behind that died with it. */
  enter(): void {
    if (this.lock.enter() === 'EOWNERDEAD') this.repair();
  }

  /** To be called with the lock of a dead owner: after {@link enter} and its like, and after a wait for `pending`. */
  repair(): void {
    const { words } = this;
    const queued: number[] = [];
    for (let slot = 0; slot < this.size; slot++) if (words[this.slotAt(slot) + STATE] === SLOT_QUEUED) queued.push(slot);
    const next = words[SEQUENCE] as number;
    // By age: the difference is right also where the count has wrapped around.
    const age = (slot: number): number => (next - (words[this.slotAt(slot) + LINK] as number)) | 0;
    queued.sort((a, b) => age(b) - age(a));
    words[SUBMISSION_HEAD] = 0;
    words[SUBMISSION_TAIL] = queued.length;
    for (const [index, slot] of queued.entries()) words[this.#queue + index] = slot;
    if (this.lock.ownerDied()) this.lock.makeConsistent();
  }

  /** Where the words of a thread begin. */
  threadAt(thread: number): number {
    return this.#threads + thread * THREAD_WORDS;
  }

  /** What a thread does: THREAD_ABSENT and its like. */
  stateOf(thread: number): number {
    return this.words[this.threadAt(thread) + THREAD_STATE] as number;
  }

  /** Where the words of a slot begin. */
  slotAt(slot: number): number {
    return this.slots + slot * SLOT_WORDS;
  }

  /** How many threads serve, or are about to. Exact for who owns `lock`. */
  get alive(): number {
    let count = 0;
    for (let thread = 0; thread < this.threads; thread++) {
      const state = this.stateOf(thread);
      if (state >= THREAD_STARTING && state <= THREAD_IN_KERNEL) count += 1;
    }
    return count;
  }

  /** How many threads look for work next. Exact for who owns `lock`. */
  get spare(): number {
    let count = 0;
    for (let thread = 0; thread < this.threads; thread++) {
      const state = this.stateOf(thread);
      if (state === THREAD_STARTING || state === THREAD_IDLE) count += 1;
    }
    return count;
  }

  /** Takes the eventfd of a thread that blocks in the kernel, to wake it by; -1 if it does not. The caller owns `lock`. */
  takeWaker(thread: number): number {
    const index = this.threadAt(thread) + THREAD_WAKER;
    const eventFd = (this.words[index] as number) - 1;
    if (eventFd >= 0) this.words[index] = 0;
    return eventFd;
  }

  /** Puts a slot on the submission queue, which has room for all. The caller owns `lock`. */
  pushSubmission(slot: number): void {
    const { words } = this;
    const tail = words[SUBMISSION_TAIL] as number;
    const at = this.slotAt(slot);
    words[at + LINK] = words[SEQUENCE] as number;
    words[SEQUENCE] = ((words[SEQUENCE] as number) + 1) | 0;
    words[at + STATE] = SLOT_QUEUED;
    words[this.#queue + (tail & (this.size - 1))] = slot;
    words[SUBMISSION_TAIL] = (tail + 1) | 0;
  }

  /** How many slots wait for a thread. Exact for who owns `lock`, else a hint. */
  get submissions(): number {
    return ((this.words[SUBMISSION_TAIL] as number) - (this.words[SUBMISSION_HEAD] as number)) | 0;
  }

  /** The same, after all that this thread has done atomically before, also without `lock`. */
  get submissionsNow(): number {
    return (Atomics.load(this.words, SUBMISSION_TAIL) - Atomics.load(this.words, SUBMISSION_HEAD)) | 0;
  }

  /** Takes the first slot off the submission queue, which is not empty, for a thread. The caller owns `lock`. */
  takeSubmission(thread: number): number {
    const { words } = this;
    const head = words[SUBMISSION_HEAD] as number;
    const slot = words[this.#queue + (head & (this.size - 1))] as number;
    const at = this.slotAt(slot);
    words[at + THREAD] = thread + 1;
    words[at + STATE] = SLOT_TAKEN;
    words[SUBMISSION_HEAD] = (head + 1) | 0;
    return slot;
  }

  /**
   * Takes a slot out of the middle of the submission queue. Those at either end are found first, as when all are taken out in their order. The caller owns
   * `lock`, and has given the slot another state.
   */
  removeSubmission(slot: number): void {
    const { words } = this;
    const head = words[SUBMISSION_HEAD] as number;
    let before = 0;
    let behind = this.submissions - 1;
    while (before <= behind && words[this.#queueAt(head + before)] !== slot && words[this.#queueAt(head + behind)] !== slot) {
      before += 1;
      behind -= 1;
    }
    if (before > behind) return;
    if (words[this.#queueAt(head + before)] === slot) {
      for (; before > 0; before--) words[this.#queueAt(head + before)] = words[this.#queueAt(head + before - 1)] as number;
      words[SUBMISSION_HEAD] = (head + 1) | 0;
    } else {
      const last = this.submissions - 1;
      for (; behind < last; behind++) words[this.#queueAt(head + behind)] = words[this.#queueAt(head + behind + 1)] as number;
      words[SUBMISSION_TAIL] = ((words[SUBMISSION_TAIL] as number) - 1) | 0;
    }
  }

  /** Where the slot stands that is in this place of the queue. */
  #queueAt(place: number): number {
    return this.#queue + (place & (this.size - 1));
  }

  /** Pushes completed slots, which are linked from `last` to `first`, each to the one that was completed before it. Any thread, without the lock. */
  pushCompleted(first: number, last: number): void {
    const { words } = this;
    const link = this.slotAt(first) + LINK;
    for (;;) {
      // Pairs with the exchange in takeCompleted().
      const before = Atomics.load(words, COMPLETED);
      words[link] = before;
      if (Atomics.compareExchange(words, COMPLETED, before, last + 1) === before) return;
    }
  }

  /** Takes all completed slots: the last one, plus one, which leads to the others by {@link LINK}; 0 if there are none. For the pool's thread. */
  takeCompleted(): number {
    // Pairs with the compareExchange in pushCompleted(): all that was written before it can be read. The look first is cheap, and mostly all.
    return Atomics.load(this.words, COMPLETED) === 0 ? 0 : Atomics.exchange(this.words, COMPLETED, 0);
  }
}
