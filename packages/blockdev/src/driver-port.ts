import { TailQueue } from '@biodone/sync';
import { EAGAIN, ECANCELED } from '@biodone/uring';
import type { BatchClock, BlockTimers } from './batch-clock.js';
import { biodone } from './biodone.js';
import { type AbortVerdict, BLOCK_FLUSH, type BlockIo, type BlockIoOwner, IO_DONE, IO_STARTED } from './block-io.js';
import type { BlockDriver } from './driver.js';
import type { BlockCapabilities } from './limits.js';
import type { SharedState } from './shared-state.js';

/**
 * The lower end of the generic layer: what reaches the driver passes here. It holds back what the driver has no room for, and tries again,
 * in the order in which they came, what the driver ends with EAGAIN.
 *
 * A request waits here only behind requests that are with the driver, or for the retry timer, never for a request above it: so whatever
 * waits is woken by a completion, and, should none come, by the timer (rule 9).
 */
export class DriverPort implements BlockIoOwner {
  readonly capabilities: Required<BlockCapabilities>;
  /** How many requests the driver ended with EAGAIN, and got again. */
  retries = 0;
  /** How many had to wait for room. */
  queued = 0;
  readonly #driver: BlockDriver;
  readonly #limit: number;
  readonly #retryDelayMs: number;
  readonly #state: SharedState;
  readonly #timers: BlockTimers;
  readonly #clock: BatchClock;
  readonly #waiting = new TailQueue<BlockIo>();
  #inFlight = 0;
  #sequence = 0;
  #starting = false;
  /** When to try again at the latest, in milliseconds of the clock; 0 if the driver takes requests. */
  #retryAtMs = 0;
  #cancelTimer: (() => void) | null = null;

  constructor(
    driver: BlockDriver,
    capabilities: Required<BlockCapabilities>,
    limit: number,
    retryDelayMs: number,
    state: SharedState,
    timers: BlockTimers,
    clock: BatchClock,
  ) {
    this.#driver = driver;
    this.capabilities = capabilities;
    this.#limit = limit;
    this.#retryDelayMs = retryDelayMs;
    this.#state = state;
    this.#timers = timers;
    this.#clock = clock;
  }

  /** How many requests are with the driver. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** How many wait here. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Starts a part of a request: `io` belongs to this port until it completes. */
  strategy(io: BlockIo): void {
    this.#own(io);
    this.start(io);
  }

  /** Runs a part of a request in the calling thread. */
  strategySync(io: BlockIo): void {
    this.#own(io);
    this.startSync(io);
    io.state = IO_DONE;
  }

  /** Passes a request on to the driver, or keeps it until there is room. */
  start(io: BlockIo): void {
    this.#sequence += 1;
    io.sequence = this.#sequence;
    if (this.#inFlight < this.#limit && this.#waiting.isEmpty) {
      this.#inFlight += 1;
      this.#driver.start(io);
    } else {
      this.queued += 1;
      this.#waiting.insertTail(io);
    }
  }

  /** In the calling thread: no queue and no limit (rule 3). */
  startSync(io: BlockIo): void {
    this.#driver.startSync(io);
    if (io.operation === BLOCK_FLUSH && io.error !== 0) this.#state.setPoison(io.error);
  }

  /** For `biodone` alone. */
  completed(io: BlockIo, error: number): boolean {
    this.#inFlight -= 1;
    if (error === EAGAIN && this.capabilities.retry) {
      this.#holdBack(io);
      return false;
    }
    if (error !== 0 && io.operation === BLOCK_FLUSH) this.#state.setPoison(error);
    if (!this.#waiting.isEmpty) this.startWaiting();
    return true;
  }

  /** For `biodone` alone. */
  finished(_io: BlockIo): void {
    // A part of a request is counted by the whole.
  }

  /** Takes a request back that waits here: it completes with ECANCELED, or is left to the caller. */
  remove(io: BlockIo): boolean {
    if (io.queue !== this.#waiting) return false;
    this.#waiting.remove(io);
    return true;
  }

  /** Tries to end a request. If it waits here, it completes now. */
  abort(io: BlockIo): AbortVerdict {
    if (this.remove(io)) {
      // Counted as if it had been with the driver, which biodone() takes for granted.
      this.#inFlight += 1;
      biodone(io, ECANCELED);
      return 'cancelled';
    }
    return this.#driver.abort?.(io) ?? 'in-progress';
  }

  /** Starts what waits, as far as there is room: at each completion, when the timer fires, and when somebody polls after its time. */
  startWaiting(): void {
    // A driver may complete inside start(), and come here again.
    if (this.#starting) return;
    this.#starting = true;
    this.#endPause();
    try {
      while (this.#inFlight < this.#limit && this.#retryAtMs === 0) {
        const io = this.#waiting.removeFirst();
        if (io === null) break;
        this.#inFlight += 1;
        this.#driver.start(io);
      }
    } finally {
      this.#starting = false;
    }
  }

  /** For a thread that polls instead of returning to its event loop, where the timer would fire. */
  poll(): number {
    if (this.#retryAtMs !== 0 && this.#timers.now() >= this.#retryAtMs) this.startWaiting();
    return this.#driver.poll();
  }

  /** Blocks until a request completes, or until it is time to try again what the driver has refused. */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    this.#clock.forget();
    if (this.#retryAtMs === 0) return this.#driver.wait(timeoutMs);
    const left = Math.max(0, Math.min(timeoutMs, this.#retryAtMs - this.#timers.now()));
    const ended = this.#inFlight > 0 ? this.#driver.wait(left) : this.#sleep(left);
    if (ended === 'EINTR' || left === timeoutMs) return ended;
    this.startWaiting();
    return ended === 'ETIME' ? 0 : ended;
  }

  #sleep(delayMs: number): 'ETIME' {
    this.#timers.sleep(delayMs);
    return 'ETIME';
  }

  #own(io: BlockIo): void {
    io.state = IO_STARTED;
    io.device = this;
    io.error = 0;
    io.transferredBytes = 0;
  }

  /** The driver has no room: it gets the request again, before all that came after it. */
  #holdBack(io: BlockIo): void {
    this.retries += 1;
    io.error = 0;
    io.transferredBytes = 0;
    let later = this.#waiting.first;
    while (later !== null && later.sequence < io.sequence) later = this.#waiting.next(later);
    if (later === null) this.#waiting.insertTail(io);
    else this.#waiting.insertBefore(later, io);
    if (this.#retryAtMs !== 0) return;
    this.#retryAtMs = this.#timers.now() + this.#retryDelayMs;
    this.#cancelTimer = this.#timers.after(this.#retryDelayMs, () => this.startWaiting(), true);
  }

  #endPause(): void {
    this.#retryAtMs = 0;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }
}
