import type { BlockTimers } from '@biodone/blockdev';

/** How long a service thread that has died is not replaced, in milliseconds; doubled with each that dies without having served anything. */
const DELAY_MIN_MS = 10;
const DELAY_MAX_MS = 1000;
/** After so many in a row there is no hope for what waits. */
const FAILURES_MAX = 3;

/** When a service thread that has died is replaced: at once after one that has done its work, later and later where all die at their start. */
export class RestartPolicy {
  readonly #timers: BlockTimers;
  readonly #retry: () => void;
  #cancel: (() => void) | null = null;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  /** How many have died in a row without having served anything. */
  failures = 0;
  /** What the last one died of. */
  lastError: string | null = null;

  /** @param retry is called when the delay is over */
  constructor(timers: BlockTimers, retry: () => void) {
    this.#timers = timers;
    this.#retry = retry;
  }

  /** Whether no thread is to be started now. */
  get delayed(): boolean {
    return this.#timers.now() < this.#retryAtMs;
  }

  /** Whether a thread that is started can be expected to die. */
  get hopeless(): boolean {
    return this.failures >= FAILURES_MAX;
  }

  /** A thread has died, or could not be started. */
  failed(error: Error): void {
    this.lastError = error.message;
    this.failures += 1;
    process.emitWarning(`a service thread died: ${error.message}`, { code: 'BIODONE_SERVICE_THREAD' });
    // The first one may have been an accident.
    const delayMs = this.failures === 1 ? 0 : Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** (this.failures - 2));
    this.#retryAtMs = this.#timers.now() + delayMs;
    this.cancel();
    // Somebody waits for it: what was queued is held open by the pool.
    this.#cancel = this.#timers.after(delayMs, this.#retry, false);
  }

  /** A thread has served something since. */
  forgive(): void {
    this.failures = 0;
    this.#retryAtMs = Number.NEGATIVE_INFINITY;
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}
