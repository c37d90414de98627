import { SoftInterrupt, type SoftInterruptOptions, TailQueue } from '@biodone/sync';
import { isBare, isKept, keepDescriptors, refuseLateMessage } from './bare-descriptor.js';
import type { BufferTable } from './buffer-table.js';
import { EAGAIN, EBADF, EBUSY, ECANCELED } from './errno.js';
import { SystemError } from './errors.js';
import { EventLoopDoor } from './event-loop.js';
import type { FileTable } from './file-table.js';
import { LATE_FLAGS, looksUpLate } from './late-lookup.js';
import { IORING_OP_MSG_RING } from './opcodes/abi.js';
import { prepareCancel } from './opcodes/cancel.js';
import type { RequestChain } from './request-chain.js';
import { Ring } from './ring.js';
import { checkRange, checkTimeout, type RingOptions } from './ring-options.js';
import { RingRequest } from './ring-request.js';
import { runRequest } from './run-request.js';

/**
 * Where the kernel completes nothing at once, a device does the work, and many devices complete together what they were given together.
 * Such a device would be idle while all of those completions are delivered, so what the first of them start is submitted before the others.
 */
const PIECE = 8;

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
 * Many users may share a ring, so completions run in nobody's AsyncLocalStorage in particular; the promises of {@link run} continue in their
 * own. A ring that nobody closes is never collected.
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
 *   ring.closeSync();
 * }
 * ```
 */
export class ThreadRing {
  /** The mechanism: sizes, features, statistics, and system calls that have no method here. */
  readonly ring: Ring;
  readonly #interrupt: SoftInterrupt;
  readonly #door: EventLoopDoor | null;
  /** Requests beyond what the kernel takes at a time, in the order of their start. */
  readonly #waiting = new TailQueue<RingRequest>();
  #notifying = false;
  #running = false;
  /** How many completions are delivered before what they have started is submitted. */
  #piece = Number.POSITIVE_INFINITY;
  #waitingCount = 0;
  readonly #cancels = new TailQueue<CancelRequest>();
  readonly #onClose: (() => void)[] = [];
  #closing = false;
  #closeTimer: NodeJS.Timeout | null = null;
  #closed = false;

  /** @throws SystemError what opening the ring gives */
  constructor(options: ThreadRingOptions = {}) {
    this.#interrupt = new SoftInterrupt((budget) => this.#run(budget), options);
    this.ring = new Ring(options);
    this.#door = options.eventLoop === false ? null : this.#openDoor();
    if (this.#door !== null) this.#notify(true);
  }

  /** How many requests have been started and have not completed. */
  get inFlight(): number {
    return this.ring.inFlight + this.#waitingCount;
  }

  /**
   * Whether {@link close} or {@link closeSync} has been called: requests that are started now complete with ECANCELED, or are refused if it is
   * over.
   */
  get closing(): boolean {
    return this.#closing || this.ring.closed;
  }

  /** The table of registered files. */
  get files(): FileTable {
    return this.ring.files;
  }

  /** The table of registered buffers. */
  get buffers(): BufferTable {
    return this.ring.buffers;
  }

  /**
   * Starts a request. It never blocks and never calls back before it returns: failures are the request's result.
   *
   * A request on a {@link RingFile}, or on no file, goes to the kernel with the others of this turn, and waits if the ring is full. One on a
   * bare descriptor goes to the kernel before this returns, so that closing the descriptor no longer matters to it; if the ring is full
   * it completes with EAGAIN. (A kernel that stays out of memory through a thousand attempts takes it later.) For some requests the kernel
   * looks the descriptor up only later: with IOSQE_ASYNC or IOSQE_IO_DRAIN, behind a request that drains, and for operations that it
   * always gives to a thread. It is duplicated for those until they complete, which costs two system calls, and drops the locks of
   * fcntl(2) that the process holds on the file, as every close does.
   *
   * @throws SystemError EBADF if the ring is closed
   * @throws Error ERR_INVALID_STATE if the request is under way; TypeError ERR_INVALID_ARG_VALUE for link flags, which belong to a chain
   */
  start(request: RingRequest): void {
    // Almost all: on a file that is held, and there is room.
    if (request.file === null || this.#closing || this.#waitingCount > 0) this.#startSpecial(request);
    else if (this.ring.claim(request) && !this.ring.admit(request)) this.#wait(request, 1);
    // A completion that starts a request is inside #run, which looks for more before it returns.
    if (!this.#running) this.#interrupt.schedule();
  }

  /**
   * Starts requests, in order, as {@link start} does; those on bare descriptors go to the kernel in one system call for all of them.
   *
   * @throws as {@link start}, for the first that cannot be started: those before it have been, those after it have not
   */
  startAll(requests: readonly RingRequest[]): void {
    let bare = false;
    try {
      for (const request of requests) {
        if (request.file === null) this.#keepIfLate(request);
        if (!this.ring.claim(request)) continue;
        const now = isBare(request);
        bare ||= now;
        if (this.#closing) this.ring.fail(request, ECANCELED);
        else if (!now) this.#enqueue(request, 1);
        else if (!this.#waiting.isEmpty || !this.ring.admit(request)) this.ring.fail(request, EAGAIN);
      }
    } finally {
      // Also where one is refused: those before it have been started.
      if (bare) this.ring.submitAll();
      if (!this.#running) this.#interrupt.schedule();
    }
  }

  /**
   * Starts a chain: its requests reach the kernel together, or wait together. Bare descriptors among them are duplicated for it.
   *
   * @throws as {@link start}, for any of its requests; RangeError ERR_OUT_OF_RANGE if it is longer than the submission queue, or
   * with `sqPoll` than 8
   */
  startChain(chain: RequestChain): void {
    this.ring.checkChain(chain);
    for (const request of chain.requests) refuseLateMessage(request);
    keepDescriptors(chain.requests.filter(isKept));
    if (this.ring.claimChain(chain)) {
      const head = chain.requests[0] as RingRequest;
      if (this.#closing) this.#failChain(head, ECANCELED);
      else this.#enqueue(head, chain.requests.length);
    }
    if (!this.#running) this.#interrupt.schedule();
  }

  /**
   * Asks for the end of a request. It completes in any case: with ECANCELED if it had not been started, or could be stopped; otherwise with
   * what it came to. Disk I/O that the kernel has started cannot be stopped. Who wants to know how a cancel went runs `prepareCancel`.
   *
   * A chain that still waits for room is cancelled as a whole.
   *
   * @throws TypeError ERR_INVALID_ARG_VALUE for a request that is under way on another ring
   */
  cancel(request: RingRequest): void {
    if (!request.started) return;
    if (!this.ring.owns(request)) throw otherRing();
    const head = (request.chain?.requests[0] ?? request) as RingRequest;
    if (head.queue === this.#waiting) {
      this.#waiting.remove(head);
      this.#failChain(head, ECANCELED, true);
    } else if (request.slot >= 0 && (this.ring.full || this.ring.draining || !this.#waiting.isEmpty)) {
      // A request would wait for the end of the one that it is to cancel.
      if (!this.ring.cancelNow(request)) this.#startCancel(request);
    } else if (request.slot >= 0) {
      this.#startCancel(request);
      return;
    }
    if (!this.#running) this.#interrupt.schedule();
  }

  #startCancel(request: RingRequest): void {
    const cancel = this.#cancels.removeFirst() ?? new CancelRequest(this.#cancels);
    prepareCancel(cancel, { request });
    this.start(cancel);
  }

  /**
   * Runs one request, and promises its result. `prepare` is called once, at once, with a request to prepare; it must do that before it
   * returns. A multishot request, which completes many times, is none for a promise.
   *
   * The results of an ordinary timer are all negative: it always rejects, with ETIME when it has gone off.
   *
   * @param options.signal cancels the request when it is aborted; the promise is then rejected with the signal's reason, unless the request
   * completed otherwise
   * @returns the result, 0 or more
   * @throws SystemError with the errno of the request's result, its operation as `syscall`, and the file's path
   * @throws Error ERR_INVALID_STATE if nothing was prepared; TypeError ERR_INVALID_ARG_VALUE for a multishot request
   */
  run(prepare: (request: RingRequest) => void, options: { signal?: AbortSignal } = {}): Promise<number> {
    return runRequest(this, prepare, options.signal);
  }

  /**
   * Hands what has been started to the kernel now, instead of in the microtask. It delivers nothing.
   */
  flush(): void {
    this.ring.submit();
  }

  /**
   * Submits, blocks until `count` completions have been delivered or nothing is in flight, and delivers what is there. Mostly it is one
   * system call. Completions that were there already count.
   *
   * @param count how many, at least 1: of requests that are started already, since no completion is delivered during the wait
   * @param timeoutMs how long to block at most; `Infinity`, the default, for no limit
   * @returns how many completions were delivered; if none were, why: a signal, or the time
   * @throws SystemError EBADF if the ring is closed; RangeError ERR_OUT_OF_RANGE
   */
  submitAndWait(count: number, timeoutMs: number = Number.POSITIVE_INFINITY): number | 'EINTR' | 'ETIME' {
    checkRange('count', count, 1);
    checkTimeout(timeoutMs);
    if (this.#closed) throw new SystemError(EBADF, 'wait', undefined, 'the ring is closed');
    const deadline = timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : performance.now() + timeoutMs;
    let delivered = this.ring.ready ? this.#deliver() : 0;
    while (delivered < count && this.inFlight > 0) {
      const left = deadline === Number.POSITIVE_INFINITY ? deadline : Math.max(0, deadline - performance.now());
      // For more than are to come it would wait for ever.
      const reason = this.ring.wait(Math.max(1, Math.min(count - delivered, this.ring.awaitable)), left);
      delivered += this.#deliver();
      if (reason !== null) return delivered === 0 ? reason : delivered;
    }
    return delivered;
  }

  /**
   * Submits, and delivers the completions that are there, without blocking. What the delivered ones start is submitted, and its completions
   * are left to the next call, so that it returns. On a closed ring it does nothing.
   *
   * @returns how many it delivered
   */
  poll(): number {
    return this.#deliver();
  }

  /**
   * {@link submitAndWait} for one completion. It returns at once if one is there, or nothing is in flight.
   *
   * The wait is a system call, so a signal ends it, unlike Atomics.wait.
   *
   * @param timeoutMs how long to block at most; `Infinity` for no limit
   * @returns how many completions were delivered, or why none were: a signal, or the time
   * @throws SystemError EBADF if the ring is closed; RangeError ERR_OUT_OF_RANGE
   */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.submitAndWait(1, timeoutMs);
  }

  /**
   * Has the next completion signal a door of this thread, for who waits for several things by {@link waitForDoors}, right after {@link poll}.
   *
   * @returns false where something is there already, or has not been submitted, or completions do not come from the event loop: {@link wait} is for those
   */
  tellByDoor(): boolean {
    if (this.#door === null || this.ring.closed || this.ring.queued > 0) return false;
    this.#notify(true);
    // A completion before the switch gave no signal.
    return !this.ring.ready;
  }

  /**
   * Cancels what can be cancelled, waits, by the event loop, until all requests have completed, and gives everything back. Requests that
   * are started meanwhile complete with ECANCELED. Without an event loop it is {@link closeSync}.
   */
  close(): Promise<void> {
    if (this.#door === null) this.closeSync();
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onClose.push(resolve);
      this.#beginClosing();
      // What a silent member of a chain has started is not told: then nothing else leads to another cancel.
      this.#closeTimer ??= setInterval(() => this.#interrupt.schedule(), 20);
      if (!this.#running) this.#interrupt.schedule();
    });
  }

  /**
   * As {@link close}, but blocks, and delivers the completions before it returns.
   *
   * @param timeoutMs how long to wait at most; `Infinity`, the default, for no limit
   * @throws SystemError EBUSY if requests are in flight after that time: the kernel cannot stop disk I/O. It can be called again.
   */
  closeSync(timeoutMs: number = Number.POSITIVE_INFINITY): void {
    checkTimeout(timeoutMs);
    if (this.#closed) return;
    this.#beginClosing();
    const deadline = performance.now() + timeoutMs;
    // By the interrupt, which sees to it that a completion that throws stops none of the others.
    while (this.inFlight > 0) {
      this.ring.cancelAll();
      const over = this.ring.waitForClose(Math.max(0, deadline - performance.now()));
      this.#deliver();
      if (over && this.inFlight > 0) {
        throw new SystemError(EBUSY, 'close', undefined, `${this.inFlight} requests are in flight`);
      }
    }
    while (!this.#closed) this.#finishAloud();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Delivers what is there. It counts at the ring, because a completion that throws ends the run early: whoever waits for one that was
   * delivered before it must not wait for the next.
   */
  #deliver(): number {
    const before = this.ring.delivered;
    const { ring } = this;
    // More than are in flight are messages, and multishot requests. Those that the kernel still holds back have no count.
    const count = Math.max(ring.inFlight, ring.readyCount);
    this.#interrupt.runNow(count === 0 && ring.ready ? ring.cqEntries : count);
    return (this.ring.delivered - before) | 0;
  }

  /** Of a request on a bare descriptor, or on none. */
  #keepIfLate(request: RingRequest): void {
    if ((request.flags & LATE_FLAGS) !== 0) refuseLateMessage(request);
    const { draining, unsettled } = this.ring;
    // A message behind a drain is refused instead; after one, its ring is not held for long.
    const kept = isKept(request) || (request.opcode === IORING_OP_MSG_RING && unsettled && !draining && isBare(request));
    if (!kept || !looksUpLate(request, draining || unsettled)) return;
    // Before it is refused, nothing is held for it.
    this.ring.check(request);
    keepDescriptors([request]);
  }

  /** Of a request that is on no file, or finds the ring closing or others waiting. */
  #startSpecial(request: RingRequest): void {
    if (request.file === null) this.#keepIfLate(request);
    if (!this.ring.claim(request)) return;
    if (this.#closing) this.ring.fail(request, ECANCELED);
    else if (isBare(request)) this.#startBare(request);
    else this.#enqueue(request, 1);
  }

  #enqueue(request: RingRequest, count: number): void {
    if (this.#waitingCount > 0 || !this.ring.admit(request)) this.#wait(request, count);
  }

  #wait(request: RingRequest, count: number): void {
    this.#waiting.insertTail(request);
    this.#waitingCount += count;
  }

  #startBare(request: RingRequest): void {
    // The kernel would look for a message's ring later, when its number may be another one's.
    const late = request.opcode === IORING_OP_MSG_RING && this.ring.draining;
    if (!late && this.#waiting.isEmpty && this.ring.admit(request)) this.ring.submitAll();
    else this.ring.fail(request, EAGAIN);
  }

  /** Completes a request, or the chain that it is the first of: the first with `errno`, the others with ECANCELED. */
  #failChain(head: RingRequest, errno: number, waited = false): void {
    const requests = head.chain?.requests ?? [head];
    head.chain?.dissolve();
    if (waited) this.#waitingCount -= requests.length;
    for (const request of requests) this.ring.fail(request, request === head ? errno : ECANCELED);
  }

  #beginClosing(): void {
    this.#closing = true;
    let next = this.#waiting.removeFirst();
    while (next !== null) {
      this.#failChain(next, ECANCELED, true);
      next = this.#waiting.removeFirst();
    }
  }

  /** {@link #finish}, with what a completion throws as an uncaughtException. */
  #finishAloud(): void {
    const before = this.ring.delivered;
    try {
      this.#finish();
    } catch (error) {
      // A failure that is not a completion's would come again and again.
      if (this.ring.delivered === before) throw error;
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #finish(): void {
    if (this.#closed) return;
    // It may deliver what the kernel had kept: messages, resources let go of. What one of them throws is surfaced, and the next attempt
    // finds the others.
    this.ring.close();
    this.#closed = true;
    if (this.#closeTimer !== null) clearInterval(this.#closeTimer);
    this.#door?.close();
    for (const resolve of this.#onClose.splice(0)) resolve();
  }

  #openDoor(): EventLoopDoor {
    try {
      return new EventLoopDoor(
        () => this.#interrupt.schedule(),
        (eventFd) => this.ring.registerEventFd(eventFd),
      );
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
    let reaped = 0;
    if (ring.closed) return this.#endEarly(budget);
    // Awake already: a signal would only make the event loop turn for nothing.
    if (this.#notifying) this.#notify(false);
    this.#running = true;
    try {
      do {
        if (ring.queued > 0) {
          const taken = ring.submit();
          this.#piece = ring.readyCount > 0 ? Number.POSITIVE_INFINITY : PIECE;
          // Where the kernel takes nothing, it is short of something: let the event loop turn before asking again.
          if (taken === 0 && !ring.ready) handled = budget;
        }
        reaped = ring.reap(Math.min(budget - handled, this.#piece));
        handled += reaped;
        this.#admit();
        // A whole piece: there may be more, also if it has started nothing.
      } while ((ring.queued > 0 || reaped === this.#piece) && handled < budget);
    } finally {
      this.#running = false;
    }
    if (ring.closed) return handled + this.#endEarly(budget);
    if (this.#closing) ring.cancelAll();
    this.#settle();
    return handled;
  }

  /** Somebody has called the bare ring's close() and not this one's: what waited for room completes with ECANCELED. */
  #endEarly(budget: number): number {
    this.#beginClosing();
    const handled = this.ring.reap(budget);
    if (this.inFlight === 0) this.#finish();
    else this.#interrupt.schedule();
    return handled;
  }

  /** Moves waiting requests into the room that completions have left. */
  #admit(): void {
    let next = this.#waiting.first;
    while (next !== null && this.ring.admit(next)) {
      this.#waiting.remove(next);
      this.#waitingCount -= next.chain?.requests.length ?? 1;
      next = this.#waiting.first;
    }
  }

  /** Sees to it that what is still to come will be noticed, by a soft interrupt or by the event loop. */
  #settle(): void {
    const ring = this.ring;
    if (this.#closing && this.inFlight === 0) {
      this.#finish();
    } else if (ring.queued > 0 || ring.ready) {
      this.#interrupt.schedule();
    } else if (this.#door !== null && !this.#interrupt.scheduled) {
      // A run that is scheduled does this at its end: a thread that starts and waits in one turn needs neither signals nor the loop meanwhile.
      // Also where nothing is in flight: messages come from other rings, and the kernel lets go of registered resources.
      this.#notify(true);
      // A completion between the look above and the switch gave no signal.
      if (ring.ready) this.#interrupt.schedule();
      this.#door.hold(ring.inFlight > 0);
    }
  }

  #notify(on: boolean): void {
    this.#notifying = on;
    this.ring.setNotification(on);
  }
}

/** A cancel of whose verdict nobody needs to hear, because the cancelled request completes by itself. */
class CancelRequest extends RingRequest {
  readonly #free: TailQueue<CancelRequest>;

  constructor(free: TailQueue<CancelRequest>) {
    super();
    this.#free = free;
  }

  override complete(): void {
    this.target = null;
    this.#free.insertHead(this);
  }
}

function otherRing(): TypeError {
  const message = 'the request is under way on another ring: cancel it there';
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}
