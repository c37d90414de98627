import { BLOCK_FLUSH, type BlockDevice, IO_STARTED } from '@biodone/blockdev';
import { EINVAL, SystemError } from '@biodone/uring';
import type { CancelCounts, CancelFilter } from './aio-file.js';
import { AIO_IDLE, AIO_OVER, AIO_STARTED, AIO_UNREAPED, AioOp, IS_SHARED, IS_TIMER, OBJECTS_MAX } from './aio-op.js';
import { aiodone } from './aiodone.js';
import { type BatchTarget, submitBatch, type Verdicts } from './batch.js';
import { invalidType } from './errors.js';
import { EAGAIN, EBADF, type SubmitResult } from './operation-calls.js';
import { nameOf } from './operation-name.js';
import type { OperationTable } from './operation-table.js';
import type { PoolLimitsHeld } from './pool-limits.js';
import type { CompleteOptions } from './pool-options.js';
import { PoolOrder } from './pool-order.js';
import type { PoolPeers } from './pool-peers.js';
import type { PoolService } from './service.js';
import { runSynchronously, type SyncRunner } from './synchronous.js';
import { traceComplete, traceStart, traceSubmit } from './tracing.js';
import { memoryBytes, memoryBytesOf, refuseMisuse } from './usable.js';

/**
 * The way of an operation through its pool: {@link submit}, what it waits for, the device or the service, and {@link finish}.
 *
 * An operation that need not wait goes straight to the device: `submit` and `finish` are written for it, and all others leave them at
 * the first lines. `#directBelow` says in one number whether it must wait, `#syncPasses` whether a synchronous one must, and `#attention` whether
 * somebody may wait for its end.
 */
export abstract class Dispatcher extends PoolOrder implements SyncRunner, BatchTarget {
  /** While fewer are with the device, an operation with nothing special about it goes there at once; 0 if none may. */
  #directBelow = 0;
  /** Whether a synchronous operation with nothing special about it goes there at once. */
  #syncPasses = false;
  /** Whether an operation that is done has to be looked at. */
  #attention = false;

  constructor(device: BlockDevice, service: PoolService | null, options: CompleteOptions, table: OperationTable) {
    super(device, service, options, table);
    this.file.attach(this);
    this.reconsider();
  }

