import { TailQueue } from '@biodone/sync';
import { EAGAIN, EBUSY, EINVAL, ENOTSUP, IoBuffer } from '@biodone/uring';
import type { BlockTimers } from './batch-clock.js';
import { beginSubmit, biodone, endSubmit } from './biodone.js';
import {
  BLOCK_ATOMIC,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_NOWAIT,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  BlockIo,
  IO_STARTED,
} from './block-io.js';
import type { DriverPort } from './driver-port.js';
import { EXTENT_DATA } from './extent-list.js';
import { LayeredIo, type LayerParts } from './layered-io.js';
import type { BlockCapabilities, BlockLimits } from './limits.js';
import type { LiveRequests } from './live-requests.js';
import { PiecePool } from './piece.js';
import { isMultiple } from './plain-requests.js';
import { RangeLock } from './range-lock.js';
import { LOOK_AT_OTHERS_MS, type SharedState } from './shared-state.js';

/** How much a piece copies at a time, if a unit of the driver is not larger. */
const BOUNCE_BYTES = 65536;

/**
 * What the generic layer does to requests on their way to the driver: most go straight on; those that the driver cannot take as they are get a
 * {@link LayeredIo}.
 */
export class Layer {
  readonly #port: DriverPort;
  readonly #capabilities: Required<BlockCapabilities>;
  readonly #state: SharedState;
  readonly #live: LiveRequests;
  readonly #pool: PiecePool;
  readonly #ranges: RangeLock;
  readonly #free = new TailQueue<LayeredIo>();
  #limits: Required<BlockLimits>;
  readonly #parts: LayerParts;
  /** Is told that {@link guarded} has changed. */
  readonly #guarding: () => void;
  /** The limits that every request is held against, where they are in reach of the hot path. */
  #maxTransfer = 0;
  #memoryAlignment = 1;
  #unit = 1;
  #boundary = 0;
  /** Whether the driver's unit is the caller's, and nothing must not be crossed. */
  #plain = true;
  #guarded = false;
  readonly #timers: BlockTimers;
  /** Stands for the request of another channel that keeps others out. */
  readonly #foreign = new BlockIo();
  /** The request for which this channel has taken the lock of all channels; it waits for them, or is under way. */
  #locker: BlockIo | null = null;
  /** Whether nothing is under way here in the range that another channel has locked. */
  #acknowledged = true;
  /** Whether this channel has the lock for what began before there were others. */
  #inherited = false;
  #cancelLook: (() => void) | null = null;
  /** Whether those that wait for a range are being looked at, and whether something has ended meanwhile. */
  #looking = false;
  #lookAgain = false;

  constructor(
    port: DriverPort,
    limits: Required<BlockLimits>,
    capabilities: Required<BlockCapabilities>,
    state: SharedState,
    live: LiveRequests,
    piecesMax: number,
    guarding: () => void,
    timers: BlockTimers,
  ) {
    this.#timers = timers;
    this.#foreign.state = IO_STARTED;
    this.#guarding = guarding;
    this.#port = port;
    this.#limits = limits;
    this.#capabilities = capabilities;
    this.#state = state;
    this.#live = live;
    this.#pool = new PiecePool(piecesMax);
    this.#ranges = new RangeLock(() => this.#limits);
    this.#setLimits(limits);
    this.#parts = this.#makeParts(limits);
  }

  /** Whether a range is locked, or somebody waits for one. */
  get guarded(): boolean {
    return this.#guarded;
  }

  /** Whether somebody waits here for other channels, of which nobody tells. */
  get waitsForOthers(): boolean {
    return this.#state.isShared && !this.#ranges.blocked.isEmpty;
  }

