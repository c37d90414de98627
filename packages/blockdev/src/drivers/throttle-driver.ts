import { TailQueue } from '@biodone/sync';
import { ECANCELED, ENOTSUP, SystemError } from '@biodone/uring';
import { type BatchClock, type BlockTimers, clockOf } from '../batch-clock.js';
import { biodone } from '../biodone.js';
import {
  type AbortVerdict,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockIo,
} from '../block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import { type ChildDevice, ChildIo } from './child-device.js';
import { READS, type ThrottleBuckets, type ThrottleLimits, WRITES } from './throttle-limits.js';

/** A request to the device below. */
export class ThrottleIo extends ChildIo {
  driver: ThrottleDriver | null = null;
}

/** What stands between a throttled device and the one below it. */
export class ThrottleDriver implements BlockDriver {
  readonly name = 'throttle';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly #child: ChildDevice<ThrottleIo>;
  readonly #buckets: ThrottleBuckets;
  readonly #timers: BlockTimers;
  readonly #clock: BatchClock;
  /** What waits, by direction. */
  readonly #queues: readonly [TailQueue<BlockIo>, TailQueue<BlockIo>] = [new TailQueue(), new TailQueue()];
  readonly #fire = (): void => {
    this.#cancelTimer = null;
    this.#pass();
  };
  #cancelTimer: (() => void) | null = null;
  /** When the timer fires. */
  #timerAtMs = 0;
  #passing = false;
  #removed = false;
  /** How many requests are with the device below. */
  #below = 0;

  constructor(child: ChildDevice<ThrottleIo>, buckets: ThrottleBuckets, timers: BlockTimers) {
    const { limits, capabilities } = child.device;
    this.#child = child;
    this.#buckets = buckets;
    this.#timers = timers;
    this.#clock = clockOf(timers);
    // The device below splits and aligns for itself: what is counted here is what callers ask for.
    this.limits = {
      blockSizeBytes: limits.blockSizeBytes,
      sizeBytes: limits.sizeBytes,
      memoryAlignmentBytes: 1,
      physicalBlockSizeBytes: limits.physicalBlockSizeBytes,
      maxSegments: 1024,
    };
    this.capabilities = {
      readOnly: capabilities.readOnly,
      progress: child.progress,
      fua: child.fua,
      zeroes: capabilities.zeroes,
      discard: capabilities.discard,
      extents: true,
      compareAndWrite: true,
      volatileCache: capabilities.volatileCache,
      rotational: capabilities.rotational,
    };
  }

  get throttleLimits(): ThrottleLimits {
    return this.#buckets.limits;
  }

  setLimits(limits: ThrottleLimits): void {
    this.#buckets.setLimits(limits, this.#timers.now());
    this.#pass();
  }

  start(io: BlockIo): void {
    const direction = directionOf(io);
    if (direction === UNTHROTTLED) {
      this.#forward(io);
      return;
    }
    if (this.#queues[READS].isEmpty && this.#queues[WRITES].isEmpty) {
      const bytes = bytesOf(io);
      // A reading that is some requests old lets less pass than the time does, and what is kept waits for a new one.
      const now = this.#clock.nowMs;
      if (this.#buckets.readyAtMs(direction, bytes) <= now) {
        this.#buckets.take(direction, bytes, now);
        this.#forward(io);
        return;
      }
    }
    // Behind those of its direction; and should the timer be late, those of the other one that may pass go first.
    this.#queue(direction).insertTail(io);
    this.#pass();
  }

  startSync(io: BlockIo): void {
    const direction = directionOf(io);
    if (direction !== UNTHROTTLED) {
      const now = this.#timers.now();
      const waitMs = this.#buckets.readyAtMs(direction, bytesOf(io)) - now;
      // Taken before the wait, so that what comes meanwhile stands behind it.
      this.#buckets.take(direction, bytesOf(io), now);
      if (waitMs > 0) this.#sleep(waitMs);
    }
    const child = this.#child.take(io);
    copyRequest(io, child.io);
    this.#child.device.strategySync(child.io);
    io.error = child.io.error;
    io.transferredBytes = child.io.transferredBytes;
    this.#child.giveBack(child);
  }

  /** For the iodone of children alone. */
  finish(child: ThrottleIo): void {
    const io = child.parent as BlockIo;
    const { error, transferredBytes } = child.io;
    this.#below -= 1;
    io.transferredBytes = transferredBytes;
    // Before the completion goes up, which may start the next request.
    this.#child.giveBack(child);
    biodone(io, error);
  }

  abort(io: BlockIo): AbortVerdict {
    for (const queue of this.#queues) {
      if (io.queue !== queue) continue;
      queue.remove(io);
      biodone(io, ECANCELED);
      // Whoever was behind it may have less to wait for.
      this.#pass();
      return 'cancelled';
    }
    return this.#child.abort(io);
  }

  poll(): number {
    this.#pass();
    return this.#child.device.poll();
  }

  /** Blocks until something completes, or until the next request may pass, whichever is first. */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    this.#clock.forget();
    this.#pass();
    const leftMs = Math.max(0, this.#nextAtMs() - this.#timers.now());
    if (leftMs === Number.POSITIVE_INFINITY) return this.#child.device.wait(timeoutMs);
    if (leftMs > timeoutMs) return this.#waitBelow(timeoutMs);
    const ended = this.#waitBelow(leftMs);
    this.#pass();
    // The caller has time left, and looks again.
    return ended === 'ETIME' ? 0 : ended;
  }

  describe(): Record<string, unknown> {
    const { limits, burstMs } = this.#buckets;
    return {
      ...limits,
      burstMs,
      waiting: this.#queues[READS].length + this.#queues[WRITES].length,
      device: this.#child.device.describe(),
    };
  }

  config(): DeviceSpec {
    const { limits, burstMs } = this.#buckets;
    return { driver: 'throttle', device: this.#child.device.config(), ...limits, burstMs };
  }

  handle(): DeviceHandle {
    const advice =
      'the limits of a throttle count one thread; open one in each of them, on attachDevice() of the device below, or on top of the pool';
    throw new SystemError(ENOTSUP, 'handle', undefined, advice);
  }

  attached(events: DriverEvents): void {
    this.#child.follow(
      {
        resized: events.resized,
        removed: () => {
          events.removed();
          // What waits completes with ENODEV, and need not wait for that.
          this.#removed = true;
          this.#pass();
        },
      },
      (sizeBytes) => sizeBytes,
    );
  }

  close(): Promise<void> {
    this.#disarm();
    return this.#child.close();
  }

  #queue(direction: number): TailQueue<BlockIo> {
    return direction === READS ? this.#queues[READS] : this.#queues[WRITES];
  }

  #forward(io: BlockIo): void {
    const child = this.#child.take(io);
    copyRequest(io, child.io);
    child.driver = this;
    child.io.iodone = childDone;
    this.#below += 1;
    this.#child.device.strategy(child.io);
  }

  /** Lets pass what may, and sets the timer for what comes next. */
  #pass(): void {
    const nothingWaits = this.#queues[READS].isEmpty && this.#queues[WRITES].isEmpty;
    if (this.#passing || (nothingWaits && this.#cancelTimer === null)) return;
    this.#passing = true;
    try {
      const now = this.#timers.now();
      for (let direction = this.#next(now); direction !== UNTHROTTLED; direction = this.#next(now)) {
        const io = this.#queue(direction).removeFirst() as BlockIo;
        this.#buckets.take(direction, bytesOf(io), now);
        this.#forward(io);
      }
    } finally {
      this.#passing = false;
    }
    this.#arm();
  }

  /** The direction whose turn it is: of those that may pass, the one whose first request has waited longer. */
  #next(nowMs: number): number {
    const reads = this.#readyAtMs(READS) <= nowMs;
    const writes = this.#readyAtMs(WRITES) <= nowMs;
    if (reads && writes) return this.#olderDirection();
    return reads ? READS : writes ? WRITES : UNTHROTTLED;
  }

  #olderDirection(): number {
    const read = this.#queues[READS].first as BlockIo;
    const write = this.#queues[WRITES].first as BlockIo;
    return ((read.sequence - write.sequence) | 0) < 0 ? READS : WRITES;
  }

  /** When the first request of a direction may pass; never if there is none. */
  #readyAtMs(direction: number): number {
    const { first } = this.#queue(direction);
    if (first === null) return Number.POSITIVE_INFINITY;
    return this.#removed ? Number.NEGATIVE_INFINITY : this.#buckets.readyAtMs(direction, bytesOf(first));
  }

  #nextAtMs(): number {
    return Math.min(this.#readyAtMs(READS), this.#readyAtMs(WRITES));
  }

  /** Sets the timer for the next request that may pass, if it is not set for then. */
  #arm(): void {
    const nextAtMs = this.#nextAtMs();
    if (this.#cancelTimer !== null && this.#timerAtMs === nextAtMs) return;
    this.#disarm();
    if (nextAtMs === Number.POSITIVE_INFINITY) return;
    this.#timerAtMs = nextAtMs;
    const delayMs = Math.max(0, nextAtMs - this.#timers.now());
    this.#cancelTimer = this.#timers.after(Math.min(delayMs, TIMER_MAX_MS), this.#fire, true);
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #waitBelow(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    if (this.#below > 0) return this.#child.device.wait(timeoutMs);
    this.#sleep(timeoutMs);
    return 'ETIME';
  }

  #sleep(delayMs: number): void {
    this.#timers.sleep(delayMs);
    this.#clock.forget();
  }
}

