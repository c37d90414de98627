import {
  type AbortVerdict,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockDevice,
  type BlockIo,
  type BlockTimers,
  beginSubmit,
  endSubmit,
  IO_DONE,
  IO_STARTED,
} from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import { EALREADY, ECANCELED, SystemError } from '@biodone/uring';
import { AioFile, type CancelCounts, type CancelFilter } from './aio-file.js';
import {
  AIO_BARRIER,
  AIO_ENDING,
  AIO_FREE,
  AIO_HELD,
  AIO_IDLE,
  AIO_ORDERED,
  AIO_QUEUED,
  AIO_STARTED,
  AIO_TURN,
  AIO_UNREAPED,
  type AioOp,
  type AioOpOwner,
  HAS_DRAIN,
  IS_BARRIER,
  IS_OUTSIDE,
  IS_SHARED,
  IS_WATCHED,
  OBJECTS_MAX,
} from './aio-op.js';
import { AvailableLine } from './available-line.js';
import { makeDiscipline } from './bufq/disciplines.js';
import { moveQueue, type QueueDiscipline } from './bufq/queue-discipline.js';
import { CompletionQueue } from './completion-queue.js';
import { endWithoutDevice } from './end-without-device.js';
import { Expiry } from './expiry.js';
import { notTheCallers, OperationTable } from './operation-table.js';
import { type OrderingKey, place } from './ordering-key.js';
import { PoolClock } from './pool-clock.js';
import type { CompleteOptions } from './pool-options.js';
import { PoolCounters } from './pool-statistics.js';
import type { PoolService } from './service.js';
import { runSynchronously, type SyncRunner } from './synchronous.js';

/** What `submit` returns when the pool is full. */
export const EAGAIN = 11 as const;
/** What `submit` returns when the pool is closed. */
export const EBADF = 9 as const;

/** What `submit` returns: 0, or why nothing was done. */
export type SubmitResult = 0 | typeof EAGAIN | typeof EBADF;

/**
 * The way of an operation through its pool: {@link submit}, what it waits for, the device or the service, and {@link finish}.
 *
 * An operation that need not wait goes straight to the device: `submit` and `finish` are written for it, and all others leave them at
 * the first line. `#directBelow` says in one number whether it must wait, and `#attention` whether somebody may wait for its end.
 */
export abstract class Dispatcher implements AioOpOwner, SyncRunner {
  /** What the operations go to. */
  readonly device: BlockDevice;
  /** What a flush covers: see {@link AioFile}. */
  readonly file: AioFile;
  /** See the options of these names. */
  readonly depth: number;
  readonly inFlightMax: number;
  readonly bytesMax: number;
  /** @internal */
  protected readonly service: PoolService | null;
  /** @internal */
  readonly timers: BlockTimers;
  /** @internal */
  protected readonly clock: PoolClock;
  /** @internal */
  protected readonly table: OperationTable = new OperationTable();
  /** @internal */
  protected readonly counters: PoolCounters = new PoolCounters();
  /** Done, and not reaped yet. @internal */
  protected readonly unreaped: CompletionQueue = new CompletionQueue();
  /** Who waits for room. @internal */
  protected readonly line: AvailableLine;
  /** Whether the pool lets nothing in any more. @internal */
  protected shut = false;
  #queue: QueueDiscipline;
  readonly #expiry: Expiry;
  /** Flushes that have waited for what they cover, and only wait for room at the device now. */
  readonly #ready = new TailQueue<AioOp>();
  /** How many operations are with the device, and how many are submitted and are not. */
  #started = 0;
  #waiting = 0;
  #bytes = 0;
  /** While fewer are with the device, an operation with nothing special about it goes there at once; 0 if none may. */
  #directBelow = 0;
  /** Whether an operation that is done has to be looked at. */
  #attention = false;

