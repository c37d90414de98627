import {
  type AbortVerdict,
  BLOCK_FLUSH,
  BLOCK_WRITE,
  type BlockDevice,
  type BlockIo,
  IO_DONE,
  IO_STARTED,
} from '@biodone/blockdev';
import { ECANCELED, EINVAL, SystemError } from '@biodone/uring';
import { AioFile, type CancelCounts, type CancelFilter } from './aio-file.js';
import {
  AIO_BARRIER,
  AIO_ENDING,
  AIO_ENTERING,
  AIO_HELD,
  AIO_IDLE,
  AIO_LINKED,
  AIO_ORDERED,
  AIO_OVER,
  AIO_QUEUED,
  AIO_STARTED,
  AIO_TIMING,
  AIO_TURN,
  AIO_UNREAPED,
  AioOp,
  type AioOpOwner,
  HAS_DRAIN,
  HAS_KEY,
  IS_BARRIER,
  IS_LINKED,
  IS_MEMBER,
  IS_OUTSIDE,
  IS_SEVERED,
  IS_SHARED,
  IS_TIMER,
  IS_WATCHED,
  OBJECTS_MAX,
} from './aio-op.js';
import { AlarmQueue } from './alarm-queue.js';
import { type BatchTarget, type ChainTaker, submitBatch, type Verdicts } from './batch.js';
import { endWithoutDevice } from './end-without-device.js';
import { invalidType } from './errors.js';
import { Expiry } from './expiry.js';
import { type ChainPool, leaveChain } from './links.js';
import { EAGAIN, EBADF, type SubmitResult } from './operation-calls.js';
import { nameOf } from './operation-name.js';
import type { OperationTable } from './operation-table.js';
import type { OrderingKey } from './ordering-key.js';
import type { PoolLimitsHeld } from './pool-limits.js';
import type { CompleteOptions } from './pool-options.js';
import type { PoolPeers } from './pool-peers.js';
import { PoolQueue } from './pool-queue.js';
import type { PoolService } from './service.js';
import { runSynchronously, type SyncRunner } from './synchronous.js';
import { Timeouts } from './timeouts.js';
import { traceCancel, traceComplete, traceStart, traceSubmit } from './tracing.js';
import { memoryBytes, memoryBytesOf, misuseOf, refuseMisuse } from './usable.js';

/**
 * The way of an operation through its pool: {@link submit}, what it waits for, the device or the service, and {@link finish}.
 *
 * An operation that need not wait goes straight to the device: `submit` and `finish` are written for it, and all others leave them at
 * the first lines. `#directBelow` says in one number whether it must wait, `#syncPasses` whether a synchronous one must, and `#attention` whether
 * somebody may wait for its end.
 */
export abstract class Dispatcher extends PoolQueue implements SyncRunner, BatchTarget, ChainTaker, ChainPool {
  /** What a flush covers: see {@link AioFile}. */
  readonly file: AioFile;
  /** @internal */
  protected readonly table: OperationTable;
  /** Of deadlines and timeouts. @internal */
  protected readonly alarms: AlarmQueue<AioOp>;
  /** @internal */
  protected readonly timeouts: Timeouts;
  readonly #expiry: Expiry;
  /** While fewer are with the device, an operation with nothing special about it goes there at once; 0 if none may. */
  #directBelow = 0;
  /** Whether a synchronous operation with nothing special about it goes there at once. */
  #syncPasses = false;
  /** Whether an operation that is done has to be looked at. */
  #attention = false;