const UNTHROTTLED = -1;

/** A timer has 31 bits of milliseconds; who waits longer sets it again. */
const TIMER_MAX_MS = 2 ** 30;

function childDone(io: BlockIo): void {
  const child = io.private as ThrottleIo;
  (child.driver as ThrottleDriver).finish(child);
}

function directionOf({ operation }: BlockIo): number {
  if (operation === BLOCK_READ) return READS;
  return operation === BLOCK_FLUSH || operation === BLOCK_EXTENTS ? UNTHROTTLED : WRITES;
}

/** How many bytes a request moves. */
function bytesOf({ operation, lengthBytes }: BlockIo): number {
  return operation === BLOCK_READ || operation === BLOCK_WRITE || operation === BLOCK_COMPARE_AND_WRITE ? lengthBytes : 0;
}

/** A throttle changes nothing, but passes on what it knows alone (rule 12): other operations do not reach a driver. */
function copyRequest(io: BlockIo, child: BlockIo): void {
  child.operation = io.operation;
  child.flags = io.flags;
  child.buffer = io.buffer;
  child.bufferOffset = io.bufferOffset;
  child.vector = io.vector;
  child.offset = io.offset;
  child.lengthBytes = io.lengthBytes;
  child.compare = io.compare;
  child.compareOffset = io.compareOffset;
  child.extents = io.extents;
}
