import type { BatchClock, BlockTimers } from './batch-clock.js';
import type { BlockIo } from './block-io.js';
import type { LiveRequests } from './live-requests.js';

/** Reports requests that take too long. It looks at all of them now and then, so that no request needs a timer of its own. */
export class RequestTimeouts {
  /** Whether there is a time after which something is reported. */
  readonly enabled: boolean;
  readonly #live: LiveRequests;
  readonly #timers: BlockTimers;
  readonly #clock: BatchClock;
  readonly #timeoutMs: number;
  readonly #report: (io: BlockIo, ageMs: number) => void;
  readonly #reported = new Set<BlockIo>();
  #cancelTimer: (() => void) | null = null;
  #lookAtMs = 0;

  constructor(
    live: LiveRequests,
    timers: BlockTimers,
    clock: BatchClock,
    timeoutMs: number = Number.POSITIVE_INFINITY,
    report: (io: BlockIo, ageMs: number) => void,
  ) {
    this.#clock = clock;
    this.enabled = timeoutMs !== Number.POSITIVE_INFINITY;
    this.#live = live;
    this.#timers = timers;
    this.#timeoutMs = timeoutMs;
    this.#report = report;
  }

  /** A request has been started. */
  watch(): void {
    if (this.#cancelTimer !== null) return;
    // Half of the time, so that a report is late by that at most.
    const delayMs = this.#timeoutMs / 2;
    this.#lookAtMs = this.#timers.now() + delayMs;
    this.#cancelTimer = this.#timers.after(delayMs, () => this.#fire(), false);
  }

  /** For a thread whose event loop does not run: looks if it is time. */
  look(): void {
    if (this.#cancelTimer === null || this.#timers.now() < this.#lookAtMs) return;
    this.#cancelTimer();
    this.#fire();
  }

  /** A request is done. */
  forget(io: BlockIo): void {
    if (this.#reported.size > 0) this.#reported.delete(io);
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #fire(): void {
    this.#cancelTimer = null;
    this.#clock.forget();
    const nowUs = this.#clock.tick();
    // Before the reports, of which one may throw.
    if (this.#live.count > 0) this.watch();
    for (const io of this.#live.all()) {
      const ageMs = ((nowUs - io.startedAtUs) | 0) / 1000;
      if (ageMs < this.#timeoutMs || this.#reported.has(io)) continue;
      this.#reported.add(io);
      reportAloud(this.#report, io, ageMs);
    }
  }
}

/** Reports a request; what the report throws surfaces, and keeps the others from nothing. */
function reportAloud(report: (io: BlockIo, ageMs: number) => void, io: BlockIo, ageMs: number): void {
  try {
    report(io, ageMs);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
