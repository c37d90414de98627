import { EventEmitter } from 'node:events';
import type { TailQueue } from '@biodone/sync';
import { EAGAIN, EALREADY, EBADF, EBUSY, ECANCELED, EDEADLK, ENOTSUP, SystemError } from '@biodone/uring';
import { type BlockTimers, threadTimers } from './batch-clock.js';
import { beginSubmit, biodone, endSubmit, pollDone } from './biodone.js';
import { type AbortVerdict, BLOCK_ABORT, BLOCK_NOWAIT, BLOCK_RESET, type BlockIo, IO_DONE, IO_STARTED } from './block-io.js';
import { canBeAborted, checkRequest } from './check-request.js';
import { type BlockClaim, type ClaimKind, Claims } from './claims.js';
import type { DeviceHolder } from './device-holder.js';
import { checkDeviceOptions } from './device-options.js';
import type { BlockDriver, DeviceHandle } from './driver.js';
import { ENODEV } from './errno.js';
import { invalidValue } from './errors.js';
import type { LayeredIo } from './layered-io.js';
import { type BlockCapabilities, type BlockLimits, completeCapabilities, completeLimits } from './limits.js';
import type { PlainRequests } from './plain-requests.js';
import { RequestPath } from './request-path.js';
import { LOOK_AT_OTHERS_MS, SharedState } from './shared-state.js';
import type { DeviceSpec } from './spec.js';
import type { DeviceStatistics } from './statistics.js';

/** Options of every device. */
export interface BlockDeviceOptions {
  /**
   * After how many milliseconds a request is reported, by `onTimeout`. The layer ends none by itself: who is told decides, and can call
   * `abort` or start a BLOCK_RESET. Infinity for never.
   * @default Infinity
   */
  timeoutMs?: number;
  /** Is told of each request that takes longer than `timeoutMs`, once, and how long it has taken by then. */
  onTimeout?: (io: BlockIo, ageMs: number) => void;
  /**
   * After how many milliseconds a request that the driver ended with EAGAIN is tried again at the latest; a completion before that tries it
   * too.
   * @default 10
   */
  retryDelayMs?: number;
  /**
   * How many parts of requests can be on their way at a time, where requests have to be split or copied: each may take 64 KiB of memory.
   * @default 64
   */
  piecesMax?: number;
  /** @default this thread's */
  timers?: BlockTimers;
}

/** What a device tells of itself: see {@link BlockDevice.on}. */
export interface BlockDeviceEvents {
  /** It is gone: whatever is started now completes with ENODEV. */
  remove: [];
  /** It is larger or smaller now. */
  resize: [sizeBytes: number];
}

/**
 * A block device: the generic layer over a driver. It checks requests, splits and aligns them for the driver, does what the driver cannot,
 * counts, and drains at close (rule 11).
 *
 * A device object belongs to the thread that made it. Another thread gets its own, for the same open device, by
 * `attachDevice(device.handle())`.
 *
 * @example
 * ```js
 * import { BLOCK_WRITE, BlockIo, openMem } from '@biodone/blockdev';
 * import { IoBuffer } from '@biodone/uring';
 *
 * const device = openMem(1024);
 * const io = new BlockIo();
 * io.operation = BLOCK_WRITE;
 * io.buffer = IoBuffer.allocate(512);
 * io.lengthBytes = 512;
 * io.iodone = ({ error, transferredBytes }) => console.log(error, transferredBytes); // 0 512
 * device.strategy(io);
 * ```
 */
