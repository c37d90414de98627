import type { TailQueueEntry } from '@biodone/sync';
import { ECANCELED, EIO, SystemError } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import type { RaidDriver } from './raid-driver.js';
import type { MarkWaiter } from './raid-metadata.js';
import type { RaidSet } from './raid-set.js';
import type { RaidStripe, StripeJob } from './raid-stripe.js';

/** Options of what goes through all rows of a raid: a rebuild, or a scrub. */
export interface RaidWalkOptions {
  /** How much of each component is done in a second at most, so that the raid has time for others. @default Infinity */
  bytesPerSecond?: number;
  /** Is told now and then, in rows. */
  onProgress?: (doneRows: number, totalRows: number) => void;
  /** Ends it early. */
  signal?: AbortSignal;
}

/** After how much of each component the event loop has its turn. */
const PIECE_BYTES = 2 ** 20;

/**
 * Goes through rows, one after the other, each while nobody else has it. What is done with a row is for those who extend it; between two pieces
 * the event loop has its turn, and the rate is kept.
 */
export abstract class RaidWalk implements StripeJob, MarkWaiter {
  row = 0;
  region = 0;
  readonly isPartial = false;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  readonly promise: Promise<void>;
  readonly name: string;
  /** How many rows are done, of those that there are to do. */
  doneRows = 0;
  totalRows: number;
  cancelled = false;
  protected readonly set: RaidSet;
  protected readonly driver: RaidDriver;
  protected stripe: RaidStripe | null = null;
  readonly #timers: BlockTimers;
  readonly #options: RaidWalkOptions;
  readonly #bytesPerSecond: number;
  #settle: (error: Error | null) => void = () => {};
  #ended = false;
  /** Whether a row is on its way: it is waited for. */
  #busy = false;
  #pieceBytes = 0;
  #failure: Error | null = null;
  #cancelTimer: (() => void) | null = null;

  constructor(name: string, driver: RaidDriver, set: RaidSet, timers: BlockTimers, options: RaidWalkOptions) {
    const { bytesPerSecond = Number.POSITIVE_INFINITY, signal } = options;
    this.name = name;
    this.driver = driver;
    this.set = set;
    this.#timers = timers;
    this.#options = options;
    this.#bytesPerSecond = bytesPerSecond;
    this.totalRows = set.geometry.rows;
    this.promise = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === null ? resolve() : reject(error));
    });
    // Whoever waits for it is told; if nobody does, it stands in the state of the raid.
    this.promise.catch(() => {});
    signal?.addEventListener('abort', () => this.cancel(), { once: true });
    if (signal?.aborted) this.cancelled = true;
  }

  /** What is to be done with a row that this has now. It ends with {@link rowDone}. */
  protected abstract work(stripe: RaidStripe): void;
  abstract loaded(error: number): void;
  abstract stored(error: number): void;
  abstract marked(error: number): void;
  /** The first row from this one on that is to be done; `geometry.rows` if there is none. */
  protected abstract next(row: number): number;
  /** All rows are done: calls back when that is as good as it is to be. */
  protected abstract complete(done: (error: Error | null) => void): void;
  /** Something to be done between two rows, before it goes on. */
  protected pause(goOn: () => void): void {
    goOn();
  }

  start(): void {
    this.#later(0);
  }

  begin(stripe: RaidStripe): void {
    this.stripe = stripe;
    if (this.cancelled) this.rowDone();
    else this.work(stripe);
  }

  /** Ends it early, after the row that is on its way. */
  cancel(): void {
    this.cancelled = true;
    if (this.#busy) return;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#end(this.#cancellation());
  }

  /** The row is done. With an error, all is. */
  protected rowDone(failure: Error | null = null): void {
    const { stripe } = this;
    this.stripe = null;
    this.#failure = failure;
    if (stripe !== null) this.driver.stripes.leave(stripe);
    if (failure !== null || this.cancelled) {
      this.#goOn();
      return;
    }
    this.row += 1;
    this.doneRows += 1;
    this.#pieceBytes += this.set.geometry.stripeBytes;
    this.pause(() => this.#goOn());
  }

  #goOn(): void {
    if (this.#failure !== null) {
      this.#end(this.#failure);
      return;
    }
    if (this.cancelled) {
      this.#end(this.#cancellation());
      return;
    }
    const bytes = this.#pieceBytes;
    const isSlow = this.#bytesPerSecond !== Number.POSITIVE_INFINITY;
    if (!isSlow && bytes < PIECE_BYTES) {
      // Not deeper and deeper: what is done at once comes back by the timer, and what is not has a stack of its own.
      this.#later(-1);
      return;
    }
    this.#pieceBytes = 0;
    this.#options.onProgress?.(this.doneRows, this.totalRows);
    this.#later(isSlow ? (bytes / this.#bytesPerSecond) * 1000 : 0);
  }

  #step(): void {
    this.#cancelTimer = null;
    this.row = this.next(this.row);
    this.#busy = true;
    if (this.row < this.set.geometry.rows) {
      this.driver.stripes.enter(this);
      return;
    }
    this.complete((error) => this.#end(error ?? (this.cancelled ? this.#cancellation() : null)));
  }

  /** In a turn of the event loop; at once, by a microtask, if `delayMs` is negative. */
  #later(delayMs: number): void {
    if (delayMs < 0) {
      queueMicrotask(() => this.#step());
      return;
    }
    this.#busy = false;
    this.#cancelTimer = this.#timers.after(
      delayMs,
      () => {
        if (!this.#ended) this.#step();
      },
      true,
    );
  }

  #cancellation(): SystemError {
    return new SystemError(ECANCELED, this.name, undefined, 'it was cancelled');
  }

  #end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#busy = false;
    this.#settle(error);
  }
}

/** The error of a walk. */
export function walkError(name: string, error: number, message: string): SystemError {
  return new SystemError(error || EIO, name, undefined, message);
}
