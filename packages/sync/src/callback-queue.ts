/// <reference lib="es2024.sharedmemory" />

import {
  type Acquisition,
  BUSY_HERE,
  CallbackWaiter,
  checkTimeout,
  TAKEN,
  type WaitCallback,
  type WaiterHome,
  type WaitOptions,
} from './callback-waiter.js';
import type { SyncError } from './errors.js';
import type { Parking } from './parking.js';
import { SoftInterrupt } from './softint.js';
import { TailQueue } from './tailq.js';
import { holdThread, releaseThread, startTimer, stopTimer, type Timer } from './thread.js';
import { threadState } from './thread-state.js';

/**
 * The callbacks of this thread that wait at one {@link Parking}, in the order of their arrival.
 *
 * One `Atomics.waitAsync` stands for all of them. Nothing is ever taken for a callback that does not run at once: the attempt is made right
 * before the call. So a thread that is busy never sits on what others could have.
 */
export class CallbackQueue implements WaiterHome {
  /** A number that the primitive keeps with the queue while callbacks wait. */
  note = 0;
  readonly #words: Int32Array;
  readonly #parking: Parking;
  readonly #key: number;
  readonly #waiting = new TailQueue<CallbackWaiter>();
  readonly #givenUp = new TailQueue<CallbackWaiter>();
  readonly #softint: SoftInterrupt;
  readonly #onWake: () => void;
  #holding = false;
  #announced = false;
  #registered = false;
  #local = false;
  #poll: Timer | null = null;

  constructor(words: Int32Array, parking: Parking, key: number) {
    this.#words = words;
    this.#parking = parking;
    this.#key = key;
    this.#softint = new SoftInterrupt((budget) => this.serve(budget));
    this.#onWake = () => {
      this.#registered = false;
      this.#softint.schedule();
    };
  }

  /**
   * The queue of this thread for a parking place; `key` is the same for all views of that place. To be followed by {@link start}, with the same
   * options: a queue in which nothing is ever started would never be forgotten.
   *
   * @throws {@link SyncError} `EINVAL` if the options have no time to wait
   */
  static of(words: Int32Array, parking: Parking, key: number, options: WaitOptions, syscall: string): CallbackQueue {
    checkTimeout(timeoutOf(options), syscall);
    const found = threadState.queues.get(key);
    if (found !== undefined) return found as CallbackQueue;
    const queue = new CallbackQueue(words, parking, key);
    threadState.queues.set(key, queue);
    return queue;
  }

  /** Whether no callback waits. */
  get isEmpty(): boolean {
    return this.#waiting.isEmpty;
  }

  /** Starts a wait, behind those that wait already. The first attempt is made after the caller's stack has ended. */
  start(acquisition: Acquisition, callback: WaitCallback, options: WaitOptions, syscall: string, note: number): CallbackWaiter {
    const waiter = new CallbackWaiter(this, acquisition, callback, syscall, note);
    this.#waiting.insertTail(waiter);
    waiter.startTimer(timeoutOf(options));
    if (!this.#holding) {
      this.#holding = true;
      holdThread();
    }
    this.#softint.schedule();
    return waiter;
  }

  giveUp(waiter: CallbackWaiter, error: SyncError): boolean {
    if (waiter.queue !== this.#waiting) return false;
    this.#waiting.remove(waiter);
    waiter.error = error;
    this.#givenUp.insertTail(waiter);
    this.#softint.schedule();
    return true;
  }

  /** Asks for an attempt soon. */
  schedule(): void {
    this.#softint.schedule();
  }

  /** The time between two attempts without a wake-up has passed. */
  expire(): void {
    this.#poll = null;
    this.#softint.schedule();
  }

  /** From now on, until no callback waits, wake-ups of the parking place count for this queue too. */
  announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    this.#parking.enter();
  }

  /**
   * Calls the callbacks whose turn it is, in order, until one has to wait; then sees to it that a wake-up comes back here.
   *
   * @param budget how many to call at most
   * @returns how many were called
   */
  serve(budget: number): number {
    let served = 0;
    this.#setLocal(false);
    while (served < budget) {
      const waiter = this.#givenUp.first ?? this.#waiting.first;
      if (waiter === null) {
        this.#retire();
        return served;
      }
      if (waiter.error !== null) waiter.acquisition.retreat(waiter);
      else {
        // Announced, and the sequence read, before the attempt: a wake-up after the attempt is then not lost.
        this.announce();
        const sequence = this.#parking.sequence();
        const answer = this.#attempt(waiter);
        if (answer === BUSY_HERE) {
          this.#setLocal(true);
          return served;
        }
        if (answer !== TAKEN) {
          if (this.#register(sequence, waiter.acquisition.pollMs)) return served;
          continue;
        }
      }
      (waiter.queue as TailQueue<CallbackWaiter>).remove(waiter);
      served++;
      waiter.finish();
    }
    this.#softint.schedule();
    return served;
  }

  #attempt(waiter: CallbackWaiter): number {
    try {
      return waiter.acquisition.attempt(waiter);
    } catch (error) {
      waiter.error = error as SyncError;
      return TAKEN;
    }
  }

  /** Waits for a wake-up after `sequence` was read. Returns false if there has been one. */
  #register(sequence: number, pollMs: number): boolean {
    if (this.#poll === null && pollMs !== Number.POSITIVE_INFINITY) this.#poll = startTimer(this, pollMs);
    // A registration from before is as good: if a wake-up came since, #onWake is on its way.
    if (this.#registered) return true;
    // [callback-queue:register] Pairs with the notify in Parking.wake().
    const result = Atomics.waitAsync(this.#words, this.#parking.sequenceIndex, sequence);
    if (!result.async) return false;
    this.#registered = true;
    result.value.then(this.#onWake);
    return true;
  }

  /** Nobody waits any more. */
  #retire(): void {
    if (this.#poll !== null) stopTimer(this.#poll);
    this.#poll = null;
    if (this.#announced) {
      this.#announced = false;
      this.#parking.leave();
    }
    if (this.#holding) {
      this.#holding = false;
      releaseThread();
    }
    // [callback-queue:retire] Pairs with the waitAsync in #register(), which would otherwise be remembered for ever. For other threads it is
    // a spurious wake-up.
    if (this.#registered) Atomics.notify(this.#words, this.#parking.sequenceIndex);
    // A turn that was left over may come when another queue has taken the place of this one.
    else if (threadState.queues.get(this.#key) === this) threadState.queues.delete(this.#key);
  }

  #setLocal(local: boolean): void {
    if (this.#local === local) return;
    this.#local = local;
    threadState.localWaits += local ? 1 : -1;
  }
}

function timeoutOf(options: WaitOptions): number {
  return options.timeoutMs ?? Number.POSITIVE_INFINITY;
}