  /**
   * Submits an operation. With a callback it returns at once, and the callback runs later, once, whatever happens. With `callback === null`
   * it returns with the operation done, and the operation stays the caller's.
   *
   * @returns 0; or, with nothing done and the operation still the caller's, EAGAIN beyond `depth` or `bytesMax` (rule 9), EBADF if
   * the pool or its device is closed
   * @throws SystemError EALREADY if the operation is in flight, EINVAL if it belongs to another pool or has been taken back, or is a timeout that
   * is synchronous or would cover an operation before it, or if operations with its ordering key are under way in another pool
   */
  submit(op: AioOp): SubmitResult {
    const { clock } = this;
    // Before anything is decided by what is looked at there.
    if (clock.left <= 0 || clock.readings !== this.readings) this.beginBatch();
    // What is no operation, as null, is told so on the long way.
    if (op?.told === null) return this.#submitSync(op);
    if (this.startedCount >= this.#directBelow || !this.#isPlain(op)) return this.#submitRare(op);
    const { file } = this;
    op.iodone = aiodone;
    op.phase = AIO_STARTED;
    op.submittedAtUs = clock.us;
    op.submittedCoarse = clock.coarse;
    file.order = (file.order + 1) | 0;
    op.order = file.order;
    file.live += 1;
    this.startedCount += 1;
    this.device.strategy(op);
    return 0;
  }

  /**
   * Submits operations in their order, as many calls of {@link submit} would, and goes on behind one that is refused. Those of one turn go to the
   * kernel together: with io_uring in one system call.
   *
   * Operations that are tied by their `link` are chains (io_uring_linked_requests(7)): one starts when the one before it has completed, and a
   * chain ends with the first that has no link, or with the batch. An error or a short transfer breaks a soft link, and a cancel that finds an
   * operation in the chain any link: those behind complete with ECANCELED, one after the other. A chain is taken as a whole or not at all.
   *
   * @param verdicts takes the verdict on each operation: 0, it was taken, and its callback will come; otherwise nothing was done, and it is
   * still the caller's: EAGAIN and EBADF as from {@link submit}, EALREADY if it is in flight, EINVAL for what is no operation of the caller's,
   * for a synchronous one in a chain, a timeout that would cover none, and all members of a chain that is longer than `depth`; ECANCELED for the
   * others of a chain with a bad one. Nothing is allocated for them.
   * @returns how many operations were taken
   * @throws RangeError ERR_OUT_OF_RANGE, with nothing done, if there is an Int32Array for verdicts that is too short
   */
  submitAll(ops: readonly AioOp[], verdicts: Verdicts | null = null): number {
    return submitBatch(ops, verdicts, this);
  }

  /** For `aiodone` alone: an operation is done. @internal */
  finish(op: AioOp): void {
    if (this.#attention || op.features !== 0) {
      this.#finishRare(op);
      return;
    }
    this.file.live -= 1;
    this.startedCount -= 1;
    this.counters.done(op.operation, op.error, op.transferredBytes, this.tookUs(op));
    this.#tell(op);
  }

  /** Whether the pool's state lets operations go straight to the device, and whether their ends are looked at. @internal */
  reconsider(): void {
    const { file, counters } = this;
    const isLimited = this.bytesMax !== Number.POSITIVE_INFINITY;
    const isKept = this.line.length > 0 || (this.line.parent?.length ?? 0) > 0;
    const mayPass = !this.shut && !this.isQueued && !isLimited && !isKept && !file.gated && this.service === null && !this.traced;
    const room = Math.min(this.inFlightMax, this.depth - this.waitingCount - this.unreaped.length);
    // Who makes the most that there have been at a time more goes the long way, where that is noted.
    this.#syncPasses = !this.shut && !file.gated && !this.traced;
    this.#directBelow = mayPass ? Math.min(room, counters.inFlightMax) : 0;
    const isWatched = this.traced || this.peers?.attentive === true;
    this.#attention = this.shut || this.waitingCount > 0 || isLimited || this.line.length > 0 || file.special || isWatched;
  }

  /** Takes other limits: what is under way beyond them ends as it will. {@link useLimits} is to follow. @internal */
  setLimits(limits: PoolLimitsHeld): void {
    Object.assign(this, limits);
    // Without a limit what goes straight to the device is not counted.
    const ops = this.table.submitted().filter((op) => op.owner === this && isCounted(op));
    this.bytes = memoryBytesOf(ops, 0, ops.length);
    this.reconsider();
  }

  /** Starts what the limits let in now. @internal */
  useLimits(): void {
    this.startWaiting();
    this.reconsider();
    this.line.wake();
    this.peers?.level();
  }

  /** Becomes one of a class. @internal */
  join(peers: PoolPeers): void {
    this.peers = peers;
    this.line.parent = peers.line;
    this.unreaped.parent = peers.completions;
  }

  /** @internal */
  keepCompletion(op: AioOp): void {
    op.keptGeneration = op.generation;
    op.phase = AIO_UNREAPED;
    this.unreaped.put(op);
    this.reconsider();
  }

  abstract poll(): number;

  /** Blocks until an operation completes. */
  abstract wait(timeoutMs: number): number | 'EINTR' | 'ETIME';

  abstract cancelAll(filter?: CancelFilter): CancelCounts;

  /** An operation is over, and so may be what somebody has waited for. @internal */
  protected abstract settled(): void;

  /** Takes the first completion that nobody has reaped, or this one. @internal */
  reapOne(op: AioOp | null): AioOp | null {
    if (op !== null) this.unreaped.remove(op);
    const reaped = op ?? this.unreaped.take();
    if (reaped === null) return null;
    reaped.phase = AIO_IDLE;
    if ((reaped.features & IS_SHARED) !== 0) reaped.rare.shared?.giveBack();
    this.line.wake();
    this.reconsider();
    return reaped;
  }

  /** Whether nothing holds an operation up that is its own. */
  #isPlain(op: AioOp): boolean {
    if (op?.phase !== AIO_IDLE || op.features !== 0 || op.owner !== this) return false;
    return op.operation < BLOCK_FLUSH && op.state !== IO_STARTED && op.queue === null && !this.device.closed;
  }

