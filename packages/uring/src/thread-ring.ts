import { isMainThread } from 'node:worker_threads';
import { SoftInterrupt, type SoftInterruptOptions, TailQueue } from '@biodone/sync';
import { EventLoopDoor } from './event-loop.js';
import { Ring, type RingOptions } from './ring.js';
import type { RingRequest } from './ring-request.js';

/** Options of {@link ThreadRing}. */
export interface ThreadRingOptions extends RingOptions, SoftInterruptOptions {
  /**
   * Whether completions come from the thread's event loop. Without, somebody calls {@link ThreadRing.wait} or {@link ThreadRing.poll}, as
   * a service thread does; requests in flight then do not keep the thread alive.
   * @default true
   */
  eventLoop?: boolean;
}

/**
 * A thread's ring with the rules of biodone: requests are submitted together, completions are delivered by the event loop.
 *
 * All requests that are started in one go, by one callback or one script, reach the kernel in one system call, in a microtask right
 * after it. What the kernel completes at once (cached reads mostly do) is delivered there too, without a trip through the event loop;
 * the rest is delivered when the event loop sees it. A completion never runs inside {@link start}. A thread that does not return to its
 * event loop sees completions through {@link poll} and {@link wait}.
 *
 * While requests are in flight the process stays alive, and no longer.
 *
 * @example
 * ```js
 * import { prepareNop, probe, RingRequest, ThreadRing } from '@biodone/uring';
 *
 * class Nop extends RingRequest {
 *   complete(result) {
 *     console.log('done', result);
 *   }
 * }
 *
 * if (probe().available) {
 *   const ring = new ThreadRing();
 *   const request = new Nop();
 *   prepareNop(request);
 *   ring.start(request);
 *   console.log('started', ring.inFlight); // started 1
 *   ring.wait(1000); // done 0: without returning to the event loop
 *   ring.close();
 * }
 * ```
 */
export class ThreadRing {
  readonly ring: Ring;
  readonly #interrupt: SoftInterrupt;
  readonly #door: EventLoopDoor | null;
  /** Requests beyond what the kernel takes at a time, in the order of their start. */
  readonly #waiting = new TailQueue<RingRequest>();
  #notifying = false;
  #running = false;
  #closed = false;

  /** @throws SystemError what opening the ring gives */
  constructor(options: ThreadRingOptions = {}) {
    this.ring = new Ring(options);
    this.#interrupt = new SoftInterrupt((budget) => this.#run(budget), options);
    this.#door = options.eventLoop === false ? null : this.#openDoor();
  }

  /** How many requests have been started and have not completed. */
  get inFlight(): number {
    return this.ring.inFlight + this.#waiting.length;
  }

