/// <reference lib="es2024.sharedmemory" />

import { KCondvar, KMutex } from '@biodone/sync';
import { SystemError } from '@biodone/uring';
import { ESTALE } from './errno.js';
import { checkTime } from './errors.js';

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
/** How many completions there have been. The owner's thread alone writes it, and all other words. */
const DELIVERED = 0;
/** How many of these are over: the object is its owner's. */
const RETURNED = 1;
/**
 * The outcomes of the last two completions, those with even numbers in the first place: error, bytes below 2^32, bytes above. So that of the last one
 * stays as it is until the completion after the next, and who finds the count unchanged behind it has read it whole.
 */
const OUTCOMES = 2;
const OUTCOME_WORDS = 3;
const WORDS = OUTCOMES + 2 * OUTCOME_WORDS;
const BYTES = WORDS_OFFSET + WORDS * 4;

/** The owner's side of an operation that other threads wait for. */
export class SharedOp {
  readonly memory: SharedArrayBuffer = new SharedArrayBuffer(BYTES);
  /** Robust: a thread that dies while it owns it must not leave the others waiting for ever. */
  readonly mtx: KMutex = KMutex.initialize(this.memory, 0, { robust: true });
  readonly delivered: KCondvar = KCondvar.initialize(this.memory, DELIVERED_OFFSET);
  readonly available: KCondvar = KCondvar.initialize(this.memory, AVAILABLE_OFFSET);
  readonly #words = new Int32Array(this.memory, WORDS_OFFSET, WORDS);
  /** Whether both conditions are to be broadcast when the lock is free. */
  #isPutOff = false;

  /** @param last whether the completion before is meant, and not the next one */
  handle(last: boolean): AioOpHandle {
    return { memory: this.memory, use: ((this.#words[DELIVERED] as number) + (last ? 0 : 1)) | 0 };
  }

  /** The operation is done. It waits for nobody: another thread may own the lock, or a dead one, or this one. */
  deliver(error: number, transferredBytes: number): void {
    const words = this.#words;
    const count = ((words[DELIVERED] as number) + 1) | 0;
    const at = outcomeAt(count);
    // [aio-handle:outcome] Pairs with the loads in #outcome(): before the count, which says that it is there.
    Atomics.store(words, at, error);
    Atomics.store(words, at + 1, transferredBytes | 0);
    Atomics.store(words, at + 2, Math.floor(transferredBytes / 2 ** 32));
    this.#tell(DELIVERED, count, this.delivered);
  }

  /** The operation is its owner's again. */
  giveBack(): void {
    this.#tell(RETURNED, this.#words[DELIVERED] as number, this.available);
  }

  #tell(word: number, count: number, condition: KCondvar): void {
    // [aio-handle:count] Pairs with the loads in AioOpWaiter. The word changes before the notify, so a sleep that starts late ends at once.
    Atomics.store(this.#words, word, count);
    Atomics.notify(this.#words, word);
    if (this.#isPutOff) return;
    // With the lock: nobody is between a look at the count and the sleep on the condition.
    if (this.#tryEnter()) {
      condition.broadcast();
      this.mtx.exit();
      return;
    }
    this.#isPutOff = true;
    this.mtx.enterCallback((failure) => {
      this.#isPutOff = false;
      this.delivered.broadcast();
      this.available.broadcast();
      if (failure !== null) return;
      this.#repair();
      this.mtx.exit();
    });
  }

  #tryEnter(): boolean {
    try {
      if (!this.mtx.tryEnter()) return false;
    } catch {
      // A thread has given the lock back broken: the callback of enterCallback() is told so.
      return false;
    }
    this.#repair();
    return true;
  }

  /** A thread has died that owned the lock. Nothing of what is here is guarded by it. */
  #repair(): void {
    if (this.mtx.ownerDied()) this.mtx.makeConsistent();
  }
}

/**
 * Another thread's view of an operation, from `AioOp.handle()`: it waits for that one use of the object, and for no later one.
 *
 * A wait here is one on shared memory, which no signal interrupts. The operation is completed by its own thread, which must poll, wait or return
 * to its event loop meanwhile; a thread does not wait here for its own operations.
 */
export class AioOpWaiter {
  readonly #words: Int32Array;
  readonly #use: number;

  /** @throws SyncError EINVAL, EPROTONOSUPPORT for what is no handle */
  constructor(handle: AioOpHandle) {
    // Says whether there is one.
    new KMutex(handle.memory, 0);
    this.#words = new Int32Array(handle.memory, WORDS_OFFSET, WORDS);
    this.#use = handle.use | 0;
  }

  /** Whether that use of the operation is done, also if it is long over. */
  get done(): boolean {
    return this.#isPast(Atomics.load(this.#words, DELIVERED));
  }

  /**
   * Blocks until the operation is done (`delivered`).
   *
   * @param timeoutMs how long at most
   * @returns how it ended, or null after the time
   * @throws SystemError ESTALE if the object has completed again since: what became of this use of it is forgotten (rule 5); RangeError
   * ERR_OUT_OF_RANGE
   */
  wait(timeoutMs: number = Number.POSITIVE_INFINITY): AioOutcome | null {
    return this.#sleep(DELIVERED, timeoutMs) ? this.#outcome() : null;
  }

  /**
   * As {@link wait}, until the operation is its owner's again, after its callback (`available`).
   *
   * @returns false after the time
   */
  waitAvailable(timeoutMs: number = Number.POSITIVE_INFINITY): boolean {
    return this.#sleep(RETURNED, timeoutMs);
  }

  /** As {@link wait} without a limit, by promise: the thread is not blocked, and kept alive. */
  async waitAsync(): Promise<AioOutcome> {
    // Atomics.waitAsync() does not keep a thread alive.
    const hold = setInterval(() => {}, 2 ** 30);
    try {
      for (;;) {
        // [aio-handle:wait-async] Pairs with the store in SharedOp.#tell().
        const count = Atomics.load(this.#words, DELIVERED);
        if (this.#isPast(count)) return this.#outcome();
        const woken = Atomics.waitAsync(this.#words, DELIVERED, count);
        if (woken.async) await woken.value;
      }
    } finally {
      clearInterval(hold);
    }
  }

  #sleep(word: number, timeoutMs: number): boolean {
    checkTime('timeoutMs', timeoutMs);
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      // [aio-handle:wait] Pairs with the store in SharedOp.#tell().
      const count = Atomics.load(this.#words, word);
      if (this.#isPast(count)) return true;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return false;
      Atomics.wait(this.#words, word, count, leftMs);
    }
  }

  /** Counts wrap around. */
  #isPast(count: number): boolean {
    return ((count - this.#use) | 0) >= 0;
  }

  /** Of this use, which is done. */
  #outcome(): AioOutcome {
    const words = this.#words;
    const at = outcomeAt(this.#use);
    // [aio-handle:read-outcome] Pairs with the stores in deliver().
    const error = Atomics.load(words, at);
    const transferredBytes = (Atomics.load(words, at + 1) >>> 0) + Atomics.load(words, at + 2) * 2 ** 32;
    // [aio-handle:read-count] The place is written again only when the count is another one.
    if (Atomics.load(words, DELIVERED) !== this.#use)
      throw new SystemError(ESTALE, 'wait', undefined, 'the operation has been used again since this handle was made');
    return { error, transferredBytes };
  }
}

function outcomeAt(count: number): number {
  return OUTCOMES + (count & 1) * OUTCOME_WORDS;
}
