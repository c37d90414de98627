import { EALREADY, SystemError } from '@biodone/uring';
import { type BatchClock, type BlockTimers, clockOf } from './batch-clock.js';
import { beginSubmit, endSubmit, putOff, submitting } from './biodone.js';
import { type BlockIo, type BlockIoOwner, IO_DONE, IO_STARTED } from './block-io.js';
import type { BlockDriver } from './driver.js';
import { DriverPort, NOT_DONE } from './driver-port.js';
import { Layer } from './layer.js';
import type { BlockCapabilities, BlockLimits } from './limits.js';
import { LiveRequests } from './live-requests.js';
import { type PlainBounds, PlainRequests } from './plain-requests.js';
import { RequestTimeouts } from './request-timeouts.js';
import type { SharedState } from './shared-state.js';
import { Counters } from './statistics.js';

/** What the path of requests needs of the device that it is a part of. */
export interface RequestPathParts {
  readonly driver: BlockDriver;
  readonly limits: Required<BlockLimits>;
  readonly capabilities: Required<BlockCapabilities>;
  readonly state: SharedState;
  readonly ownClaimId: number;
  readonly timers: BlockTimers;
  readonly retryDelayMs: number;
  readonly piecesMax: number;
  readonly timeoutMs: number;
  readonly onTimeout: (io: BlockIo, ageMs: number) => void;
  /** A request is not plain: see {@link PlainRequests}. */
  readonly startRare: (io: BlockIo) => void;
  /** A request has ended, and {@link RequestPath.heeded} says that somebody cares. */
  readonly heed: () => void;
  /** The layer has begun to keep requests from each other's ranges, or does not any more. */
  readonly guarding: () => void;
  readonly wait: (timeoutMs: number) => number | 'EINTR' | 'ETIME';
}

/**
 * The path that every request takes, from `strategy` to the driver and back, and what lies on it. All else that a device does is in
 * BlockDevice: this is small, and an object of one kind whatever kind of device it is of, because each of its fields is looked at for each
 * request.
 */
export class RequestPath implements BlockIoOwner {
  readonly capabilities: Required<BlockCapabilities>;
  /** Whether the end of a request is more than its own affair. */
  heeded = false;
  readonly live: LiveRequests = new LiveRequests(this);
  readonly counters: Counters = new Counters();
  readonly clock: BatchClock;
  readonly port: DriverPort;
  readonly plain: PlainRequests;
  readonly layer: Layer;
  readonly timeouts: RequestTimeouts;
  /** Whether each request is watched for taking too long. */
  readonly #watched: boolean;
  readonly #parts: RequestPathParts;

  /** @throws RangeError ERR_OUT_OF_RANGE for a time that no timer can have */
  constructor(parts: RequestPathParts) {
    const { driver, limits, capabilities, state, timers } = parts;
    this.#parts = parts;
    this.capabilities = capabilities;
    this.clock = clockOf(timers);
    this.port = new DriverPort(driver, capabilities, limits.maxInFlight, parts.retryDelayMs, state, timers, this.clock);
    const { port, counters, clock } = this;
    this.plain = new PlainRequests({ state, ownClaimId: parts.ownClaimId, owner: this, port, counters, clock });
    this.layer = new Layer(this.port, limits, capabilities, state, this.live, parts.piecesMax, parts.guarding, timers);
    this.timeouts = new RequestTimeouts(this.live, timers, this.clock, parts.timeoutMs, (io, ageMs) => {
      this.counters.timeouts += 1;
      parts.onTimeout(io, ageMs);
    });
    this.#watched = this.timeouts.enabled;
  }

  strategy(io: BlockIo): void {
    const nowUs = this.take(io);
    if (this.live.add(io) === 1) this.#busy(nowUs);
    beginSubmit();
    try {
      if (this.plain.has(io)) this.port.start(io);
      else this.#parts.startRare(io);
    } finally {
      endSubmit();
    }
    if (this.#watched) this.timeouts.watch();
  }

  /** Makes a request one that is started here. Returns the time. @throws SystemError EALREADY */
  take(io: BlockIo): number {
    // One that is done and whose callback is still to be called is in the queue of those.
    if (io.state === IO_STARTED || io.queue !== null) throw inFlight();
    const nowUs = this.clock.tick();
    io.state = IO_STARTED;
    io.error = 0;
    io.transferredBytes = 0;
    io.startedAtUs = nowUs;
    // A store of an object costs more than a look: the garbage collector has to be told.
    if (io.device !== this) io.device = this;
    return nowUs;
  }

  /** For `biodone` alone. */
  completed(io: BlockIo, error: number): void {
    let final = error;
    // What the driver has never seen is not in its count.
    if (io.work !== null) io.work = null;
    else if (this.port.leave(io, error)) final = this.port.judge(io, error);
    if (final === NOT_DONE) return;
    io.error = final;
    io.state = IO_DONE;
    if (submitting > 0 && io.iodone !== null) {
      putOff(io);
    } else {
      this.finished(io);
      io.iodone?.(io);
    }
  }

  /** For `biodone` alone. */
  finished(io: BlockIo): void {
    const count = this.live.remove();
    const nowUs = this.clock.tick();
    this.counters.done(io.operation, io.error, io.transferredBytes, (nowUs - io.startedAtUs) | 0);
    if (count === 0) this.#idle(nowUs);
    if (this.heeded) this.#heed(io);
  }

  /** For `biowait` alone. */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#parts.wait(timeoutMs);
  }

  /** Takes new bounds for plain requests, and whether somebody waits for requests to end. */
  mark(bounds: PlainBounds, awaited: boolean): void {
    this.plain.set(bounds);
    this.heeded = this.#watched || awaited || this.layer.guarded;
  }

  #busy(nowUs: number): void {
    this.counters.busy(nowUs);
    this.#parts.state.setBusy(true);
  }

  #idle(nowUs: number): void {
    this.counters.idle(nowUs);
    this.#parts.state.setBusy(false);
  }

  #heed(io: BlockIo): void {
    if (this.#watched) this.timeouts.forget(io);
    if (this.layer.guarded) this.layer.finished();
    this.#parts.heed();
  }
}

function inFlight(): SystemError {
  return new SystemError(EALREADY, 'strategy', undefined, 'this request is in flight');
}
