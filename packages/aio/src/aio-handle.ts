import { KCondvar, KMutex } from '@biodone/sync';
import { SystemError } from '@biodone/uring';
import { ESTALE } from './errno.js';

/** An operation on its way to another thread: a plain object for `postMessage`, good for one use of the operation. */
export interface AioOpHandle {
  readonly memory: SharedArrayBuffer;
  /** Which completion of the object is meant: as a 32-bit number. */
  readonly use: number;
}

/** How an operation ended, as another thread sees it. */
export interface AioOutcome {
  /** 0, or the positive errno. */
  readonly error: number;
  readonly transferredBytes: number;
}

const DELIVERED_OFFSET = KMutex.BYTES;
const AVAILABLE_OFFSET = DELIVERED_OFFSET + KCondvar.BYTES;
const WORDS_OFFSET = AVAILABLE_OFFSET + KCondvar.BYTES;
const BYTES = WORDS_OFFSET + 24;
/** How many completions there have been: all words belong to who owns `mtx`. */
const DELIVERED = 0;
/** How many of these are over: the object is its owner's. */
const RETURNED = 1;
const ERROR = 2;
/** The count of bytes, as a float64 in the third pair of words. */
const TRANSFERRED = 2;

/** The primitives of one operation, and what they guard. */
class OpWords {
  readonly memory: SharedArrayBuffer;
  readonly mtx: KMutex;
  readonly delivered: KCondvar;
  readonly available: KCondvar;
  readonly words: Int32Array;
  readonly numbers: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.mtx = new KMutex(memory, 0);
    this.delivered = new KCondvar(memory, DELIVERED_OFFSET);
    this.available = new KCondvar(memory, AVAILABLE_OFFSET);
    this.words = new Int32Array(memory, WORDS_OFFSET, 6);
    this.numbers = new Float64Array(memory, WORDS_OFFSET, 3);
  }
}

/** The owner's side of an operation that other threads wait for. */
export class SharedOp extends OpWords {
  constructor() {
    const memory = new SharedArrayBuffer(BYTES);
    KMutex.initialize(memory, 0);
    KCondvar.initialize(memory, DELIVERED_OFFSET);
    KCondvar.initialize(memory, AVAILABLE_OFFSET);
    super(memory);
  }

  /** @param last whether the completion before is meant, and not the next one */
  handle(last: boolean): AioOpHandle {
    return { memory: this.memory, use: ((this.words[DELIVERED] as number) + (last ? 0 : 1)) | 0 };
  }

  /** The operation is done. */
  deliver(error: number, transferredBytes: number): void {
    const { words } = this;
    this.mtx.enter();
    words[ERROR] = error;
    this.numbers[TRANSFERRED] = transferredBytes;
    words[DELIVERED] = ((words[DELIVERED] as number) + 1) | 0;
    this.delivered.broadcast();
    this.mtx.exit();
  }

  /** The operation is its owner's again. */
  giveBack(): void {
    this.mtx.enter();
    this.words[RETURNED] = this.words[DELIVERED] as number;
    this.available.broadcast();
    this.mtx.exit();
  }
}

/**
 * Another thread's view of an operation, from `AioOp.handle()`: it waits for that one use of the object, and for no later one.
 *
 * A wait here is one on shared memory, which no signal interrupts. The operation is completed by its own thread, which must poll, wait or return
 * to its event loop meanwhile; a thread does not wait here for its own operations.
 */
export class AioOpWaiter {
  readonly #op: OpWords;
  readonly #use: number;

  /** @throws SyncError EINVAL, EPROTONOSUPPORT for what is no handle */
  constructor(handle: AioOpHandle) {
    this.#op = new OpWords(handle.memory);
    this.#use = handle.use | 0;
  }

  /** Whether that use of the operation is done, also if it is long over. */
  get done(): boolean {
    this.#op.mtx.enter();
    const done = this.#isPast(DELIVERED);
    this.#op.mtx.exit();
    return done;
  }

  /**
   * Blocks until the operation is done (`delivered`).
   *
   * @param timeoutMs how long at most
   * @returns how it ended, or null after the time
   * @throws SystemError ESTALE if the object has completed again since: what became of this use of it is forgotten (rule 5)
   */
  wait(timeoutMs: number = Number.POSITIVE_INFINITY): AioOutcome | null {
    return this.#sleep(this.#op.delivered, DELIVERED, timeoutMs) ? this.#take() : this.#leave();
  }

  /**
   * As {@link wait}, until the operation is its owner's again, after its callback (`available`).
   *
   * @returns false after the time
   */
  waitAvailable(timeoutMs: number = Number.POSITIVE_INFINITY): boolean {
    const available = this.#sleep(this.#op.available, RETURNED, timeoutMs);
    this.#op.mtx.exit();
    return available;
  }

  /** As {@link wait} without a limit, by promise: the thread is not blocked. */
  async waitAsync(): Promise<AioOutcome> {
    const { mtx, delivered } = this.#op;
    await mtx.enterAsync();
    while (!this.#isPast(DELIVERED)) await delivered.waitAsync(mtx);
    return this.#take();
  }

  /** Takes the lock and keeps it. Returns whether the use is past in time. */
  #sleep(condition: KCondvar, word: number, timeoutMs: number): boolean {
    const { mtx } = this.#op;
    const deadline = performance.now() + timeoutMs;
    mtx.enter();
    while (!this.#isPast(word)) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return false;
      if (leftMs === Number.POSITIVE_INFINITY) condition.wait(mtx);
      else condition.timedWait(mtx, leftMs);
    }
    return true;
  }

  /** The caller owns the lock; counts wrap around. */
  #isPast(word: number): boolean {
    return (((this.#op.words[word] as number) - this.#use) | 0) >= 0;
  }

  #take(): AioOutcome {
    const { words, numbers, mtx } = this.#op;
    const stale = words[DELIVERED] !== this.#use;
    const outcome = { error: words[ERROR] as number, transferredBytes: numbers[TRANSFERRED] as number };
    mtx.exit();
    if (stale) throw new SystemError(ESTALE, 'wait', undefined, 'the operation has been used again since this handle was made');
    return outcome;
  }

  #leave(): null {
    this.#op.mtx.exit();
    return null;
  }
}