export class BlockDevice {
  readonly capabilities: Required<BlockCapabilities>;
  /** @internal */
  readonly state: SharedState;
  /** The claim by whose right this channel works; 0 for none. @internal */
  readonly ownClaimId: number;
  readonly #driver: BlockDriver;
  readonly #attached: boolean;
  /** Whether the driver is done with everything when it is given it. */
  readonly #isInstant: boolean;
  /** @internal */
  readonly path: RequestPath;
  readonly #plain: PlainRequests;
  readonly #claims: Claims;
  readonly #timers: BlockTimers;
  readonly #events = new EventEmitter();
  /** Requests that came while the device was quiesced. */
  readonly #held: TailQueue<BlockIo>;
  readonly #resets: BlockIo[] = [];
  /** Whether somebody waits for requests to end: for a reset, for quiet or for the end. */
  #awaited = false;
  /** Who waits for the device to be quiet. */
  readonly #quiet: (() => void)[] = [];
  #limits: Required<BlockLimits>;
  #quiesced = 0;
  /** Who works on the device through other channels. */
  readonly #holders = new Set<DeviceHolder>();
  #closing: Promise<void> | null = null;
  #drained: (() => void) | null = null;
  /** Where writes and reads end. A read may reach to the end of the block that holds a file's last byte, and is short there. @internal */
  writeEnd = 0;
  /** @internal */
  readEnd = 0;

