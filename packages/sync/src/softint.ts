/** Where a {@link SoftInterrupt} takes its turns from. A simulator passes its own, so that it decides what runs next. */
export interface SoftInterruptScheduler {
  /** Runs `handler` after the current JavaScript stack has ended, before the event loop goes on. */
  microtask(handler: () => void): void;
  /** Runs `handler` in a later turn of the event loop, and keeps the process alive until then. */
  immediate(handler: () => void): void;
  /** Surfaces an error that a handler threw, as an exception that nobody caught. */
  uncaught(error: unknown): void;
}

/** Options of {@link SoftInterrupt}. */
export interface SoftInterruptOptions {
  /**
   * How many items may be handled before the event loop gets a turn.
   * @default 1024
   */
  budget?: number;
  /** @default microtasks and `setImmediate` of this thread */
  scheduler?: SoftInterruptScheduler;
}

/**
 * Deferred work of this thread, as BSD's softint(9): scheduled from anywhere, run soon, never inside the caller.
 *
 * The handler runs in a microtask, so it costs no trip through the event loop. It is told how many items it may still handle;
 * once that budget is spent, the next run comes from `setImmediate`, so that timers and sockets are never starved by work that
 * schedules more work (rule 4 of the protocol). Scheduling twice before a run is one run.
 *
 * An error that the handler throws becomes an `uncaughtException`, and the handler is scheduled again for what it left undone.
 *
 * A soft interrupt belongs to the thread that made it; no other thread may call it. A run that is pending keeps the process alive.
 *
 * @example
 * ```js
 * import { SoftInterrupt } from '@biodone/sync';
 *
 * const finished = ['a', 'b'];
 * const drain = new SoftInterrupt((budget) => {
 *   const batch = finished.splice(0, budget);
 *   for (const name of batch) console.log(name);
 *   if (finished.length > 0) drain.schedule();
 *   return batch.length;
 * });
 * drain.schedule(); // prints a and b, after this script has ended
 * ```
 */
export class SoftInterrupt {
  readonly #handler: (budget: number) => number;
  readonly #budget: number;
  readonly #scheduler: SoftInterruptScheduler;
  readonly #runInMicrotask: () => void;
  readonly #runInLoop: () => void;
  #scheduled = false;
  #running = false;
  #spent = 0;

  /**
   * @param handler handles at most `budget` items (at least 1) and returns how many it did. If it leaves some, it calls
   * {@link schedule} itself.
   * @throws RangeError ERR_OUT_OF_RANGE for a budget that is no integer of at least 1
   */
  constructor(handler: (budget: number) => number, options: SoftInterruptOptions = {}) {
    this.#handler = handler;
    this.#budget = options.budget ?? 1024;
    if (!Number.isInteger(this.#budget) || this.#budget < 1) throw badBudget(this.#budget);
    this.#scheduler = options.scheduler ?? threadScheduler;
    this.#runInMicrotask = () => this.#run();
    this.#runInLoop = () => {
      this.#spent = 0;
      this.#run();
    };
  }

  /** Whether a run is pending. */
  get scheduled(): boolean {
    return this.#scheduled;
  }

  /** Asks for a run. Never runs the handler itself, so it may be called where no callback is allowed. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // What a run schedules is armed at its end, when it is known how much of the budget is left.
    if (!this.#running) this.#arm();
  }

  /**
   * Runs the handler in the caller, for somebody who cannot wait for a microtask (rule 6 of the protocol). Errors of the handler go the
   * same way as ever, not to the caller.
   *
   * @param budget how many items to handle at most
   * @returns how many were handled; 0 if the handler threw
   */
  runNow(budget: number): number {
    try {
      return this.#handler(budget);
    } catch (error) {
      // What the handler had not reached yet must not wait for somebody else's schedule().
      this.#spent = this.#budget;
      this.schedule();
      this.#scheduler.uncaught(error);
      return 0;
    }
  }

  #run(): void {
    // An exception in runNow() has used up the budget after this was armed: with nothing left the handler would do nothing.
    if (this.#spent >= this.#budget) {
      this.#scheduler.immediate(this.#runInLoop);
      return;
    }
    this.#scheduled = false;
    this.#running = true;
    // In two steps: an exception sets #spent while the handler runs, and that must not be overwritten with an older value.
    const handled = this.runNow(this.#budget - this.#spent);
    this.#spent += handled;
    this.#running = false;
    if (this.#scheduled) this.#arm();
  }

  #arm(): void {
    if (this.#spent < this.#budget) this.#scheduler.microtask(this.#runInMicrotask);
    else this.#scheduler.immediate(this.#runInLoop);
  }
}

const resolved = Promise.resolve();

const threadScheduler: SoftInterruptScheduler = {
  // A reaction of a resolved promise costs a third of queueMicrotask(), which makes an AsyncResource for each call. It would turn
  // errors into unhandled rejections, but #run lets none through.
  microtask: (handler) => {
    resolved.then(handler);
  },
  immediate: (handler) => {
    setImmediate(handler);
  },
  uncaught: (error) => {
    queueMicrotask(() => {
      throw error;
    });
  },
};

function badBudget(budget: unknown): RangeError {
  const message = `The value of "budget" is out of range. It must be an integer >= 1. Received ${String(budget)}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}