  constructor(device: BlockDevice, service: PoolService | null, options: CompleteOptions, table: OperationTable) {
    super(device, service, options);
    this.table = table;
    this.alarms = new AlarmQueue(options.timers);
    this.timeouts = new Timeouts(options.timers, this.alarms, {
      cancel: (op) => this.cancelCounted(op, false),
      end: (op, error) => this.#endHere(op, error),
    });
    this.#expiry = new Expiry(options.timers, this.alarms, (op) => {
      // Another pool of the class may have taken it since.
      (op.owner as Dispatcher).cancelCounted(op, !op.rare.expired);
    });
    this.file = options.file ?? AioFile.of(device);
    this.file.attach(this);
    this.reconsider();
  }

  /** In how many milliseconds the next timeout or deadline is due: 0 if it is over, Infinity if there is none. @internal */
  get alarmInMs(): number {
    return this.alarms.length === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.alarms.dueMs - this.timers.now());
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

  /** For {@link aiodone} alone: an operation is done. @internal */
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

  /** Takes an operation's place among what is under way. For the file alone. @internal */
  enter(op: AioOp): void {
    this.file.enter(op);
    if (op.operation === BLOCK_FLUSH) {
      this.file.addBarrier(op);
      return;
    }
    const key = op.orderingKey;
    if (key === null || key.take(op)) this.enqueue(op);
    else op.phase = AIO_ORDERED;
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

  /** Gives an operation its place in the order of its file. @internal */
  admit(op: AioOp): void {
    if ((op.features & HAS_KEY) !== 0) (op.orderingKey as OrderingKey).home = this;
    if (this.file.gated || (op.features & HAS_DRAIN) !== 0) this.file.hold(op);
    else this.enter(op);
  }

  /** @internal */
  misuse(op: AioOp): number {
    if (op.phase === AIO_UNREAPED && op.owner === this) this.reapOne(op);
    return misuseOf(op, this.table);
  }

  /** @internal */
  keyFault(op: AioOp): number {
    const key = op.orderingKey;
    return key !== null && key.home !== this && key.pending > 0 && (op.features & IS_TIMER) === 0 ? EINVAL : 0;
  }

  /** @internal */
  takerOf(ops: readonly AioOp[], start: number, end: number): ChainTaker | typeof EAGAIN | typeof EBADF | typeof EINVAL {
    if (this.shut || this.device.closed) return EBADF;
    // It would wait for room for ever.
    if (end - start > this.depth) return EINVAL;
    if (this.mayEnter(memoryBytesOf(ops, start, end), end - start)) return this;
    this.counters.refused += 1;
    return EAGAIN;
  }

  /** Takes an operation in, which nothing speaks against. @internal */
  accept(op: AioOp): void {
    this.useTurn();
    this.#own(op);
    op.iodone = aiodone;
    op.error = 0;
    op.transferredBytes = 0;
    this.waitingCount += 1;
    this.bytes += memoryBytes(op);
    op.submittedAtUs = this.clock.tick();
    op.submittedCoarse = this.clock.coarse;
    op.startedAtUs = op.submittedAtUs;
    if (this.traced) this.#traceSubmit(op);
    if (op.phase === AIO_ENDING) return;
    if (!this.#expiry.arm(op)) this.#endOutside(op);
    else if ((op.features & IS_TIMER) !== 0) this.#acceptTimer(op);
    else this.admit(op);
    this.counters.queuedMax = Math.max(this.counters.queuedMax, this.waitingCount);
  }

  /** The member before it in its chain has ended: it goes on, unless it waits for something else too. @internal */
  proceed(op: AioOp): void {
    if (op.phase !== AIO_LINKED) return;
    if ((op.features & IS_TIMER) !== 0) this.timeouts.add(op);
    else if (op.operation === BLOCK_FLUSH) this.startBarrier(op);
    else this.enqueue(op);
  }

  /** Makes the outcome of an operation final, and gives its turn to who comes after it. @internal */
  leave(op: AioOp): void {
    const { features } = op;
    if (features === 0) {
      this.file.finished(op);
      return;
    }
    // A flush that was ended says so, whatever those that it has waited for ended with.
    const hasWaited = (features & IS_BARRIER) !== 0 && op.phase !== AIO_ENDING && op.error !== ECANCELED;
    if (hasWaited && op.rare.coveredError !== 0) op.error = op.rare.coveredError;
    this.#expiry.disarm(op);
    // Before its place in the order is given away: what was to come after it in its chain may be ended by this.
    if ((features & IS_MEMBER) !== 0) leaveChain(op, this);
    if ((features & IS_OUTSIDE) !== 0) this.file.finishedOutside(op);
    else this.#leaveOrder(op);
    if ((features & IS_WATCHED) !== 0) {
      op.features &= ~IS_WATCHED;
      op.rare.outcome = op.error;
    }
    if ((features & IS_SHARED) !== 0) op.rare.shared?.deliver(op.error, op.transferredBytes);
  }

  /** Asks for the end of an operation of this pool. @param error what it ends with if it has not been started @internal */
  end(op: AioOp, error: number = ECANCELED): AbortVerdict {
    switch (op.phase) {
      case AIO_HELD:
        this.file.letGo(op);
        this.#endHere(op, error);
        this.file.endedHeld(op);
        return 'cancelled';
      case AIO_ENTERING:
        this.#endOutside(op, error);
        return 'cancelled';
      case AIO_BARRIER:
        this.file.removeBarrier(op);
        break;
      case AIO_ORDERED:
        (op.orderingKey as OrderingKey).waiting.remove(op);
        break;
      case AIO_QUEUED:
        this.dequeue(op);
        break;
      case AIO_LINKED:
        break;
      case AIO_TIMING:
        this.timeouts.remove(op);
        break;
      case AIO_TURN:
        // Somebody asks in a callback that runs between the begin of its turn and what its thread does then, or in the device's own code.
        if (op.state === IO_STARTED) return 'in-progress';
        break;
      case AIO_STARTED:
        return this.abort(op);
      default:
        return 'done';
    }
    this.#endHere(op, error);
    return 'cancelled';
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

  /** Asks for the end of an operation. @param severs whether those behind it in its chain are to end too, whatever comes of it. @internal */
  protected cancelCounted(op: AioOp, severs: boolean): AbortVerdict {
    const verdict = this.end(op);
    // Its deadline may come before it is told, and is not what has ended it.
    if (verdict === 'cancelled') this.#expiry.letGo(op);
    if (severs && verdict !== 'done' && (op.features & IS_MEMBER) !== 0) op.features |= IS_SEVERED;
    this.counters.cancels[verdict] += 1;
    if (this.traced) traceCancel(this, op, verdict);
    return verdict;
  }

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
      this.#own(op);
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

  #own(op: AioOp): void {
    if (op.owner === this) return;
    op.owner = this;
    if (op.number >= OBJECTS_MAX) this.table.adopt(op);
  }

  #acceptTimer(op: AioOp): void {
    op.features |= IS_OUTSIDE;
    if ((op.features & IS_LINKED) !== 0) op.phase = AIO_LINKED;
    else this.timeouts.add(op);
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

  /** Ends an operation that has been admitted, and waits for nothing any more. */
  #endHere(op: AioOp, error: number): void {
    op.phase = AIO_ENDING;
    const final = this.#expiry.errorOf(op, error);
    if (op.callback !== null) {
      endWithoutDevice(op, final);
      return;
    }
    op.error = final;
    op.state = IO_DONE;
  }

  /** Ends an operation that has no place yet: its signal has been aborted before it was submitted, or who is told of that has cancelled it. */
  #endOutside(op: AioOp, error: number = ECANCELED): void {
    if ((op.features & IS_MEMBER) !== 0) op.features |= IS_SEVERED;
    this.#endHere(op, error);
    this.file.passBy(op);
  }

  /** A listener may cancel it. */
  #traceSubmit(op: AioOp): void {
    op.phase = AIO_ENTERING;
    traceSubmit(this, op);
    if (op.phase === AIO_ENTERING) op.phase = AIO_IDLE;
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

  #leaveOrder(op: AioOp): void {
    this.file.finished(op);
    const key = op.orderingKey;
    if (key === null) return;
    if (key.appendOffset !== null && op.operation === BLOCK_WRITE && key.running === op) key.appendOffset += op.transferredBytes;
    const next = key.leave(op) as AioOp | null;
    if (next !== null) (next.owner as Dispatcher).enqueue(next);
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

/** One function for all operations, so that submitting makes no closure. */
function aiodone(io: BlockIo): void {
  const op = io as AioOp;
  (op.owner as AioOpOwner).finish(op);
}