  constructor(device: BlockDevice, service: PoolService | null, options: CompleteOptions) {
    this.device = device;
    this.service = service;
    this.depth = options.depth;
    this.inFlightMax = options.inFlightMax;
    this.bytesMax = options.bytesMax;
    this.timers = options.timers;
    this.clock = new PoolClock(options.timers);
    this.#queue = makeDiscipline(options.discipline);
    this.line = new AvailableLine(options.timers, (bytes) => this.#hasRoom(bytes));
    this.#expiry = new Expiry(options.timers, (op) => this.#cancelCounted(op));
    this.file = options.file ?? AioFile.of(device);
    this.file.attach(this);
    this.reconsider();
  }

  /** How many operations have been submitted and are not done. Synchronous ones do not count. */
  get inFlight(): number {
    return this.#started + this.#waiting;
  }

  /** How many of them are with the device, or with service threads. */
  get started(): number {
    return this.#started;
  }

  /**
   * Submits an operation. With a callback it returns at once, and the callback runs later, once, whatever happens. With `callback === null`
   * it returns with the operation done, and the operation stays the caller's.
   *
   * @returns 0; or, with nothing done and the operation still the caller's, EAGAIN beyond `depth` or `bytesMax` (rule 9), EBADF if
   * the pool or its device is closed
   * @throws SystemError EALREADY if the operation is in flight, EINVAL if it belongs to another pool or has been taken back
   */
  submit(op: AioOp): SubmitResult {
    if (this.#started >= this.#directBelow || !this.#isPlain(op)) return this.#submitRare(op);
    const { file } = this;
    op.iodone = aiodone;
    op.phase = AIO_STARTED;
    file.order = (file.order + 1) | 0;
    op.order = file.order;
    file.live += 1;
    this.#started += 1;
    this.device.strategy(op);
    return 0;
  }

  /** For {@link aiodone} alone: an operation is done. @internal */
  finish(op: AioOp): void {
    if (this.#attention || op.features !== 0) {
      this.#finishRare(op);
      return;
    }
    this.file.live -= 1;
    this.#started -= 1;
    this.counters.done(op.error, op.transferredBytes);
    this.#tell(op);
  }

  /**
   * Whether the pool's state lets operations go straight to the device, and whether their ends are looked at. Whoever wants to see all of them,
   * as tracing does, makes it so here, and looks in {@link #submitRare} and {@link #finishRare}. @internal
   */
  reconsider(): void {
    const { file, counters } = this;
    const isLimited = this.bytesMax !== Number.POSITIVE_INFINITY;
    const isQueued = this.#queue.length + this.#ready.length > 0;
    const mayPass = !this.shut && !isQueued && !isLimited && !file.gated && this.service === null;
    const room = Math.min(this.inFlightMax, this.depth - this.#waiting - this.unreaped.length);
    // Who makes the most that there have been at a time more goes the long way, where that is noted.
    this.#directBelow = mayPass ? Math.min(room, counters.inFlightMax) : 0;
    this.#attention = this.shut || this.#waiting > 0 || isLimited || this.line.length > 0 || file.special;
  }

  /** Takes an operation's place among what is under way. For the file alone. @internal */
  enter(op: AioOp): void {
    this.file.enter(op);
    if (op.operation === BLOCK_FLUSH) {
      this.file.addBarrier(op);
      return;
    }
    const key = op.orderingKey;
    if (key === null || key.take(op)) this.#enqueue(op);
    else op.phase = AIO_ORDERED;
  }

  /** Gives an operation its place in the order of its file. @internal */
  admit(op: AioOp): void {
    if (this.file.gated || (op.features & HAS_DRAIN) !== 0) this.file.hold(op);
    else this.enter(op);
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
    if ((features & IS_OUTSIDE) !== 0) op.features &= ~IS_OUTSIDE;
    else this.#leaveOrder(op);
    if ((features & IS_WATCHED) !== 0) {
      op.features &= ~IS_WATCHED;
      op.rare.outcome = op.error;
    }
    if ((features & IS_SHARED) !== 0) op.rare.shared?.deliver(op.error, op.transferredBytes);
  }

  /** Starts a flush, which waits for nothing any more but for room. For the file alone. @internal */
  startBarrier(op: AioOp): void {
    if (op.callback === null) {
      op.phase = AIO_TURN;
    } else if (this.#started < this.inFlightMax) {
      this.#start(op);
    } else {
      op.phase = AIO_QUEUED;
      this.#ready.insertTail(op);
    }
  }

  /** Asks for the end of an operation of this pool. @internal */
  end(op: AioOp): AbortVerdict {
    switch (op.phase) {
      case AIO_HELD:
        op.features |= IS_OUTSIDE;
        this.file.remove(op);
        break;
      case AIO_BARRIER:
        this.file.remove(op);
        break;
      case AIO_ORDERED:
        (op.orderingKey as OrderingKey).waiting.remove(op);
        break;
      case AIO_QUEUED:
        if (op.queue === this.#ready) this.#ready.remove(op);
        else this.#queue.cancel(op);
        break;
      case AIO_STARTED:
        return this.#abort(op);
      default:
        return 'done';
    }
    this.#endHere(op, ECANCELED);
    return 'cancelled';
  }

  /** @internal */
  keepCompletion(op: AioOp): void {
    op.phase = AIO_UNREAPED;
    this.unreaped.put(op);
    this.reconsider();
  }

  /** Blocks until an operation completes. */
  abstract wait(timeoutMs: number): number | 'EINTR' | 'ETIME';

  abstract cancelAll(filter?: CancelFilter): CancelCounts;

  /** An operation is over, and so may be what somebody has waited for. @internal */
  protected abstract settled(): void;

  /** @internal */
  protected get queueDiscipline(): QueueDiscipline {
    return this.#queue;
  }

  protected set queueDiscipline(queue: QueueDiscipline) {
    moveQueue(this.#queue, queue);
    this.#queue = queue;
  }

  /** Takes the first completion that nobody has reaped, or this one. @internal */
  protected reapOne(op: AioOp | null): AioOp | null {
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
    if (op.phase !== AIO_IDLE || op.features !== 0 || op.owner !== this || op.callback === null) return false;
    return op.operation < BLOCK_FLUSH && op.state !== IO_STARTED && op.queue === null && !this.device.closed;
  }

  #submitRare(op: AioOp): SubmitResult {
    if (op.phase === AIO_UNREAPED && op.owner === this) this.reapOne(op);
    this.#checkUsable(op);
    if (this.shut || this.device.closed) return EBADF;
    if (op.owner !== this) {
      op.owner = this;
      if (op.number >= OBJECTS_MAX) this.table.adopt(op);
    }
    if (op.callback === null) {
      runSynchronously(op, this);
      return 0;
    }
    if (!this.#hasRoom(memoryBytes(op))) {
      this.counters.refused += 1;
      return EAGAIN;
    }
    op.iodone = aiodone;
    op.error = 0;
    op.transferredBytes = 0;
    this.#waiting += 1;
    this.#bytes += memoryBytes(op);
    op.startedAtUs = this.clock.nowUs();
    if (this.#expiry.arm(op)) this.admit(op);
    else this.#endOutside(op);
    this.counters.queuedMax = Math.max(this.counters.queuedMax, this.#waiting);
    this.reconsider();
    return 0;
  }

  #checkUsable(op: AioOp): void {
    if (op.submitted || op.state === IO_STARTED || (op.queue !== null && op.phase !== AIO_FREE))
      throw new SystemError(EALREADY, 'submit', undefined, `operation ${op.id} is in flight`);
    if (op.phase === AIO_FREE || (op.number < OBJECTS_MAX && !this.table.owns(op))) notTheCallers(op, 'submit');
  }

  #hasRoom(bytes: number): boolean {
    if (this.inFlight + this.unreaped.length >= this.depth) return false;
    return this.#bytes + bytes <= this.bytesMax || this.inFlight === 0;
  }

  #cancelCounted(op: AioOp): void {
    this.counters.cancels[this.end(op)] += 1;
  }

  /** An operation's turn has come: it goes to the device if there is room, and nobody before it in the queue. */
  #enqueue(op: AioOp): void {
    if (op.callback === null) {
      op.phase = AIO_TURN;
      return;
    }
    const hasRoom = this.#started < this.inFlightMax && this.#queue.length + this.#ready.length === 0;
    // What no queue could sort the device refuses at once.
    if (hasRoom || !Number.isSafeInteger(op.offset)) {
      this.#start(op);
    } else {
      op.phase = AIO_QUEUED;
      this.#queue.put(op);
    }
  }

  #start(op: AioOp): void {
    if (op.phase !== AIO_IDLE) this.counters.queueWait.record((this.clock.nowUs() - op.startedAtUs) | 0);
    this.#waiting -= 1;
    this.#started += 1;
    if (this.#started > this.counters.inFlightMax) this.counters.inFlightMax = this.#started;
    op.phase = AIO_STARTED;
    place(op);
    if (this.service === null) this.device.strategy(op);
    else this.service.start(op);
  }

  /** Starts what waits, as far as there is room. */
  #startWaiting(): void {
    while (this.#started < this.inFlightMax) {
      const op = this.#ready.removeFirst() ?? this.#queue.get();
      if (op === null) return;
      this.#start(op);
    }
  }

  #abort(op: AioOp): AbortVerdict {
    if (op.state === IO_DONE) return 'done';
    // A driver may complete it in here, and this is not the place for callbacks.
    beginSubmit();
    try {
      return this.service === null ? this.device.abort(op) : this.service.abort(op);
    } finally {
      endSubmit();
    }
  }