  /**
   * Starts a request. It never fails, never blocks and never calls back before it returns: failures are the request's result.
   *
   * @throws SystemError EBADF if the ring is closed
   */
  start(request: RingRequest): void {
    if (!this.#waiting.isEmpty || !this.ring.prepare(request)) this.#waiting.insertTail(request);
    // A completion that starts a request is inside #run, which looks for more before it returns.
    if (!this.#running) this.#interrupt.schedule();
  }

  /**
   * Starts a request and hands it to the kernel, which holds the open file when this returns true: closing the descriptor then no longer
   * matters to the request. (A kernel that stays out of memory through a thousand attempts takes it later.)
   *
   * @returns false if the kernel has no room for it; then nothing was started
   */
  startNow(request: RingRequest): boolean {
    if (!this.#waiting.isEmpty || !this.ring.prepare(request)) return false;
    // Short of memory, the kernel takes what it can: what it does not take yet must not be left behind with a descriptor that may be closed.
    for (let attempt = 0; attempt < 1000 && this.ring.queued > 0; attempt++) this.ring.submit();
    if (!this.#running) this.#interrupt.schedule();
    return true;
  }

  /**
   * Hands what has been started to the kernel now, instead of in the microtask. It delivers nothing.
   *
   * After it returns, the requests hold their open files themselves, and closing a descriptor no longer matters to them, unless the
   * kernel was short of memory or the ring full: `ring.queued` then is not 0.
   */
  flush(): void {
    this.ring.submit();
  }

  /**
   * Submits, and delivers the completions that are there, without blocking; at most as many as there are requests in flight now.
   *
   * @returns how many it delivered
   */
  poll(): number {
    return this.#deliver();
  }

  /**
   * Submits, blocks until at least one completion is there, and delivers what is there. It returns at once if nothing is in flight.
   *
   * The wait is a system call, so a signal ends it, unlike Atomics.wait.
   *
   * @param timeoutMs how long to block at most; `Infinity` for no limit
   * @returns how many completions were delivered, or why none were: a signal, or the time
   */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    const early = this.#deliver();
    if (early > 0 || this.inFlight === 0) return early;
    const reason = this.ring.wait(1, timeoutMs);
    const count = this.#deliver();
    return count === 0 && reason !== null ? reason : count;
  }

  /**
   * Gives everything back. Nothing may be started after it.
   *
   * @throws SystemError EBUSY while requests are in flight
   */
  close(): void {
    this.ring.close();
    this.#closed = true;
    this.#door?.close();
  }

  /**
   * Delivers what is there. It counts at the ring, because a completion that throws ends the run early: whoever waits for one that was
   * delivered before it must not wait for the next.
   */
  #deliver(): number {
    const before = this.ring.delivered;
    this.#interrupt.runNow(this.ring.inFlight);
    return (this.ring.delivered - before) | 0;
  }

  #openDoor(): EventLoopDoor {
    try {
      const door = new EventLoopDoor(() => this.#interrupt.schedule());
      this.ring.registerEventFd(door.eventFd);
      return door;
    } catch (error) {
      this.ring.close();
      throw error;
    }
  }

  #run(budget: number): number {
    // A run that was scheduled before close() finds nothing to run on.
    if (this.#closed) return 0;
    const ring = this.ring;
    let handled = 0;
    // Awake already: a signal would only make the event loop turn for nothing.
    if (this.#notifying) this.#notify(false);
    this.#running = true;
    try {
      do {
        // Where the kernel takes nothing, it is short of something: let the event loop turn before asking again.
        if (ring.queued > 0 && ring.submit() === 0 && !ring.ready) handled = budget;
        handled += ring.reap(budget - handled);
        this.#admit();
      } while (ring.queued > 0 && handled < budget);
    } finally {
      this.#running = false;
    }
    this.#settle();
    return handled;
  }

  /** Moves waiting requests into the room that completions have left. */
  #admit(): void {
    let next = this.#waiting.first;
    while (next !== null && this.ring.prepare(next)) {
      this.#waiting.remove(next);
      next = this.#waiting.first;
    }
  }

  /** Sees to it that what is still to come will be noticed, by a soft interrupt or by the event loop. */
  #settle(): void {
    const ring = this.ring;
    if (ring.queued > 0 || ring.ready) {
      this.#interrupt.schedule();
    } else if (this.#door !== null) {
      const outstanding = ring.inFlight > 0;
      if (outstanding) {
        this.#notify(true);
        // A completion between the look above and the switch gave no signal.
        if (ring.ready) this.#interrupt.schedule();
      }
      this.#door.hold(outstanding);
    }
  }

  #notify(on: boolean): void {
    this.#notifying = on;
    this.ring.setNotification(on);
  }
}

let ringOfThread: ThreadRing | undefined;

/**
 * The ring that all devices of the calling thread share, opened at the first call.
 *
 * It belongs to the thread, is closed when a worker ends, and costs nothing while nothing is in flight.
 *
 * @param options what the first call opens it with; later calls find it open
 * @throws SystemError where io_uring is not to be had; `probe()` says why
 */
export function threadRing(options: ThreadRingOptions = {}): ThreadRing {
  if (ringOfThread === undefined) {
    ringOfThread = new ThreadRing(options);
    if (!isMainThread) process.once('exit', closeIdleRing);
  }
  return ringOfThread;
}

/**
 * A worker that ends gives its ring back; the process would keep the descriptor and the memory otherwise. With requests in flight it cannot:
 * the kernel may still write into their memory.
 */
function closeIdleRing(): void {
  if (ringOfThread !== undefined && ringOfThread.inFlight === 0) ringOfThread.close();
}