  /**
   * Puts the generic layer over a driver. Most callers use one of the open functions.
   *
   * @param handle what another channel of the same device has given, for a driver that is attached
   * @throws RangeError ERR_OUT_OF_RANGE for limits that contradict each other, and for options out of range
   */
  constructor(driver: BlockDriver, options: BlockDeviceOptions = {}, handle?: DeviceHandle) {
    const { timers = threadTimers, retryDelayMs = 10, piecesMax = 64, timeoutMs = Number.POSITIVE_INFINITY } = options;
    // A driver's own options are for its factory to check: what is not known here may be one of those.
    checkDeviceOptions(options);
    this.#driver = driver;
    this.#limits = completeLimits(driver.limits);
    this.capabilities = completeCapabilities(driver.capabilities);
    this.#attached = handle !== undefined;
    this.#isInstant = this.capabilities.progress === 'none';
    this.ownClaimId = handle?.claimId ?? 0;
    this.state = new SharedState(handle?.shared);
    this.#claims = new Claims(this.state);
    this.#timers = timers;
    this.path = new RequestPath({
      driver,
      limits: this.#limits,
      capabilities: this.capabilities,
      state: this.state,
      ownClaimId: this.ownClaimId,
      timers,
      retryDelayMs,
      piecesMax,
      timeoutMs,
      onTimeout: (io, ageMs) => options.onTimeout?.(io, ageMs),
      startRare: (io) => this.#startRare(io),
      heed: () => {
        if (this.#awaited) this.#tellQuiet();
      },
      guarding: () => this.#mark(),
      wait: (milliseconds) => this.wait(milliseconds),
    });
    this.#plain = this.path.plain;
    this.#held = this.path.live.held;
    this.#setEnds();
    this.#refresh();
    driver.attached?.({ resized: (sizeBytes) => this.#resized(sizeBytes), removed: () => this.#removed() });
    // When nothing can fail any more: nobody would give the place in the table back.
    if (this.#attached) this.state.attach();
  }

  get limits(): Required<BlockLimits> {
    return this.#limits;
  }

  /** How many requests have been started and not been told to be done: with a callback, until that is called. */
  get inFlight(): number {
    return this.path.live.count;
  }

  /** Whether this is a channel of a device that another thread has opened: it cannot be claimed, and works by the right of its handle. */
  get attached(): boolean {
    return this.#attached;
  }

  /**
   * Whether both objects are channels of one open device, as this one's `handle()` has made the other, so that what is written through one is
   * read through the other. Handles that have come to a thread in several messages cannot be compared: false.
   */
  isChannelOf(other: BlockDevice): boolean {
    return this.state.memory === other.state.memory;
  }

  /** Whether {@link close} has been called: no request is let in any more. */
  get closed(): boolean {
    return this.#closing !== null;
  }

  /** Whether a BLOCK_RESET is under way: requests that are started now complete with ECANCELED. */
  get resetting(): boolean {
    return this.#resets.length > 0;
  }

  /**
   * Starts a request (rule 2). It never blocks and never returns an error: whatever happens, the request completes through `biodone`,
   * exactly once, and `io.iodone` is not called before this returns. Positional requests run in parallel; their order is not promised.
   *
   * An invalid request completes with EINVAL, an unknown operation or flag with ENOTSUP, a write to a read-only device with EROFS, one
   * against a claim with EPERM, any request to a removed device with ENODEV, to a closed one with EBADF.
   *
   * @throws SystemError EALREADY for a request that is in flight, or done and its callback still to be called: the one thing that it
   * cannot complete
   */
  strategy(io: BlockIo): void {
    this.path.strategy(io);
  }

  /**
   * Runs a request in the calling thread and returns with it done; `io.iodone` is not called. Results and errors are those of
   * {@link strategy}; besides them EBUSY where that one would wait for this thread: on a quiesced device, and for a range in which an asynchronous request
   * compares or changes part of a block. For what another thread has under way it sleeps. A BLOCK_RESET needs the asynchronous way: ENOTSUP.
   *
   * @throws SystemError EALREADY for a request that is in flight
   */
  strategySync(io: BlockIo): void {
    // Who closes a device that has channels, or keeps them out of a range, waits for what is under way in them: that is said beside.
    if (this.state.isShared || !this.#plain.run(io)) this.#runBeside(io);
  }

  /**
   * Starts a child request, for the driver of a device that lies over this one: as {@link strategy}, but what is done with it when this returns has no
   * callback. Mostly a device is done with it at once or has only queued it; the former is spared the way through the queue of done requests, and where
   * the driver is always done at once, as that of memory, also being counted as in flight: the child request goes the way of synchronous ones then.
   *
   * @param iodone becomes the request's, if there is something to wait for
   * @returns whether it is done; otherwise `iodone` is called later
   * @throws SystemError EALREADY for a request that is in flight
   * @internal
   */
  startNested(io: BlockIo, iodone: (io: BlockIo) => void): boolean {
    io.iodone = null;
    if (this.#isInstant && !this.state.isShared && this.#plain.run(io)) return true;
    this.path.strategy(io);
    if (io.state === IO_DONE) return true;
    io.iodone = iodone;
    return false;
  }

  /**
   * Asks for the end of a request that was started on this device (rule 10). It completes in any case, through its own callback: with
   * ECANCELED if the verdict is `'cancelled'`, or if it was in progress and could be stopped.
   *
   * @throws TypeError ERR_INVALID_ARG_VALUE for a request that is in flight on another device, or was never started. A BLOCK_ABORT for one
   * completes with EINVAL
   */
  abort(io: BlockIo): AbortVerdict {
    if (io.state !== IO_STARTED || io.device !== this.path) {
      if (canBeAborted(io, this.path)) return 'done';
      throw invalidValue('io', 'a request that was started on this device', io);
    }
    if (io.queue === this.#held) {
      this.#held.remove(io);
      this.#complete(io, ECANCELED);
      return 'cancelled';
    }
    if (this.path.layer.remove(io)) {
      this.#complete(io, ECANCELED);
      return 'cancelled';
    }
    if (io.operation >= BLOCK_RESET) return 'in-progress';
    if (io.work !== null) return (io.work as LayeredIo).abort() ? 'cancelled' : 'in-progress';
    return this.path.port.abort(io);
  }

  /** Completes what can be completed without blocking, and runs the callbacks. Returns how many requests that were. */
  poll(): number {
    if (this.path.layer.waitsForOthers) this.path.layer.finished();
    return this.path.port.poll() + pollDone();
  }

  /**
   * Blocks until a request that was started in this thread completes, and runs the callbacks. Returns at once if none is in flight.
   *
   * @returns how many completed, or why none did
   * @throws SystemError EDEADLK if only the event loop, or {@link resume}, can complete what is in flight
   */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    const early = this.poll();
    if (early > 0) return early;
    if (this.path.live.count > 0 && this.capabilities.progress === 'event-loop') {
      throw new SystemError(EDEADLK, 'wait', undefined, 'this device completes requests in the event loop alone');
    }
    if (this.path.live.count > 0 && this.path.live.count === this.#held.length) {
      throw new SystemError(EDEADLK, 'wait', undefined, 'the device is quiesced, and all that is in flight waits for resume()');
    }
    const ended = this.path.layer.waitsForOthers ? this.#waitForOthers(timeoutMs) : this.path.port.wait(timeoutMs);
    this.path.timeouts.look();
    return ended;
  }

  /**
   * For a thread that waits for several things at once, by `waitForDoors` of `@biodone/uring`, right after {@link poll} has found nothing: how long it may sleep
   * without a poll of this device, in milliseconds, because the next completion signals a door. 0 where it may not: then it is {@link wait} that waits for this device.
   *
   * @param vain how many times in a row it has slept as long as it might
   */
  beforeSleep(vain: number): number {
    const { layer, port, timeouts } = this.path;
    if (layer.waitsForOthers || timeouts.enabled || !this.#held.isEmpty) return 0;
    return port.beforeSleep(vain);
  }

  /**
   * Holds back what is started from now on, and promises when nothing is with the driver any more. It can be nested: requests go on after as
   * many calls of {@link resume}. Parts of requests that had started do not count as started now.
   *
   * It is about what comes through this object, and through who has said so by {@link hold}, as service threads have; other channels
   * ({@link handle}) are their owners' to stop.
   *
   * @throws SystemError EBADF (as a rejection) once the device is closed
   */
  quiesce(): Promise<void> {
    if (this.#closing !== null) return Promise.reject(closedError('quiesce'));
    this.#quiesced += 1;
    this.#mark();
    const holders = [...this.#holders].map((holder) => holder.quiesce());
    const own = this.#becomeQuiet();
    return holders.length === 0 ? own : Promise.all([own, ...holders]).then(() => {});
  }

  /** Ends one {@link quiesce}; the last one starts what was held back, in order. @throws SystemError EALREADY if there is none to end */
  resume(): void {
    if (this.#quiesced === 0) throw new SystemError(EALREADY, 'resume', undefined, 'the device is not quiesced');
    this.#quiesced -= 1;
    this.#mark();
    if (this.#quiesced > 0) return;
    // As the first request does: before it is checked whether the device is closed.
    if (!this.#held.isEmpty) this.state.setBusy(true);
    for (const holder of this.#holders) holder.resume();
    beginSubmit();
    try {
      for (let io = this.#held.removeFirst(); io !== null; io = this.#held.removeFirst()) {
        // It was checked when it came, and the device may be smaller, claimed or poisoned since.
        const error = this.#check(io);
        if (error !== 0) this.#complete(io, error);
        else this.path.layer.start(io);
      }
    } finally {
      endSubmit();
    }
  }

  /**
   * Claims the device: requests without this claim, and channels that were not made by its right, may do only what its kind leaves to
   * others (EPERM). Put it into `io.claim`.
   *
   * @param key for `'read-many-write-shared'`: who claims with the same one shares the right
   * @throws SystemError EBUSY if it is claimed in a way that does not go with this; EBADF once the device is closed; ENOTSUP on a channel in
   * another thread; TypeError ERR_INVALID_ARG_VALUE for a kind that there is not, or without the key
   */
  claim(kind: ClaimKind, key?: string): BlockClaim {
    if (this.#closing !== null) throw closedError('claim');
    if (this.#attached) throw notHere('claim');
    this.#refresh();
    return this.#claims.claim(kind, this.#driver.name, key);
  }

  /** Listens to a {@link BlockDeviceEvents | event}. Channels in other threads notice a change with their next request, and tell nobody. */
  on<Name extends keyof BlockDeviceEvents>(name: Name, listener: (...values: BlockDeviceEvents[Name]) => void): this {
    this.#events.on(name, listener as (...values: unknown[]) => void);
    return this;
  }

  /** Ends one {@link on}. */
  off<Name extends keyof BlockDeviceEvents>(name: Name, listener: (...values: BlockDeviceEvents[Name]) => void): this {
    this.#events.off(name, listener as (...values: unknown[]) => void);
    return this;
  }

  /**
   * Looks whether the device has another size than it had, or is gone, and emits `resize` or `remove` if so. For devices that nobody tells of
   * it, as files and disks: call it when you know, or every now and then. It does nothing for drivers that notice by themselves.
   *
   * @throws SystemError EBADF once the device is closed; what the driver gives if it cannot look
   */
  refresh(): void {
    if (this.#closing !== null) throw closedError('refresh');
    this.#driver.refresh?.();
  }

  /** What has been done since the opening, or the last {@link resetStatistics}. Times are those of a clock that is read once a batch. */
  statistics(): DeviceStatistics {
    const { counters } = this.path;
    this.#plain.settle();
    return {
      operations: counters.operations(),
      inFlight: this.path.live.count,
      inFlightMax: this.path.live.most,
      busyMs: counters.busyMs(this.path.clock.tick(), this.path.live.count),
      retries: this.path.port.retries,
      queued: this.path.port.queued,
      timeouts: counters.timeouts,
    };
  }

  resetStatistics(): void {
    this.#plain.settle();
    this.path.counters.reset(this.path.clock.tick());
    this.path.live.resetMost();
    this.path.port.retries = 0;
    this.path.port.queued = 0;
  }

  /** What the device is, as JSON for people. */
  describe(): Record<string, unknown> {
    return { driver: this.#driver.name, ...this.#driver.describe() };
  }

  /** What opens the same stack again, as JSON for `openDevice`. It holds no keys and no passphrases. */
  config(): DeviceSpec {
    return this.#driver.config();
  }

  /**
   * What another thread needs to use the same open device: see `attachDevice`. It is good until this device is closed.
   *
   * @param claim by whose right the other thread works
   * @throws SystemError EBADF if that has happened; ENOTSUP for a device that one thread alone can use
   */
  handle(claim: BlockClaim | null = null): DeviceHandle {
    if (this.#closing !== null || this.state.closedNow) throw closedError('handle');
    return { ...this.#driver.handle(), shared: this.#share(), claimId: claim?.id ?? this.ownClaimId };
  }

  /**
   * Lets no more requests in, waits for those in flight, then lets go of the device (rule 13). What a quiesced device holds back completes
   * with ECANCELED. Idempotent.
   *
   * Channels in other threads are to be closed before. Those that are not get EBADF for what they start from now on; what they have started
   * before is waited for (on Linux), so nothing of theirs reaches another file that gets the same descriptor.
   */
  close(): Promise<void> {
    if (this.#closing !== null) return this.#closing;
    this.#await(true);
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    // First of all: a callback that runs because of this must find the device closed.
    this.#closing = drained.then(() => {
      this.path.timeouts.close();
      if (this.#attached) this.state.detach();
      else return this.#closeForAll();
      return this.#driver.close();
    });
    this.#mark();
    this.#cancelHeld();
    this.#tellDrained();
    return this.#closing;
  }

  #share(): SharedArrayBuffer {
    const isFirst = !this.state.isShared;
    const shared = this.state.share(this.path.live.count > 0);
    // What is under way alone began when there was nobody to keep out.
    if (isFirst) this.path.layer.inherit();
    return shared;
  }

  /** Lets go of the device for all channels, of which none is to use the descriptor when it is closed. */
  async #closeForAll(): Promise<void> {
    this.state.setClosed();
    // Nobody tells when a thread has ended, so one has to look.
    while (this.state.channels.isBusy())
      await new Promise<void>((resolve) => this.#timers.after(LOOK_AT_OTHERS_MS, resolve, true));
    await this.#driver.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Says that somebody works on the open device beside this object, as a pool's service threads do by {@link handle}: {@link close} waits
   * {@link release}, and {@link quiesce} stops them too.
   *
   * @throws SystemError EBADF once the device is closed
   */
  hold(holder: DeviceHolder): void {
    if (this.#closing !== null) throw closedError('hold');
    this.#holders.add(holder);
    if (this.#quiesced > 0) void holder.quiesce();
  }

  /** Ends {@link hold}. */
  release(holder: DeviceHolder): void {
    this.#holders.delete(holder);
    this.#tellDrained();
  }

  /** Runs a request in the calling thread that is not plain, or of which other threads are to know. */
  #runBeside(io: BlockIo): void {
    const { path, state } = this;
    path.take(io);
    const alone = path.live.count === 0;
    if (alone) state.setBusy(true);
    if (path.plain.has(io)) path.port.startSync(io);
    else this.#runRare(io);
    io.state = IO_DONE;
    if (alone) state.setBusy(false);
    path.counters.done(io.operation, io.error, io.transferredBytes, (path.clock.tick() - io.startedAtUs) | 0);
  }

  /** What is left of a request that is not plain, before and at the driver. */
  #runRare(io: BlockIo): void {
    const waits = this.#quiesced > 0 && io.operation !== BLOCK_ABORT;
    const error = this.#check(io) || (io.operation === BLOCK_RESET ? ENOTSUP : waits ? busyOf(io) : 0);
    if (error !== 0) io.error = error;
    else if (io.operation === BLOCK_ABORT) io.verdict = this.abort(io.target as BlockIo);
    else this.path.layer.startSync(io);
  }

  #startRare(io: BlockIo): void {
    const error = this.#check(io);
    if (error !== 0) this.#complete(io, error);
    else if (io.operation >= BLOCK_RESET) this.#manage(io);
    else if (this.#quiesced > 0) this.#hold(io);
    else this.path.layer.start(io);
  }

  /** Of a request that is kept out of its range by another channel nobody tells when that is over. */
  #waitForOthers(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    const left = Math.min(timeoutMs, LOOK_AT_OTHERS_MS);
    if (this.path.port.isIdle) this.#timers.sleep(left);
    const ended = this.path.port.isIdle ? 'ETIME' : this.path.port.wait(left);
    this.path.layer.finished();
    return ended === 'ETIME' && left < timeoutMs ? pollDone() : ended;
  }

  #hold(io: BlockIo): void {
    if ((io.flags & BLOCK_NOWAIT) !== 0) {
      this.#complete(io, EAGAIN);
      return;
    }
    this.#held.insertTail(io);
    this.#lookForQuiet();
  }

  #becomeQuiet(): Promise<void> {
    if (this.path.live.count === this.#held.length) return Promise.resolve();
    this.#await(true);
    return new Promise((resolve) => this.#quiet.push(resolve));
  }

  /** What is held back has not reached the driver: who closes the device in another thread need not wait for it. */
  #lookForQuiet(): boolean {
    const isQuiet = this.path.live.count === this.#held.length;
    if (isQuiet) this.state.setBusy(false);
    return isQuiet;
  }

  /** Something has changed that plain requests depend on. */
  #mark(): void {
    const { state, readEnd, writeEnd } = this;
    const busy = this.#closing !== null || this.#resets.length > 0 || this.#quiesced > 0;
    const shut = busy || this.path.layer.guarded || state.removed;
    const readOnly = shut || this.capabilities.readOnly;
    const bounds = { limits: this.#limits, readEnd: shut ? -1 : readEnd, writeEnd: readOnly ? -1 : writeEnd };
    this.path.mark(bounds, this.#awaited);
  }

  #await(awaited: boolean): void {
    this.#awaited = awaited;
    this.#mark();
  }

  #check(io: BlockIo): number {
    if (this.state.stale) this.#refresh();
    if (this.#resets.length > 0 && io.operation !== BLOCK_ABORT) return ECANCELED;
    return checkRequest(io, this);
  }

  /** Completes a request that is not with the driver. */
  #complete(io: BlockIo, error: number): void {
    io.work = this;
    biodone(io, error);
  }

  #manage(io: BlockIo): void {
    if (io.operation === BLOCK_ABORT) {
      io.verdict = this.abort(io.target as BlockIo);
      this.#complete(io, 0);
      return;
    }
    this.#resets.push(io);
    this.#await(true);
    // What ends makes room, and nothing may start there that waits and has its turn only later in this loop.
    this.path.port.freeze();
    for (const other of this.path.live.all()) if (other !== io) this.abort(other);
    this.#tellQuiet();
  }

  #tellQuiet(): void {
    if (this.#resets.length > 0 && this.path.live.count === this.#resets.length) {
      const reset = this.#resets.pop() as BlockIo;
      this.#mark();
      this.path.port.thaw();
      // This is before the callback of the last one that it has waited for: its own comes after that.
      beginSubmit();
      this.#complete(reset, 0);
      endSubmit();
      return;
    }
    if (this.#lookForQuiet()) for (const resolve of this.#quiet.splice(0)) resolve();
    this.#tellDrained();
    this.#await(this.#resets.length > 0 || this.#quiet.length > 0 || this.#closing !== null);
  }

  #tellDrained(): void {
    if (this.path.live.count === 0 && this.#holders.size === 0) this.#drained?.();
  }

  #cancelHeld(): void {
    for (const holder of this.#holders) holder.cancel();
    // The callbacks come later: one that throws must not keep the others from being called.
    beginSubmit();
    try {
      for (let io = this.#held.removeFirst(); io !== null; io = this.#held.removeFirst()) this.#complete(io, ECANCELED);
    } finally {
      endSubmit();
    }
  }

  #resized(sizeBytes: number): void {
    this.state.resize(sizeBytes);
    this.#refresh();
    this.#events.emit('resize', sizeBytes);
  }

  #refresh(): void {
    const { state } = this;
    state.refresh();
    if (state.sizeBytes !== undefined && state.sizeBytes !== this.#limits.sizeBytes) {
      this.#limits = { ...this.#limits, sizeBytes: state.sizeBytes };
      this.path.layer.setLimits(this.#limits);
      this.#setEnds();
    }
    this.path.layer.look();
    this.#mark();
  }

  #setEnds(): void {
    const { blockSizeBytes, sizeBytes } = this.#limits;
    this.writeEnd = sizeBytes ?? Number.MAX_SAFE_INTEGER;
    this.readEnd = sizeBytes === null ? this.writeEnd : Math.ceil(sizeBytes / blockSizeBytes) * blockSizeBytes;
  }

  #removed(): void {
    if (this.state.removed) return;
    this.state.setRemoved();
    // As in #cancelHeld().
    beginSubmit();
    try {
      for (const io of this.path.live.all()) {
        // What has not reached the driver never will; what has, the driver completes.
        if (io.queue === this.#held || this.path.layer.remove(io)) this.#drop(io);
        else if (this.path.port.remove(io)) this.#drop(io);
      }
      this.path.port.startWaiting();
    } finally {
      endSubmit();
    }
    this.#events.emit('remove');
  }

  #drop(io: BlockIo): void {
    if (io.queue === this.#held) this.#held.remove(io);
    this.#complete(io, ENODEV);
  }
}

/** What a request ends with that its thread would have to wait for. */
function busyOf({ flags }: BlockIo): number {
  return (flags & BLOCK_NOWAIT) === 0 ? EBUSY : EAGAIN;
}

function closedError(call: string): SystemError {
  return new SystemError(EBADF, call, undefined, 'the device is closed');
}

function notHere(call: string): SystemError {
  return new SystemError(ENOTSUP, call, undefined, 'this is a channel of a device that another thread has opened: do it there');
}