  /** Ends an operation that has been admitted, and waits for nothing any more. */
  #endHere(op: AioOp, error: number): void {
    op.phase = AIO_ENDING;
    if (op.callback === null) op.error = error;
    else endWithoutDevice(op, error);
  }

  #endOutside(op: AioOp): void {
    op.features |= IS_OUTSIDE;
    this.#endHere(op, ECANCELED);
  }

  #finishRare(op: AioOp): void {
    if (op.phase === AIO_STARTED) this.#started -= 1;
    else this.#waiting -= 1;
    this.#bytes -= memoryBytes(op);
    this.leave(op);
    this.#startWaiting();
    this.reconsider();
    this.counters.done(op.error, op.transferredBytes);
    try {
      this.#tell(op);
    } finally {
      if ((op.features & IS_SHARED) !== 0 && op.phase !== AIO_UNREAPED) op.rare.shared?.giveBack();
      this.line.wake();
      this.settled();
    }
  }

  #leaveOrder(op: AioOp): void {
    this.file.finished(op);
    const key = op.orderingKey;
    if (key === null) return;
    if (key.appendOffset !== null && op.operation === BLOCK_WRITE && key.running === op) key.appendOffset += op.transferredBytes;
    const next = key.leave(op) as AioOp | null;
    if (next !== null) (next.owner as Dispatcher).#enqueue(next);
  }

  /** Calls the callback, and takes the operation back if it is the pool's and the callback does not keep it. */
  #tell(op: AioOp): void {
    const { generation, callback } = op;
    op.phase = AIO_IDLE;
    let kept: boolean | undefined | void = false;
    try {
      kept = callback?.(op);
    } finally {
      // An operation that the callback has submitted again is kept, whatever the callback returned or threw.
      // One that it has released itself may be somebody else's already, which the generation tells.
      if (kept !== true && op.phase === AIO_IDLE && op.generation === generation && op.number < OBJECTS_MAX)
        this.table.putBack(op);
    }
  }
}

/** One function for all operations, so that submitting makes no closure. */
function aiodone(io: BlockIo): void {
  const op = io as AioOp;
  (op.owner as AioOpOwner).finish(op);
}

/** How many bytes of memory an operation moves. */
function memoryBytes({ operation, lengthBytes }: AioOp): number {
  const moves = operation === BLOCK_READ || operation === BLOCK_WRITE || operation === BLOCK_COMPARE_AND_WRITE;
  // What is no length the device refuses.
  return moves && Number.isSafeInteger(lengthBytes) && lengthBytes > 0 ? lengthBytes : 0;
}