  /** Other channels come: they are kept out of everything while what has begun without them is under way. */
  inherit(): void {
    if (!this.#ranges.hasLocked) return;
    const everything = Object.assign(new BlockIo(), { operation: BLOCK_COMPARE_AND_WRITE });
    this.#inherited = this.#state.takeRange(everything, 0, Number.MAX_SAFE_INTEGER);
  }

  /** Looks whether another channel keeps this one out of a range, and tells it when nothing is under way here there. */
  look(): void {
    const uses = this.#state.isShared ? this.#state.readRange(this.#foreign) : -1;
    const foreign = uses < 0 ? null : this.#foreign;
    const changed = foreign !== this.#ranges.foreign;
    this.#ranges.foreign = foreign;
    this.#acknowledged = foreign === null || !this.#isTouched(foreign);
    if (foreign !== null && this.#acknowledged) this.#state.acknowledgeRange(uses);
    if (changed) this.#guard(!this.#ranges.idle);
  }

  /** Takes new limits: the size has changed. */
  setLimits(limits: Required<BlockLimits>): void {
    this.#setLimits(limits);
    this.#parts.limits = limits;
  }

  /** Starts a request that has been checked. */
  start(io: BlockIo): void {
    if (this.#guarded && this.#ranges.mustWait(io)) this.#block(io);
    else this.#admit(io);
  }

  /** Keeps a request that has to wait for another one, unless it is not to wait. */
  #block(io: BlockIo): void {
    if ((io.flags & BLOCK_NOWAIT) === 0) {
      this.#ranges.blocked.insertTail(io);
      this.#watchOthers();
      return;
    }
    if (this.#isFreedByEnd(io)) {
      this.#admit(io);
      return;
    }
    if (this.#locker === io) this.#unlock(io);
    // What has not reached the driver is not in its count.
    io.work = this;
    biodone(io, EAGAIN);
  }

  /** Starts a request that has to wait for no other. */
  #admit(io: BlockIo): void {
    if (this.#isDirect(io)) this.#port.start(io);
    else this.#startWork(io);
  }

  /** Runs a request that has been checked, and leaves its error in it. */
  startSync(io: BlockIo): void {
    if (this.#guarded && this.#ranges.mustWait(io) && !this.#sleepUntilFree(io)) {
      io.error = waitErrorOf(io);
    } else if (this.#isDirect(io)) {
      this.#port.startSync(io);
    } else if (io.operation === BLOCK_EXTENTS) {
      everythingIsData(io);
    } else {
      io.error = this.#refuse(io) || (this.#isExclusive(io) ? this.#runAlone(io) : this.#runSync(io));
    }
  }

  /** A request is done, while something is {@link guarded}: who has waited for its range is started. */
  finished(): void {
    this.#lookAgain = true;
    // One without a callback can complete inside start(), and come here again.
    if (this.#looking) return;
    this.#looking = true;
    // This is not the place for the callbacks of those that complete at once.
    beginSubmit();
    try {
      if (this.#state.isShared) this.look();
      while (this.#lookAgain) {
        this.#lookAgain = false;
        this.#startBlocked();
      }
    } finally {
      endSubmit();
      this.#looking = false;
      this.#guard(!this.#ranges.idle);
    }
  }

  #guard(guarded: boolean): void {
    this.#guarded = guarded;
    this.#guarding();
  }

  #startBlocked(): void {
    const { blocked } = this.#ranges;
    for (let io = blocked.first, next: BlockIo | null; io !== null; io = next) {
      next = blocked.next(io);
      if (this.#ranges.mustWait(io) || (this.#isExclusive(io) && !this.#isAlone(io))) continue;
      blocked.remove(io);
      // Not start(), which would put it behind those that came after it.
      this.#admit(io);
    }
  }

  /** Takes a request out that waits for a range. */
  remove(io: BlockIo): boolean {
    if (io.queue !== this.#ranges.blocked) return false;
    this.#ranges.blocked.remove(io);
    if (this.#locker === io) this.#unlock(io);
    return true;
  }

  /** Whether the driver can have the request as it is. */
  #isDirect(io: BlockIo): boolean {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_WRITE) return this.#isTransferable(io);
    if (operation === BLOCK_FLUSH) return true;
    if (operation === BLOCK_DISCARD) {
      return io.lengthBytes <= this.#limits.maxDiscardBytes && this.#fitsUnits(io) && !this.#needsFlush(io);
    }
    if (operation === BLOCK_EXTENTS) {
      return this.#capabilities.extents && io.offset % this.#unit === 0 && io.lengthBytes % this.#unit === 0;
    }
    if (operation !== BLOCK_COMPARE_AND_WRITE || !this.#capabilities.compareAndWrite) return false;
    return this.#isTransferable(io) && ((io.compare?.address ?? 0) + io.compareOffset) % this.#memoryAlignment === 0;
  }

  #isTransferable(io: BlockIo): boolean {
    return (io.flags === 0 || !this.#needsFlush(io)) && this.#fitsDriver(io);
  }

  /** Whether the driver can move it in one go. */
  #fitsDriver(io: BlockIo): boolean {
    if (io.lengthBytes > this.#maxTransfer || (!this.#plain && !this.#fitsUnits(io))) return false;
    if (io.vector !== null) return this.#fitsVector(io);
    return this.#memoryAlignment === 1 || isMultiple((io.buffer?.address ?? 0) + io.bufferOffset, this.#memoryAlignment);
  }

  /** Whether it is to be stable, and the driver does not make it so. */
  #needsFlush({ flags }: BlockIo): boolean {
    return (flags & BLOCK_FUA) !== 0 && this.#capabilities.fua !== 'native';
  }

  #fitsUnits({ offset, lengthBytes }: BlockIo): boolean {
    if (!isMultiple(offset, this.#unit) || !isMultiple(lengthBytes, this.#unit)) return false;
    return this.#boundary === 0 || (offset % this.#boundary) + lengthBytes <= this.#boundary;
  }

  #fitsVector({ vector }: BlockIo): boolean {
    const segments = vector?.segments ?? [];
    // A driver for one part of memory looks for it in `buffer`, also if the vector has but one.
    if (this.#limits.maxSegments === 1 || segments.length > this.#limits.maxSegments) return false;
    const alignment = this.#memoryAlignment;
    if (alignment === 1) return true;
    // Who moves memory in whole units cannot end one part in the middle of a unit, and begin the next there.
    const unit = this.#unit;
    return segments.every(
      ({ memory, memoryOffset, lengthBytes }) => (memory.address + memoryOffset) % alignment === 0 && lengthBytes % unit === 0,
    );
  }

  #startWork(io: BlockIo): void {
    const error = io.operation === BLOCK_EXTENTS ? 0 : this.#refuse(io);
    const exclusive = error === 0 && this.#isExclusive(io);
    if (exclusive && !this.#isAlone(io)) {
      this.#block(io);
      this.#guard(!this.#ranges.idle);
      return;
    }
    const layered = this.#free.removeFirst() ?? new LayeredIo(this.#parts);
    io.work = layered;
    layered.exclusive = exclusive;
    if (io.operation === BLOCK_EXTENTS) {
      layered.parent = io;
      everythingIsData(io);
      this.#done(layered, 0);
      return;
    }
    if (error !== 0) {
      layered.parent = io;
      this.#done(layered, error);
      return;
    }
    if (exclusive) {
      if (this.#locker !== io) this.#ranges.lock(io);
      this.#guard(true);
    }
    layered.begin(io);
  }

  #runSync(io: BlockIo): number {
    const layered = this.#free.removeFirst() ?? new LayeredIo(this.#parts);
    const error = layered.runSync(io);
    this.#recycle(layered);
    return error;
  }

  #done(layered: LayeredIo, error: number): void {
    const io = layered.parent as BlockIo;
    if (layered.exclusive) this.#unlock(io);
    this.#recycle(layered);
    biodone(io, error);
  }

  #recycle(layered: LayeredIo): void {
    layered.parent = null;
    this.#free.insertHead(layered);
  }

  #refuse(io: BlockIo): number {
    // Other channels write as they like, unless they are kept out: what this one has compared, or read of a unit to change a part, could change before it writes.
    if (this.#state.isShared && this.#isExclusive(io) && this.#state.isUnlockable) return ENOTSUP;
    if (io.operation === BLOCK_COMPARE_AND_WRITE) return 0;
    // In pieces it would be no more than its pieces are.
    if ((io.flags & BLOCK_ATOMIC) !== 0 && !this.#fitsDriver(io)) return EINVAL;
    // Part of a unit is zeroed by writing it, which is not fast.
    const isFast = io.operation === BLOCK_WRITE_ZEROES && (io.flags & BLOCK_FAST_ONLY) !== 0;
    return isFast && (io.offset % this.#unit !== 0 || io.lengthBytes % this.#unit !== 0) ? ENOTSUP : 0;
  }

  /** Whether the work reads first what it writes then. */
  #isExclusive(io: BlockIo): boolean {
    if (io.operation === BLOCK_COMPARE_AND_WRITE) return !this.#isDirect(io);
    if (this.#unit === this.#limits.blockSizeBytes) return false;
    const partial = io.offset % this.#unit !== 0 || io.lengthBytes % this.#unit !== 0;
    return partial && io.operation !== BLOCK_READ && io.operation !== BLOCK_DISCARD && io.operation !== BLOCK_EXTENTS;
  }

  /** Whether nobody is in the range of a request that wants it for itself, in this channel or others. Takes the lock of all channels for it. */
  #isAlone(io: BlockIo): boolean {
    if (this.#isTouched(io)) return false;
    if (!this.#state.isShared) return true;
    if (this.#locker !== io) {
      if (this.#locker !== null || !this.#take(io)) return false;
      // What comes to this channel now waits for it too.
      this.#locker = io;
      this.#ranges.lock(io);
    }
    return this.#state.firstBusyInRange < 0;
  }

  #take(io: BlockIo): boolean {
    return this.#state.takeRange(io, this.#ranges.begin(io), this.#ranges.end(io));
  }

  #unlock(io: BlockIo): void {
    this.#ranges.unlock(io);
    if (this.#locker === io) this.#locker = null;
    else if (this.#inherited && !this.#ranges.hasLocked) this.#inherited = false;
    else return;
    this.#state.releaseRange();
  }

  /** Sees to it that who waits here for other channels goes on when those have gone. */
  #watchOthers(): void {
    if (!this.#state.isShared) return;
    this.look();
    this.#cancelLook ??= this.#timers.after(
      LOOK_AT_OTHERS_MS,
      () => {
        this.#cancelLook = null;
        if (this.#ranges.blocked.isEmpty) return;
        this.#state.dropDeadRange();
        this.#watchOthers();
        this.finished();
      },
      true,
    );
  }

  /** Blocks until no other channel keeps a request out of its range. False if this thread is not to wait, or would wait for itself. */
  #sleepUntilFree(io: BlockIo): boolean {
    for (;;) {
      if (this.#state.isShared) this.look();
      if (!this.#guarded || !this.#ranges.mustWait(io)) return true;
      if (this.#isFreedByEnd(io)) return true;
      if (!this.#ranges.isKeptByOther(io) || !this.#maySleep(io)) return false;
      this.#timers.sleep(LOOK_AT_OTHERS_MS);
    }
  }

  /** Whether a request has to wait no more because the thread that kept it out by the lock of all channels has ended. */
  #isFreedByEnd(io: BlockIo): boolean {
    if (!this.#state.isShared || !this.#ranges.isKeptByOther(io)) return false;
    this.#state.dropDeadRange();
    this.look();
    return !this.#ranges.mustWait(io);
  }

  /** Whether whoever has the lock of all channels gets on while this thread sleeps. */
  #maySleep({ flags }: BlockIo): boolean {
    return (flags & BLOCK_NOWAIT) === 0 && this.#acknowledged && !this.#state.isRangeOfThisThread;
  }

  /** Runs a request that wants its range for itself. */
  #runAlone(io: BlockIo): number {
    if (this.#isTouched(io)) return waitErrorOf(io);
    if (!this.#state.isShared) return this.#runSync(io);
    // One of this channel that is under way has it.
    if (this.#locker !== null) return waitErrorOf(io);
    while (!this.#take(io)) {
      this.look();
      if (!this.#maySleep(io)) return waitErrorOf(io);
      this.#timers.sleep(LOOK_AT_OTHERS_MS);
    }
    try {
      for (let other = this.#state.firstBusyInRange; other >= 0; other = this.#state.firstBusyInRange) {
        if ((io.flags & BLOCK_NOWAIT) !== 0 || this.#state.channels.isOfThisThread(other)) return waitErrorOf(io);
        this.#timers.sleep(LOOK_AT_OTHERS_MS);
      }
      return this.#runSync(io);
    } finally {
      this.#state.releaseRange();
    }
  }

  /** Whether a write to the range is under way. */
  #isTouched(io: BlockIo): boolean {
    return this.#live.some((other) => this.#ranges.isTouchedBy(other, io));
  }

  #setLimits(limits: Required<BlockLimits>): void {
    this.#limits = limits;
    this.#maxTransfer = limits.maxTransferBytes;
    this.#memoryAlignment = limits.memoryAlignmentBytes;
    this.#unit = limits.transferUnitBytes;
    this.#boundary = limits.boundaryBytes;
    this.#plain = this.#unit === limits.blockSizeBytes && this.#boundary === 0;
  }

  #makeParts(limits: Required<BlockLimits>): LayerParts {
    const wanted = Math.max(this.#unit, Math.min(BOUNCE_BYTES, this.#maxTransfer));
    const bounceBytes = wanted - (wanted % this.#unit);
    return {
      port: this.#port,
      pool: this.#pool,
      limits,
      capabilities: this.#capabilities,
      bounceBytes,
      zeros: () => zeros(bounceBytes),
      done: (layered, error) => this.#done(layered, error),
    };
  }
}

/** What a request ends with that the calling thread would have to wait for. */
function waitErrorOf({ flags }: BlockIo): number {
  return (flags & BLOCK_NOWAIT) === 0 ? EBUSY : EAGAIN;
}

function everythingIsData(io: BlockIo): void {
  io.extents?.clear();
  io.extents?.add(io.offset, io.lengthBytes, EXTENT_DATA);
  io.transferredBytes = io.lengthBytes;
}

let zeroMemory: IoBuffer | null = null;

/** Zeros for all devices of the thread. Nobody writes into them. */
function zeros(lengthBytes: number): IoBuffer {
  if (zeroMemory === null || zeroMemory.lengthBytes < lengthBytes)
    zeroMemory = IoBuffer.allocate(Math.max(lengthBytes, BOUNCE_BYTES));
  return zeroMemory;
}