  /** Almost all synchronous operations go straight to the device, and nobody here has to know of them. */
  #submitSync(op: AioOp): SubmitResult {
    if (!this.#syncPasses || !this.#isPlain(op)) return this.#submitRare(op);
    this.device.strategySync(op);
    op.generation = (op.generation + 1) | 0;
    return 0;
  }

  #submitRare(op: AioOp): SubmitResult {
    if (!(op instanceof AioOp)) throw invalidType('op', 'an AioOp, from allocate() or new AioOp()', op);
    refuseMisuse(op, this.misuse(op));
    if (this.keyFault(op) !== 0) throw elsewhere();
    if (this.shut || this.device.closed) return EBADF;
    if (op.callback === null) {
      this.own(op);
      this.#runSync(op);
      op.generation = (op.generation + 1) | 0;
      return 0;
    }
    if (!this.mayEnter(memoryBytes(op), 1)) {
      this.counters.refused += 1;
      return EAGAIN;
    }
    this.accept(op);
    this.reconsider();
    return 0;
  }

  #runSync(op: AioOp): void {
    if (!this.traced) {
      runSynchronously(op, this);
      return;
    }
    const submittedAtUs = this.clock.readNow();
    traceSubmit(this, op);
    traceStart(this, op, 0);
    runSynchronously(op, this);
    traceComplete(this, op, (this.clock.readNow() - submittedAtUs) | 0);
  }

  #finishRare(op: AioOp): void {
    this.finishing += 1;
    if (op.phase === AIO_STARTED) this.startedCount -= 1;
    else this.waitingCount -= 1;
    try {
      this.#makeWay(op);
    } finally {
      // Whatever fails there, as the code of a driver that is given the next operation: this one is done, and is told.
      this.#tellRare(op);
    }
  }

  /** Makes the outcome of an operation final, and lets what has waited for it go on. */
  #makeWay(op: AioOp): void {
    if (this.timeouts.counting > 0 && (op.features & IS_TIMER) === 0) this.timeouts.completed();
    try {
      this.leave(op);
    } finally {
      // In one step: a driver that is given what comes after it may change the limits, and all that is not over is counted then.
      op.phase = AIO_OVER;
      this.bytes -= memoryBytes(op);
    }
    this.startWaiting();
  }

  #tellRare(op: AioOp): void {
    this.reconsider();
    const tookUs = this.tookUs(op);
    if ((op.features & IS_TIMER) === 0) this.counters.done(op.operation, op.error, op.transferredBytes, tookUs);
    else this.counters.timeoutDone(nameOf(op), op.error, tookUs);
    try {
      if (this.traced) traceComplete(this, op, tookUs);
    } finally {
      try {
        this.#tell(op);
      } finally {
        if ((op.features & IS_SHARED) !== 0 && op.phase !== AIO_UNREAPED) op.rare.shared?.giveBack();
        this.line.wake();
        this.finishing -= 1;
        this.peers?.level();
        this.settled();
      }
    }
  }

  /** Calls the callback, and takes the operation back if it is the pool's and the callback does not keep it. */
  #tell(op: AioOp): void {
    const { told } = op;
    // From here on its id is that of a use that is over: nobody who has it can reach the next one (rule 5).
    const generation = (op.generation + 1) | 0;
    op.generation = generation;
    op.phase = AIO_IDLE;
    let kept: boolean | undefined | void = false;
    try {
      kept = told?.(op);
    } finally {
      // An operation that the callback has submitted again is kept, whatever the callback returned or threw.
      // One that it has released itself may be somebody else's already, which the generation tells; and who has reaped one that was kept has it.
      const isLeft = kept !== true && op.phase === AIO_IDLE && op.generation === generation && op.keptGeneration !== generation;
      if (isLeft && op.number < OBJECTS_MAX) this.table.putBack(op);
    }
  }
}

/** Whether an operation that is submitted has a place among what is under way. */
function isCounted({ phase, callback }: AioOp): boolean {
  return phase !== AIO_UNREAPED && phase !== AIO_OVER && callback !== null;
}

function elsewhere(): SystemError {
  return new SystemError(EINVAL, 'submit', undefined, 'operations with this ordering key are under way in another pool');
}
