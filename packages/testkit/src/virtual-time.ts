import type { BlockTimers } from '@biodone/blockdev';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/**
 * A clock that stands until somebody moves it, for devices that take their time from `timers`. Nothing here waits, so a test of an hour takes
 * no time and is the same each time.
 */
export class VirtualTime implements BlockTimers {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Moves the clock, and calls nobody: who sleeps does nothing else. */
  sleep(delayMs: number): void {
    this.#nowMs += delayMs;
  }

  /** How many callbacks are waiting. */
  get pending(): number {
    return this.#timers.size;
  }

  /** When the next of them is called; Infinity if there is none. */
  get nextAtMs(): number {
    return this.#next()?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** Moves the clock, and calls on the way, in the order of their times, whoever asked for it. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    for (let next = this.#next(); next !== undefined && next.atMs <= endMs; next = this.#next()) this.#call(next);
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** Moves the clock to the next time that somebody waits for. False if nobody does. */
  advanceToNext(): boolean {
    const next = this.#next();
    if (next !== undefined) this.#call(next);
    return next !== undefined;
  }

  #next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (first === undefined || timer.atMs < first.atMs) first = timer;
    return first;
  }

  #call(timer: Timer): void {
    this.#timers.delete(timer);
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    timer.callback();
  }
}
