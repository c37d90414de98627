/**
 * A token bucket, kept as the moment from which on it has something: no tokens to be filled in, and nothing lost by a clock that is looked at
 * seldom. Who takes more than there is goes into debt: the bucket is ready later.
 */
export class TokenBucket {
  /** In milliseconds of the clock: ready at that time, and full if that was `burstMs` ago. */
  #readyAtMs = Number.NEGATIVE_INFINITY;
  /** Infinity for no limit. */
  #perSecond: number;

  constructor(perSecond: number = Number.POSITIVE_INFINITY) {
    this.#perSecond = perSecond;
  }

  get perSecond(): number {
    return this.#perSecond;
  }

  /** From when on something may be taken; in the past if it may be now. */
  get readyAtMs(): number {
    return this.#readyAtMs;
  }

  /**
   * Takes something, whether it is there or not.
   *
   * @param burstMs for how long it saves up what nobody takes
   */
  take(amount: number, nowMs: number, burstMs: number): void {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return;
    this.#readyAtMs = Math.max(this.#readyAtMs, nowMs - burstMs) + (amount * 1000) / this.#perSecond;
  }

  /** Changes the rate: a debt stays the same amount, and is paid at the new rate. */
  setRate(perSecond: number, nowMs: number): void {
    const debtMs = this.#readyAtMs - nowMs;
    if (perSecond === Number.POSITIVE_INFINITY) this.#readyAtMs = Number.NEGATIVE_INFINITY;
    else if (debtMs > 0) this.#readyAtMs = nowMs + (debtMs * this.#perSecond) / perSecond;
    this.#perSecond = perSecond;
  }
}
