import { SyncError } from './errors.js';
import type { TailQueueEntry } from './tailq.js';
import { Context, startTimer, stopTimer, TIMER_MAX_MS, type Timer } from './thread.js';

/**
 * Called once when a wait by callback has ended: with null if it was successful, else with an error (`ETIMEDOUT`, `ECANCELED`, or what
 * the primitive documents). It runs in the thread and the asynchronous context that started the wait, never before the function that it
 * was given to has returned. An error that it throws becomes an `uncaughtException`.
 */
export type WaitCallback = (error: SyncError | null) => void;

/** Options of a wait by callback. */
export interface WaitOptions {
  /**
   * How long to wait at most, in milliseconds. The callback then gets `ETIMEDOUT`.
   * @default Infinity
   */
  timeoutMs?: number;
}

/** A wait by callback that has been started. */
export interface PendingWait {
  /**
   * Gives up. The callback is still called, with `ECANCELED`.
   *
   * @returns false if it is too late: the callback has been called, or will be with the result that the wait has already
   */
  cancel(): boolean;
}

/** An answer of {@link Acquisition.attempt}: it is yours. */
export const TAKEN: number = 0;
/** It is somebody else's, who will wake the parking place. */
export const BUSY: number = 1;
/** Only this very thread can make it free, and will then schedule the queue. */
export const BUSY_HERE: number = 2;

/** Something that can be waited for. */
export interface Acquisition {
  /**
   * Takes it if that is possible now: {@link TAKEN}, {@link BUSY} or {@link BUSY_HERE}.
   *
   * @param waiter the callback on whose behalf, null for a thread that blocks
   * @throws {@link SyncError} if it can never be taken
   */
  attempt(waiter: CallbackWaiter | null): number;
  /** That callback has given up. */
  retreat(waiter: CallbackWaiter): void;
  /** How long to wait for a wake-up before the next attempt, in milliseconds. */
  readonly pollMs: number;
}

/** Where a waiter can be taken out before its time. */
export interface WaiterHome {
  giveUp(waiter: CallbackWaiter, error: SyncError): boolean;
}

/** One wait by callback, from its start to its callback. */
export class CallbackWaiter implements TailQueueEntry, PendingWait {
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  readonly acquisition: Acquisition;
  /** Why the wait has failed. */
  error: SyncError | null = null;
  /** A number that the acquisition keeps with the waiter. */
  note: number;
  readonly #home: WaiterHome;
  readonly #callback: WaitCallback;
  readonly #context = new Context();
  readonly #syscall: string;
  #timer: Timer | null = null;
  /** How long to wait after that timer. */
  #remainingMs = 0;

  constructor(home: WaiterHome, acquisition: Acquisition, callback: WaitCallback, syscall: string, note: number) {
    this.acquisition = acquisition;
    this.note = note;
    this.#home = home;
    this.#callback = callback;
    this.#syscall = syscall;
  }

  startTimer(timeoutMs: number): void {
    if (timeoutMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(timeoutMs, TIMER_MAX_MS);
    this.#remainingMs = timeoutMs - delayMs;
    this.#timer = startTimer(this, delayMs);
  }

  cancel(): boolean {
    return this.#home.giveUp(this, new SyncError('ECANCELED', this.#syscall));
  }

  /** The timer has run out. */
  expire(): void {
    if (this.#remainingMs > 0) this.startTimer(this.#remainingMs);
    else this.#home.giveUp(this, new SyncError('ETIMEDOUT', this.#syscall));
  }

  /** Calls the callback. */
  finish(): void {
    if (this.#timer !== null) stopTimer(this.#timer);
    this.#context.run(this.#callback, this.error);
  }
}

/** @throws {@link SyncError} `EINVAL` if that is no time to wait */
export function checkTimeout(timeoutMs: number, syscall: string): void {
  if (!(timeoutMs >= 0)) throw new SyncError('EINVAL', syscall, `timeout ${timeoutMs}`);
}
