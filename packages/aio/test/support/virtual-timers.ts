import type { BlockTimers } from '@biodone/blockdev';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that goes when the test says so, or somebody sleeps. */
export class VirtualTimers implements BlockTimers {
  nowMs = 1_000_000;
  slept = 0;
  readonly #timers = new Set<Timer>();

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  sleep(delayMs: number): void {
    this.slept += delayMs;
    this.nowMs += delayMs;
  }

  /** Lets time pass, in which timers fire, and what they start completes. */
  async advance(delayMs: number): Promise<void> {
    const until = this.nowMs + delayMs;
    for (let next = this.#first(); next !== null && next.atMs <= until; next = this.#first()) {
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.#timers.delete(next);
      next.callback();
      await settled();
    }
    this.nowMs = until;
    await settled();
  }

  /** The same at once, with nothing else in between. */
  fire(delayMs: number): void {
    const until = this.nowMs + delayMs;
    for (let next = this.#first(); next !== null && next.atMs <= until; next = this.#first()) {
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.#timers.delete(next);
      next.callback();
    }
    this.nowMs = until;
  }

  #first(): Timer | null {
    return [...this.#timers].reduce<Timer | null>((best, one) => (best === null || one.atMs < best.atMs ? one : best), null);
  }
}

/** When all that has completed was told: done requests are told a bounded number a turn. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
