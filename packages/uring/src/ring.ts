import {
  IORING_ENTER_EXT_ARG,
  IORING_ENTER_GETEVENTS,
  IORING_ENTER_SQ_WAIT,
  IORING_ENTER_SQ_WAKEUP,
  IORING_REGISTER_EVENTFD,
  IORING_REGISTER_SYNC_CANCEL,
  IORING_SETUP_DEFER_TASKRUN,
  IORING_SETUP_SQPOLL,
  IORING_SQ_CQ_OVERFLOW,
  IORING_SQ_NEED_WAKEUP,
  IORING_SQ_TASKRUN,
  SYS_io_uring_enter,
  SYS_io_uring_register,
} from './abi.js';
import { BufferTable } from './buffer-table.js';
import { CompletionQueue } from './completion-queue.js';
import { EAGAIN, EBADF, EBUSY, EINTR, EINVAL, ETIME } from './errno.js';
import { SystemError } from './errors.js';
import { FileTable } from './file-table.js';
import { IORING_CQE_F_MORE, IOSQE_CQE_SKIP_SUCCESS, IOSQE_IO_HARDLINK, IOSQE_IO_LINK } from './flags.js';
import type { HotFiles } from './hot-files.js';
import { syncCancelArgument } from './opcodes/cancel.js';
import { underWay } from './opcodes/prepare.js';
import type { RequestChain } from './request-chain.js';
import { checkRange, checkRingOptions, checkTimeout, type RingOptions } from './ring-options.js';
import type { RingRequest } from './ring-request.js';
import { type RingMemory, setUpRing } from './ring-setup.js';
import { MESSAGE_BIT, RingSlots } from './ring-slots.js';
import type { RingStatistics } from './ring-statistics.js';
import { SubmissionQueue } from './submission-queue.js';
import { type Libc, libc } from './syscalls.js';
import { WaitArgument } from './wait-argument.js';

const CHAIN_FLAGS = IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS;
/**
 * How long a ring that closes waits before it cancels again: for what has started meanwhile without a completion to tell of it, such as a
 * chain's member after the silent success of the one before.
 */
const CANCEL_AGAIN_MS = 20;

/**
 * A polling thread that serves several rings takes at most so many requests of one at a time (IORING_SQPOLL_CAP_ENTRIES_VALUE in
 * io_uring/sqpoll.c), and a chain ends where it stops: so a chain is no longer, and begins where the thread begins.
 */
const POLLED_CHAIN_MAX = 8;
const WAIT_FLAGS = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
/** How long a wait waits before it submits again what the kernel, short of memory or of room for completions, has not taken. */
const REFUSED_MS = 1;

/** A ring that somebody has let go of without closing it is still the kernel's: its memory must not be collected. */
const open = new Set<Ring>();

/**
 * An io_uring(7): the submission and completion queues that this thread shares with the kernel.
 *
 * This is the mechanism alone: {@link prepare} fills a submission queue entry, {@link submit} hands all prepared ones to the kernel in
 * one system call, {@link reap} delivers what has completed, {@link wait} blocks. When to do which is decided by {@link ThreadRing}. No
 * request is prepared beyond the size of the completion queue. Completions beyond it (of multishot requests, messages of other rings)
 * wait in the kernel, and none is lost: {@link statistics} counts how often that happened.
 *
 * A ring belongs to the thread that opened it, and keeps the user and group that the process had then (CVE-2024-22017): drop
 * privileges first. It is never collected: close it. When a worker ends, also by `terminate()`, its rings are closed and the kernel has done with their requests before
 * the worker's memory is freed.
 */
export class Ring {
  /** The ring's descriptor; -1 once it is closed. */
  fd: number;
  /** IORING_FEAT_ bits of this kernel. */
  readonly features: number;
  /** The IORING_SETUP_ flags that the ring has: what was asked for, without what this kernel does not know. */
  readonly setupFlags: number;
  /** Requests that one system call can submit: the exact size. */
  readonly sqEntries: number;
  /** Requests that can be in flight: the exact size. */
  readonly cqEntries: number;
  /** Whether the queues are in memory of ours: `memory` of the options. */
  readonly ownMemory: boolean;
  /** The registered files, if the ring was opened with `fileTableEntries`. */
  readonly files: FileTable;
  /** The registered buffers, if the ring was opened with `bufferTableEntries`. */
  readonly buffers: BufferTable;
  /** Hears messages that other rings send with `prepareMessage`: their data and their result. Called as completions are. */
  onMessage: ((data: number, result: number) => void) | null = null;

