import { TailQueue } from '@biodone/sync';
import { EAGAIN, EBADF, EBUSY, ECANCELED, EFAULT, EFBIG, EINVAL, EIO, ENOTSUP, EROFS } from '@biodone/uring';
import type { BatchClock, BlockTimers } from './batch-clock.js';
import { beginSubmit, biodone, endSubmit, putOff, submitting } from './biodone.js';
import {
  type AbortVerdict,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_NOWAIT,
  type BlockIo,
  type BlockIoOwner,
  IO_DONE,
  IO_STARTED,
} from './block-io.js';
import type { BlockDriver } from './driver.js';
import { ENODEV } from './errno.js';
import type { BlockCapabilities } from './limits.js';
import type { SharedState } from './shared-state.js';

/** What a driver answers without having written anything back. */
const REFUSALS: readonly number[] = [EAGAIN, EBADF, EBUSY, ECANCELED, EFAULT, EFBIG, EINVAL, ENOTSUP, EROFS];
/** What {@link DriverPort.judge} returns for a request that goes to the driver once more. */
export const NOT_DONE: number = -1;

/** How often a request is tried again in the calling thread, and for how long, before it ends with EAGAIN after all. */
const SYNC_RETRIES_MAX = 1000;
const SYNC_RETRIES_MAX_MS = 60_000;

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
  /** The driver's `start` and `startSync`: looked up once, since with many kinds of drivers the look-up in the call costs more than the call. */
  readonly #start: BlockDriver['start'];
  readonly #startSync: BlockDriver['startSync'];
  #inFlight = 0;
  /** How many may be in flight before the next one has to wait: none while it is frozen, or others wait. */
  #open: number;
  /** A count that wraps around: for differences. */
  #sequence = 0;
  #starting = false;
  #frozen = false;
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
    this.#start = driver.start;
    this.#startSync = driver.startSync;
    this.capabilities = capabilities;
    this.#limit = limit;
    this.#open = limit;
    this.#retryDelayMs = retryDelayMs;
    this.#state = state;
    this.#timers = timers;
    this.#clock = clock;
  }

  /** Starts a part of a request: `io` belongs to this port until it completes. */
  strategy(io: BlockIo): void {
    this.#own(io);
    const { removed, closedNow } = this.#state;
    if (removed || closedNow) this.#end(io, closedNow ? EBADF : ENODEV);
    else this.start(io);
  }

  /** Runs a part of a request in the calling thread. */
  strategySync(io: BlockIo): void {
    this.#own(io);
    if (this.#state.closedNow) io.error = EBADF;
    else this.startSync(io);
    io.state = IO_DONE;
  }

  /** Passes a request on to the driver, or keeps it until there is room. */
  start(io: BlockIo): void {
    const sequence = (this.#sequence + 1) | 0;
    this.#sequence = sequence;
    io.sequence = sequence;
    if (this.#inFlight >= this.#open) {
      this.#await(io);
      return;
    }
    this.#inFlight += 1;
    try {
      this.#start.call(this.#driver, io);
    } catch (error) {
      this.#hasThrown(io, error);
    }
  }

  #await(io: BlockIo): void {
    if ((io.flags & BLOCK_NOWAIT) !== 0) {
      this.#end(io, EAGAIN);
      return;
    }
    this.queued += 1;
    this.#waiting.insertTail(io);
    this.#mark();
  }

  /** In the calling thread: no queue and no limit (rule 3). */
  startSync(io: BlockIo): void {
    this.#startDriverSync(io);
    if (io.error !== 0 || io.operation === BLOCK_FLUSH) this.#endSync(io);
  }

  /** Of one that has failed, or is a flush: what has found no room is tried again. */
  #endSync(io: BlockIo): void {
    let left = Math.min(SYNC_RETRIES_MAX, Math.ceil(SYNC_RETRIES_MAX_MS / this.#retryDelayMs));
    while (io.error === EAGAIN && this.#retries(io) && left > 0) {
      left -= 1;
      this.retries += 1;
      this.#timers.sleep(this.#retryDelayMs);
      io.error = 0;
      io.transferredBytes = 0;
      this.#startDriverSync(io);
    }
    if (io.operation === BLOCK_FLUSH) io.error = this.#flushed(io.error);
    else if (io.error !== 0 && io.flags !== 0) this.#failed(io, io.error);
  }

  /** For `biodone` alone. */
  completed(io: BlockIo, error: number): void {
    const final = this.leave(io, error) ? this.judge(io, error) : error;
    if (final === NOT_DONE) return;
    io.error = final;
    io.state = IO_DONE;
    if (submitting > 0 && io.iodone !== null) putOff(io);
    else io.iodone?.(io);
  }

  /** A request has come back from the driver. Returns whether there is more to it, so that {@link judge} is to be asked. */
  leave(io: BlockIo, error: number): boolean {
    this.#inFlight -= 1;
    return error !== 0 || io.operation === BLOCK_FLUSH || this.#open === 0;
  }

  /** The error that a request ends with, which failed, or is a flush, or came back while others wait; or {@link NOT_DONE}. */
  judge(io: BlockIo, error: number): number {
    if (error === EAGAIN && this.#retries(io)) {
      if (this.#frozen) return ECANCELED;
      this.#holdBack(io);
      return NOT_DONE;
    }
    const final = io.operation === BLOCK_FLUSH ? this.#flushed(error) : error;
    if (error !== 0 && io.flags !== 0) this.#failed(io, error);
    if (!this.#waiting.isEmpty) this.startWaiting();
    return final;
  }

  /** Whether a request that the driver has ended with EAGAIN goes to it again, which one that is not to wait does not. */
  #retries({ flags }: BlockIo): boolean {
    return this.capabilities.retry && (flags & BLOCK_NOWAIT) === 0;
  }

  /** Something waits, or nothing does any more; or it is frozen, or thawed. */
  #mark(): void {
    this.#open = this.#frozen || !this.#waiting.isEmpty ? 0 : this.#limit;
  }

  /** Whether the driver has nothing. */
  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  /** Lets nothing start that waits here, and nothing be tried again, until {@link thaw}. */
  freeze(): void {
    this.#frozen = true;
    this.#mark();
  }

  thaw(): void {
    this.#frozen = false;
    this.#mark();
    this.startWaiting();
  }

  /** For `biodone` alone. */
  finished(_io: BlockIo): void {
    // A part of a request is counted by the whole.
  }

  /** Takes a request back that waits here: it completes with ECANCELED, or is left to the caller. */
  remove(io: BlockIo): boolean {
    if (io.queue !== this.#waiting) return false;
    this.#waiting.remove(io);
    this.#mark();
    // A timer that nobody needs any more would keep the process alive.
    if (this.#waiting.isEmpty) this.#endPause();
    return true;
  }

  /** Tries to end a request. If it waits here, it completes now. */
  abort(io: BlockIo): AbortVerdict {
    if (this.remove(io)) {
      this.#end(io, ECANCELED);
      return 'cancelled';
    }
    return this.#driver.abort?.(io) ?? 'in-progress';
  }

  /** Starts what waits, as far as there is room: at each completion, when the timer fires, and when somebody polls after its time. */
  startWaiting(): void {
    // A driver may complete inside start(), and come here again.
    if (this.#starting || this.#frozen) return;
    this.#starting = true;
    this.#endPause();
    // No callback may run in here: this is called by a completion whose own request is not marked as done yet.
    beginSubmit();
    try {
      while (this.#inFlight < this.#limit && this.#retryAtMs === 0) {
        const io = this.#waiting.removeFirst();
        if (io === null) break;
        const { removed, closedNow } = this.#state;
        if (removed || closedNow) {
          this.#end(io, closedNow ? EBADF : ENODEV);
          continue;
        }
        this.#inFlight += 1;
        try {
          this.#start.call(this.#driver, io);
        } catch (error) {
          this.#hasThrown(io, error);
        }
      }
    } finally {
      endSubmit();
      this.#starting = false;
      this.#mark();
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

  /** As BlockDriver's: not while something is to be tried again, which needs its time. */
  beforeSleep(vain: number): number {
    this.#clock.forget();
    return this.#retryAtMs === 0 ? (this.#driver.beforeSleep?.(vain) ?? 0) : 0;
  }

  /** A driver must not throw. If one does, its request ends all the same, and nobody overlooks the exception. */
  #hasThrown(io: BlockIo, error: unknown): void {
    surface(error);
    // It may have completed it before, or is told that it has completed it twice.
    if (io.state === IO_STARTED) biodone(io, EIO);
  }

  #startDriverSync(io: BlockIo): void {
    try {
      this.#startSync.call(this.#driver, io);
    } catch (error) {
      surface(error);
      io.error = EIO;
    }
  }

  /** Completes a request that the driver has not seen. */
  #end(io: BlockIo, error: number): void {
    // Counted as if it had been with the driver, which biodone() takes for granted.
    this.#inFlight += 1;
    biodone(io, error);
  }

  /**
   * What a flush ends with. One that was cancelled has lost nothing, nor has one in the calling thread that would have had to wait; one that worked while another failed may have found nothing left to
   * write, because that one's failure made the kernel forget it.
   */
  #flushed(error: number): number {
    if (error === ECANCELED || error === EBUSY) return error;
    if (error !== 0) this.#state.setPoison(error);
    return this.#state.poisonNow;
  }

  /**
   * A write that was to be stable at once has failed. The kernel tells a descriptor once that something could not be written back, and this may
   * have been the time: it may have been about other writes, of which the next flush would say nothing (rule 8).
   */
  #failed(io: BlockIo, error: number): void {
    if ((io.flags & BLOCK_FUA) !== 0 && !REFUSALS.includes(error)) this.#state.setPoison(error);
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
    while (later !== null && ((later.sequence - io.sequence) | 0) < 0) later = this.#waiting.next(later);
    if (later === null) this.#waiting.insertTail(io);
    else this.#waiting.insertBefore(later, io);
    this.#mark();
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

/** Makes an exception an uncaught one, when what runs now has come to its end. */
function surface(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
