import { KCondvar, KMutex } from '@biodone/sync';

/**
 * The memory that a pool shares with its service threads.
 *
 * The pool's thread puts the numbers of slots on the submission queue, service threads take them off, serve the operation that the slot
 * describes, and put the number on the completion queue, which the pool's thread empties. Both queues have room for every slot, so
 * neither can be full. `lock` guards the submission queue and the tail of the completion queue; `pending` is signalled when
 * operations were submitted.
 */
export class ServiceMemory {
  readonly shared: SharedArrayBuffer;
  readonly lock: KMutex;
  readonly pending: KCondvar;
  /** The words below, by their indexes. */
  readonly words: Int32Array;
  /** What each slot asks for and what became of it: {@link SLOT_FIELDS} numbers a slot. Whoever holds the slot's number may touch it. */
  readonly slots: Float64Array;
  /** How many slots there are, a power of two. */
  readonly size: number;
  readonly threads: number;
  readonly #wakers: number;
  readonly #submissions: number;
  readonly #completions: number;

  /** Attaches to the memory that {@link create} has made, in any thread. */
  constructor({ shared, size, threads }: ServiceMemoryHandle) {
    this.shared = shared;
    this.size = size;
    this.threads = threads;
    this.lock = new KMutex(shared, 0);
    this.pending = new KCondvar(shared, KMutex.BYTES);
    const words = wordCount(size, threads);
    this.words = new Int32Array(shared, WORDS_OFFSET, words);
    this.slots = new Float64Array(shared, WORDS_OFFSET + words * 4, size * SLOT_FIELDS);
    this.#wakers = FIXED_WORDS;
    this.#submissions = FIXED_WORDS + threads;
    this.#completions = FIXED_WORDS + threads + size;
  }

  /** Makes the memory for `depth` operations in flight. */
  static create(depth: number, threads: number): ServiceMemory {
    const size = 2 ** Math.ceil(Math.log2(depth));
    const shared = new SharedArrayBuffer(WORDS_OFFSET + wordCount(size, threads) * 4 + size * SLOT_FIELDS * 8);
    KMutex.initialize(shared, 0);
    KCondvar.initialize(shared, KMutex.BYTES);
    return new ServiceMemory({ shared, size, threads });
  }

  /** Says that a thread blocks in the kernel with operations under way, and by which eventfd it is woken. The caller owns `lock`. */
  blocksInKernel(thread: number, eventFd: number): void {
    this.words[this.#wakers + thread] = eventFd + 1;
  }

  /** Takes the eventfd of a thread that blocks in the kernel, to wake it by; -1 if it does not. The caller owns `lock`. */
  takeWaker(thread: number): number {
    const eventFd = (this.words[this.#wakers + thread] as number) - 1;
    this.words[this.#wakers + thread] = 0;
    return eventFd;
  }

  /** Puts a slot on the submission queue. The caller owns `lock`. */
  pushSubmission(slot: number): void {
    const tail = this.words[SUBMISSION_TAIL] as number;
    this.words[this.#submissions + (tail & (this.size - 1))] = slot;
    this.words[SUBMISSION_TAIL] = (tail + 1) | 0;
  }

  /** How many slots wait for a thread. Exact for who owns `lock`, else a hint. */
  get submissions(): number {
    return ((this.words[SUBMISSION_TAIL] as number) - (this.words[SUBMISSION_HEAD] as number)) | 0;
  }

  /** Takes the first slot off the submission queue, which is not empty. The caller owns `lock`. */
  takeSubmission(): number {
    const head = this.words[SUBMISSION_HEAD] as number;
    this.words[SUBMISSION_HEAD] = (head + 1) | 0;
    return this.words[this.#submissions + (head & (this.size - 1))] as number;
  }

  /** Puts a slot on the completion queue. The caller owns `lock`. */
  pushCompletion(slot: number): void {
    const tail = this.words[COMPLETION_TAIL] as number;
    this.words[this.#completions + (tail & (this.size - 1))] = slot;
    // Pairs with the load in completionTail(): the slot, and its number on the queue, are written before.
    Atomics.store(this.words, COMPLETION_TAIL, (tail + 1) | 0);
  }

  /** How far service threads have filled the completion queue. The number is what Atomics.wait compares. */
  completionTail(): number {
    // Pairs with the store in pushCompletion().
    return Atomics.load(this.words, COMPLETION_TAIL);
  }

  /** The slot at a place of the completion queue. Only the pool's thread takes from it, and keeps the head for itself. */
  completionAt(head: number): number {
    return this.words[this.#completions + (head & (this.size - 1))] as number;
  }
}

const SUBMISSION_HEAD = 0;
const SUBMISSION_TAIL = 1;
export const COMPLETION_TAIL = 2;
/** Whether threads end: 0, {@link CLOSING} or {@link EXITING}. */
export const CLOSED = 3;
/** The pool is closing: threads end when nothing is left to do, and give back what they hold. */
export const CLOSING = 1;
/** The process is exiting: threads end at once, with I/O under way, or they would keep the process from ending. */
export const EXITING = 2;
/** Not 0: the pool's thread sleeps until the completion tail moves, and wants a notify. */
export const OWNER_SLEEPS = 4;
/** How many messages about buffers the pool has sent to each thread. */
export const MESSAGES = 5;
/** How many threads have started. */
export const STARTED = 6;
/** How many threads have ended with an exception. */
export const DEAD = 7;
const FIXED_WORDS = 16;

const WORDS_OFFSET = KMutex.BYTES + KCondvar.BYTES;

/** An even number, so that the slots behind the words are aligned. */
function wordCount(size: number, threads: number): number {
  return Math.ceil((FIXED_WORDS + threads + size * 2) / 2) * 2;
}

/** The numbers of a slot: what the pool's thread writes, and what the service thread answers. */
export const SLOT_OPERATION = 0;
export const SLOT_OFFSET = 1;
export const SLOT_LENGTH = 2;
export const SLOT_BUFFER = 3;
export const SLOT_BUFFER_OFFSET = 4;
export const SLOT_ERROR = 5;
export const SLOT_TRANSFERRED = 6;
/** Which thread has it: its index plus one, 0 for none. */
export const SLOT_THREAD = 7;
export const SLOT_FIELDS = 8;

/** What another thread needs to attach to the memory. */
export interface ServiceMemoryHandle {
  readonly shared: SharedArrayBuffer;
  readonly size: number;
  readonly threads: number;
}

/** What a service thread is started with. */
export interface ServiceThreadData extends ServiceMemoryHandle {
  readonly index: number;
  /** What the thread is woken by while it blocks in the kernel; -1 where there is no io_uring. */
  readonly eventFd: number;
  readonly device: unknown;
}