  readonly #libc: Libc;
  readonly #memory: RingMemory;
  readonly #slots: RingSlots;
  readonly #waitArgument = new WaitArgument();
  readonly #polled: boolean;
  readonly #submitFlags: number;
  readonly #sq: SubmissionQueue;
  readonly #cq: CompletionQueue;
  readonly #hot: HotFiles;
  #words: Int32Array;
  #delivered = 0;
  #closed = false;
  #submitted = 0;
  #calls = 0;
  #waits = 0;
  #overflows = 0;
  #refusals = 0;

  /**
   * @throws SystemError with the errno of io_uring_setup(2): ENOSYS, EPERM, ENOMEM, EMFILE; ENOTSUP on a kernel before 5.11, and in a
   * worker on one before 6.5
   * @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_VALUE
   */
  constructor(options: RingOptions = {}) {
    const settings = checkRingOptions(options);
    this.#libc = libc();
    const memory = setUpRing(settings);
    this.#memory = memory;
    this.fd = memory.fd;
    this.features = memory.features;
    this.setupFlags = memory.setupFlags;
    this.ownMemory = memory.own;
    this.sqEntries = memory.sqEntries;
    this.cqEntries = memory.cqEntries;
    this.#words = memory.words;
    this.#sq = new SubmissionQueue(memory);
    this.#cq = new CompletionQueue(memory);
    this.#polled = (memory.setupFlags & IORING_SETUP_SQPOLL) !== 0;
    // With DEFER_TASKRUN the kernel completes nothing by itself: what is ready by then is completed in the submitting call.
    this.#submitFlags = (memory.setupFlags & IORING_SETUP_DEFER_TASKRUN) !== 0 ? IORING_ENTER_GETEVENTS : 0;
    this.#slots = new RingSlots(memory.cqEntries);
    try {
      this.files = new FileTable(this, settings.fileTableEntries, memory.guard);
      this.buffers = new BufferTable(this, settings.bufferTableEntries);
    } catch (error) {
      memory.close();
      throw error;
    }
    this.#hot = this.files.hot;
    open.add(this);
  }

  /** How many requests are prepared or in the kernel, or have failed before they got there. */
  get inFlight(): number {
    return this.#slots.inFlight;
  }

  /** How many completions have been delivered, as a 32-bit number that wraps around: for differences. */
  get delivered(): number {
    return this.#delivered;
  }

  /** How many requests are prepared, and not yet in the kernel. */
  get queued(): number {
    return this.#sq.queued;
  }

  /** Whether no more requests can be prepared. @internal */
  get full(): boolean {
    return this.#slots.free === 0;
  }

  /** Whether requests with IOSQE_IO_DRAIN are in flight, or behind one: they hold later ones back. */
  get draining(): boolean {
    return this.#slots.draining;
  }

  /** Whether the kernel may look the next request's file up late, though nothing is held back: for a while after a drain. @internal */
  get unsettled(): boolean {
    return this.#slots.unsettled;
  }

  /** Whether a request was started last on this ring. @internal */
  owns(request: RingRequest): boolean {
    return request.owner === this.#slots;
  }

  /** Whether the ring has been closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether a completion is there to be reaped. */
  get ready(): boolean {
    return this.#cq.length !== 0 || this.#slots.failures > 0 || this.#cq.needsCall !== 0;
  }

  /** How many completions are there to be reaped, without those that wait in the kernel. @internal */
  get readyCount(): number {
    return this.#cq.length + this.#slots.failures;
  }

  /** How many completions a wait can ask for: of a chain with silent members nobody knows how many come. @internal */
  get awaitable(): number {
    return this.#slots.silent ? 1 : this.#slots.inFlight;
  }

  /** Counters since the opening. */
  statistics(): RingStatistics {
    const { sqDropped, cqOverflow } = this.#memory;
    return {
      submitted: this.#submitted,
      delivered: this.#delivered >>> 0,
      inFlight: this.inFlight,
      inFlightMax: this.#slots.inFlightMax,
      calls: this.#calls,
      waits: this.#waits,
      overflows: this.#overflows,
      refusals: this.#refusals,
      dropped: (Atomics.load(this.#words, sqDropped) + Atomics.load(this.#words, cqOverflow)) >>> 0,
    };
  }

  /**
   * Fills the next submission queue entry; where none is free, the prepared ones are submitted first.
   *
   * @returns false where the ring is full: as many requests are in flight as the completion queue holds
   * @throws SystemError EBADF if the ring is closed
   * @throws Error ERR_INVALID_STATE if the request is under way already, or has never been prepared; TypeError ERR_INVALID_ARG_VALUE for
   * link flags without a chain, and for a registered file or buffer of another ring
   */
  prepare(request: RingRequest): boolean {
    if (!this.claim(request)) return true;
    if (this.admit(request)) return true;
    this.#slots.unclaim(request);
    return false;
  }

  /**
   * Fills the entries of a chain: all of them, or none.
   *
   * @returns false where the ring has no room for all of it
   * @throws RangeError ERR_OUT_OF_RANGE for a chain that is longer than `sqEntries`, which one submission could not hold, or with `sqPoll`
   * longer than 8, which the polling thread could cut; otherwise as
   * {@link prepare}, for any of its requests
   */
  prepareChain(chain: RequestChain): boolean {
    if (!this.claimChain(chain)) return true;
    if (this.admit(chain.requests[0] as RingRequest)) return true;
    for (const request of chain.requests) this.#slots.unclaim(request);
    chain.dissolve();
    return false;
  }

  /**
   * Takes a request on: from here on it is started. False if its file is closing; it then completes with EBADF by itself.
   * @internal
   */
  claim(request: RingRequest): boolean {
    this.check(request);
    return this.#slots.claim(request);
  }

  /** Throws what {@link prepare} throws. @internal */
  check(request: RingRequest): void {
    // Almost all have nothing of this, and are done with one look.
    const { fixed, fixedBuffer } = request;
    if (this.#closed || request.started || (request.flags & CHAIN_FLAGS) !== 0) this.#refuse(request);
    if (request.opcode < 0 || fixed !== null || fixedBuffer !== null) this.#checkPrepared(request);
  }

  #refuse(request: RingRequest): never {
    this.#checkOpen('start');
    throw request.started ? underWay() : linkAlone();
  }

  /** {@link claim} for a chain. False if one of its files is closing: that member completes with EBADF, and the others with ECANCELED. @internal */
  claimChain(chain: RequestChain): boolean {
    this.checkChain(chain);
    chain.forge();
    return this.#slots.claimChain(chain.requests);
  }

  /** Throws what {@link prepareChain} throws. @internal */
  checkChain(chain: RequestChain): void {
    this.#checkOpen('start');
    const longest = this.#polled ? Math.min(this.sqEntries, POLLED_CHAIN_MAX) : this.sqEntries;
    checkRange('chain.requests.length', chain.requests.length, 2, longest);
    if (chain.requests.some(({ started }) => started)) throw underWay();
    for (const request of chain.requests) this.#checkPrepared(request);
    chain.check();
  }

  /** Gives a claimed request, or the chain that it is the first of, its entries. False where there is no room. @internal */
  admit(request: RingRequest): boolean {
    if (request.chain !== null) return this.#admitChain(request.chain.requests);
    if (this.#slots.free === 0 || !(this.#sq.fits(1) || this.#makeRoom(1))) return false;
    this.#sq.put(request, this.#slots.take(request), this.#hot.placeOf(request));
    return true;
  }

  #admitChain(requests: readonly RingRequest[]): boolean {
    if (this.#slots.free < requests.length || !this.#makeRoom(requests.length)) return false;
    if (this.#polled) this.submitAll();
    for (const member of requests) this.#sq.put(member, this.#slots.take(member), -1);
    if (this.#polled) this.submit();
    return true;
  }

  /** Completes a claimed request that cannot go to the kernel, with the next {@link reap}. @internal */
  fail(request: RingRequest, errno: number): void {
    this.#slots.fail(request, -errno);
  }

  /** Keeps a slot for a registered resource: the request completes when the kernel lets go of that. @internal */
  tag(request: RingRequest): void {
    if (request.started) throw underWay();
    this.#slots.takeTag(request);
  }

  /** Takes a {@link tag} back. @internal */
  untag(request: RingRequest): void {
    this.#slots.release(request.slot, request);
  }

  /**
   * Submits, and cancels what runs in the kernel. What waits there for others (a chain's later members, what is behind a drain) runs only
   * when those have completed, and is not found before. @internal
   */
  cancelAll(): void {
    if (this.#slots.inFlight === 0) return;
    this.submitAll();
    // Work that the kernel has put off until a call may start what was held back.
    if (this.#cq.needsCall !== 0) this.#flushBacklog(this.#cq.needsCall);
    // By a call, because a request would wait behind a drain itself. Before Linux 6.0 there is none, and close() waits for the requests.
    this.register(IORING_REGISTER_SYNC_CANCEL, syncCancelArgument({ any: true, all: true }, 0), 1);
  }

  /** Submits, and cancels one request, also where the ring is full or drains. False if it cannot: before Linux 6.0. @internal */
  cancelNow(request: RingRequest): boolean {
    if (!this.submitAll()) return false;
    return this.register(IORING_REGISTER_SYNC_CANCEL, syncCancelArgument({ request }, 0), 1) !== -EINVAL;
  }

  /** {@link wait} for one completion of a ring that closes. @internal */
  waitForClose(timeoutMs: number): boolean {
    const pause = Math.min(timeoutMs, CANCEL_AGAIN_MS);
    return this.wait(1, pause) === 'ETIME' && pause === timeoutMs;
  }

  /**
   * Hands all prepared requests to the kernel, and calls nobody back.
   *
   * @returns how many it took; less than all, or 0, where it is short of memory or holds completions back for want of room: reap, and
   * submit again
   * @throws SystemError for any other failure of io_uring_enter(2)
   */
  submit(): number {
    if (this.#sq.queued === 0) return 0;
    if (this.#polled) return this.#submitPolled();
    const taken = this.#enter(this.#sq.queued, 0, this.#submitFlags, 0, 0);
    return Math.max(0, taken);
  }

  /**
   * {@link submit}, until the kernel holds the open files of all prepared requests itself. With `sqPoll` that is when its thread has seen
   * them.
   *
   * @returns false if a kernel that is short of memory did not take all of them in a thousand attempts
   */
  submitAll(): boolean {
    for (let attempt = 0; attempt < 1000 && this.#sq.queued > 0; attempt++) this.submit();
    if (this.#polled) {
      while (!this.#sq.taken) this.#wakePoller();
    }
    return this.#sq.queued === 0;
  }

  /**
   * Submits, then blocks until at least `count` completions are there, a signal arrives or the time is over. Reaps none. Mostly that is
   * one system call.
   *
   * @param timeoutMs `Infinity` waits without a limit
   * @returns `'EINTR'` after a signal, `'ETIME'` at the deadline, `null` if a completion may be there, even where `count` are not
   */
  wait(count: number, timeoutMs: number): 'EINTR' | 'ETIME' | null {
    checkRange('count', count, 0);
    checkTimeout(timeoutMs);
    const started = timeoutMs === Number.POSITIVE_INFINITY ? 0 : performance.now();
    let leftMs = timeoutMs;
    for (;;) {
      const outcome = this.#waitOnce(count, leftMs);
      if (outcome !== 'refused') return outcome;
      this.#enter(0, 1, WAIT_FLAGS, this.#waitArgument.set(Math.min(leftMs, REFUSED_MS)), WaitArgument.BYTES);
      if (this.ready) return null;
      if (timeoutMs !== Number.POSITIVE_INFINITY) leftMs = Math.max(0, timeoutMs - (performance.now() - started));
      if (leftMs === 0) return 'ETIME';
    }
  }

  /** One wait; `'refused'` where the kernel has not taken all requests, so that it did not wait. */
  #waitOnce(count: number, timeoutMs: number): 'EINTR' | 'ETIME' | 'refused' | null {
    if (this.#slots.failures > 0) {
      this.submit();
      return null;
    }
    const started = timeoutMs === Number.POSITIVE_INFINITY ? 0 : performance.now();
    const toSubmit = this.#polled ? 0 : this.#sq.queued;
    if (this.#polled) this.submit();
    this.#waits += 1;
    const entered = this.#enter(toSubmit, count, WAIT_FLAGS, this.#waitArgument.set(timeoutMs), WaitArgument.BYTES);
    if (this.ready) return null;
    if (entered === -ETIME) return 'ETIME';
    if (entered === -EINTR) return 'EINTR';
    if (entered < toSubmit) return 'refused';
    // A call that has submitted something does not tell why its wait ended; without a completion it was the time or a signal.
    const over = timeoutMs !== Number.POSITIVE_INFINITY && performance.now() - started >= timeoutMs;
    return over ? 'ETIME' : 'EINTR';
  }

  /**
   * Delivers completions, at most `limit` of them, in the order in which the kernel put them there.
   *
   * A completion may prepare requests, and may reap itself. An exception that it throws ends this call; nothing is delivered twice and
   * nothing is lost.
   *
   * @returns how many it delivered
   */
  reap(limit: number): number {
    const cq = this.#cq;
    const pending = cq.needsCall;
    if (pending !== 0) this.#flushBacklog(pending);
    let count = this.#slots.failures > 0 ? this.#reapFailures(limit) : 0;
    const tail = cq.tail;
    try {
      // A completion may close the ring, and its memory with it.
      while (count < limit && !this.#closed) {
        const entry = cq.take(tail);
        if (entry < 0) break;
        count += 1;
        this.#complete(entry);
      }
    } finally {
      cq.publish();
    }
    return count;
  }

  /** Delivers a completion: `struct io_uring_cqe`, as 4 words. */
  #complete(entry: number): void {
    const words = this.#words;
    const slot = words[entry] as number;
    const result = words[entry + 2] as number;
    const flags = words[entry + 3] as number;
    this.#delivered = (this.#delivered + 1) | 0;
    if (((words[entry + 1] as number) & MESSAGE_BIT) !== 0) {
      this.onMessage?.(slot >>> 0, result);
      return;
    }
    const request = this.#slots.at(slot);
    if ((flags & IORING_CQE_F_MORE) === 0) this.#slots.release(slot, request);
    request.complete(result, flags);
  }

  /** Names an eventfd that the kernel signals at completions, while {@link setNotification} has that switched on. */
  registerEventFd(eventFd: number): void {
    this.setNotification(false);
    const result = this.register(IORING_REGISTER_EVENTFD, Int32Array.of(eventFd), 1);
    if (result < 0) throw new SystemError(-result, 'io_uring_register');
  }

  /** Switches the eventfd's signals on or off. After switching on, look at {@link ready}: what came before gives no signal. */
  setNotification(on: boolean): void {
    this.#checkOpen('io_uring_register');
    this.#cq.setNotification(on);
  }

  /**
   * io_uring_register(2), for what has no method here.
   *
   * @returns what it returned, or the negative errno
   */
  register(opcode: number, argument: NodeJS.TypedArray, count: number): number {
    this.#checkOpen('io_uring_register');
    const result = this.#libc.register(SYS_io_uring_register, this.fd, opcode, argument, count);
    return result < 0 ? -this.#libc.errno() : result;
  }

  /**
   * Cancels what can be cancelled, delivers the completions of all requests, and gives the ring back to the kernel. It blocks for what the
   * kernel has started and cannot stop, such as disk I/O. A completion may start requests, which are then cancelled too; it may not close
   * the ring again.
   *
   * @param timeoutMs how long to wait at most; `Infinity`, the default, for no limit
   * @throws SystemError EBUSY if requests are in flight after that time: the ring stays open, its tables of files and buffers empty, and can
   * be closed later. What a completion throws ends the call likewise.
   */
  close(timeoutMs: number = Number.POSITIVE_INFINITY): void {
    checkTimeout(timeoutMs);
    if (this.#closed) return;
    this.#drain(timeoutMs);
    if (this.#closed) return;
    this.#hot.clear();
    this.#closed = true;
    open.delete(this);
    // A view of memory that is no longer mapped would crash the process, so nobody may still hold one. The closed ring's queues are empty.
    this.#cq.detach();
    this.#words = new Int32Array(this.#words.length);
    this.#sq.detach();
    this.fd = -1;
    this.#memory.close();
  }

  #drain(timeoutMs: number): void {
    const started = performance.now();
    this.files.clear();
    this.buffers.clear();
    while (this.#slots.occupied > 0) {
      // Each time, for what completions have started, and for what waited in the kernel for requests that have completed.
      this.cancelAll();
      const left = Math.max(0, timeoutMs - (performance.now() - started));
      const over = this.waitForClose(left);
      this.reap(Number.POSITIVE_INFINITY);
      if (this.#closed) return;
      if (over && this.#slots.occupied > 0) {
        throw new SystemError(EBUSY, 'close', undefined, `${this.inFlight} requests are in flight`);
      }
    }
    // Messages of other rings that are there already. Others may come without an end.
    if (this.ready) this.reap(this.cqEntries);
  }

  #reapFailures(limit: number): number {
    let count = 0;
    while (this.#slots.failures > 0 && count < limit) {
      count += 1;
      this.#delivered = (this.#delivered + 1) | 0;
      const { request, result } = this.#slots.takeFailure();
      request.complete(result, 0);
    }
    return count;
  }

  /** Whether `count` entries are free; if not, the prepared ones are submitted first. */
  #makeRoom(count: number): boolean {
    const sq = this.#sq;
    if (!this.#polled) return sq.fits(count) || (this.submit() > 0 && sq.fits(count));
    while (!sq.fitsNow(count)) {
      // The polling thread takes them all in time, but the call returns when there is room for one.
      this.submit();
      this.#wakePoller();
      this.#enter(0, 0, IORING_ENTER_SQ_WAIT, 0, 0);
    }
    return true;
  }

  #submitPolled(): number {
    const count = this.#sq.queued;
    this.#publish();
    this.#sq.leave();
    this.#submitted += count;
    this.#wakePoller();
    return count;
  }

  #wakePoller(): void {
    // Pairs with the kernel's store of the flag before it looks at the tail once more and sleeps.
    const asleep = (Atomics.load(this.#words, this.#memory.sqFlags) & IORING_SQ_NEED_WAKEUP) !== 0;
    if (asleep) this.#enter(0, 0, IORING_ENTER_SQ_WAKEUP, 0, 0);
  }

  #publish(): void {
    this.#sq.publish();
    // A completion that submits, or waits, is called before the end of its batch.
    this.#cq.publish();
  }

  /** One io_uring_enter(2). Returns how many requests it took, or -EINTR or -ETIME of a wait. */
  #enter(toSubmit: number, minComplete: number, flags: number, argument: number, argumentBytes: number): number {
    // The descriptor's number may be another ring's by now.
    this.#checkOpen('io_uring_enter');
    this.#publish();
    this.#calls += 1;
    const taken = this.#libc.enter(SYS_io_uring_enter, this.fd, toSubmit, minComplete, flags, argument, argumentBytes);
    if (taken >= 0) {
      if (toSubmit === 0) return 0;
      this.#sq.took(taken);
      this.#submitted += taken;
      return taken;
    }
    const errno = this.#libc.errno();
    if (errno === EAGAIN || errno === EBUSY) {
      this.#refusals += 1;
      return 0;
    }
    if (errno === EINTR || errno === ETIME) return -errno;
    throw new SystemError(errno, 'io_uring_enter');
  }

  #flushBacklog(pending: number): void {
    if ((pending & IORING_SQ_CQ_OVERFLOW) !== 0) this.#overflows += 1;
    this.#enter(0, 0, IORING_ENTER_GETEVENTS, 0, 0);
    if ((this.#cq.needsCall & IORING_SQ_TASKRUN) === 0) return;
    this.#cq.forgetWork();
    this.#enter(0, 0, IORING_ENTER_GETEVENTS, 0, 0);
  }

  #checkPrepared(request: RingRequest): void {
    const { fixed, fixedBuffer } = request;
    if (request.opcode < 0) throw unprepared();
    if ((fixed !== null && fixed.owner !== this) || (fixedBuffer !== null && fixedBuffer.owner !== this)) throw otherRing();
  }

  #checkOpen(syscall: string): void {
    if (this.#closed) throw new SystemError(EBADF, syscall, undefined, 'the ring is closed');
  }
}

function unprepared(): Error {
  const message = 'The request has not been prepared: call one of the prepare functions first, and not asynchronously';
  return Object.assign(new Error(message), { code: 'ERR_INVALID_STATE' });
}

function otherRing(): TypeError {
  const message = 'a registered file or buffer can be used on the ring alone in whose table it is';
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}

function linkAlone(): TypeError {
  const message = 'IOSQE_IO_LINK, IOSQE_IO_HARDLINK and IOSQE_CQE_SKIP_SUCCESS belong to requests of a RequestChain';
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}
