import {
  type AbortVerdict,
  type BatchClock,
  BLOCK_FLUSH,
  BLOCK_WRITE,
  type BlockDevice,
  type BlockIo,
  type BlockTimers,
  beginSubmit,
  clockOf,
  endSubmit,
  IO_DONE,
  IO_STARTED,
} from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
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
import { AvailableLine } from './available-line.js';
import { type BatchTarget, type ChainTaker, submitBatch, type Verdicts } from './batch.js';
import { makeDiscipline } from './bufq/disciplines.js';
import { moveQueue, type QueueDiscipline } from './bufq/queue-discipline.js';
import { CompletionQueue } from './completion-queue.js';
import { countedUs } from './elapsed.js';
import { endWithoutDevice } from './end-without-device.js';
import { invalidType } from './errors.js';
import { Expiry } from './expiry.js';
import { type ChainPool, leaveChain } from './links.js';
import { nameOf } from './operation-name.js';
import type { OperationTable } from './operation-table.js';
import { type OrderingKey, place } from './ordering-key.js';
import type { PoolLimits } from './pool-limits.js';
import type { CompleteOptions } from './pool-options.js';
import type { PoolPeers } from './pool-peers.js';
import { PoolCounters } from './pool-statistics.js';
import type { PoolService } from './service.js';
import { runSynchronously, type SyncRunner } from './synchronous.js';
import { Timeouts } from './timeouts.js';
import { isTraced, traceCancel, traceComplete, traceStart, traceSubmit } from './tracing.js';
import { memoryBytes, memoryBytesOf, misuseOf, refuseMisuse } from './usable.js';

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
 * the first lines. `#directBelow` says in one number whether it must wait, `#syncPasses` whether a synchronous one must, and `#attention` whether
 * somebody may wait for its end.
 */
export abstract class Dispatcher implements AioOpOwner, SyncRunner, BatchTarget, ChainTaker, ChainPool {
  /** What the operations go to. */
  readonly device: BlockDevice;
  /** What a flush covers: see {@link AioFile}. */
  readonly file: AioFile;
  /** See the options of these names, and `configure`. */
  readonly depth: number;
  readonly inFlightMax: number;
  readonly bytesMax: number;
  /** @internal */
  protected readonly service: PoolService | null;
  /** The clock of the deadlines of its operations. */
  readonly timers: BlockTimers;
  /** @internal */
  protected readonly clock: BatchClock;
  /** @internal */
  protected readonly table: OperationTable;
  /** @internal */
  protected readonly counters: PoolCounters = new PoolCounters();
  /** Done, and not reaped yet. @internal */
  protected readonly unreaped: CompletionQueue = new CompletionQueue();
  /** Who waits for room. @internal */
  protected readonly line: AvailableLine;
  /** Of deadlines and timeouts. @internal */
  protected readonly alarms: AlarmQueue<AioOp>;
  /** @internal */
  protected readonly timeouts: Timeouts;
  /** Whether the pool lets nothing in any more. @internal */
  protected shut = false;
  /** The class that it belongs to. @internal */
  peers: PoolPeers | null = null;
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
  /** Whether a synchronous operation with nothing special about it goes there at once. */
  #syncPasses = false;
  /** Whether an operation that is done has to be looked at. */
  #attention = false;
  /** Of how many operations it is not known yet whether their completions are kept, and take the places that they had. */
  #finishing = 0;
  /** Whether somebody listens to what operations do: then none goes straight to the device. */
  #traced = false;
  /** Which reading of the clock it was when that was looked at. */
  #readings = 0;

  constructor(device: BlockDevice, service: PoolService | null, options: CompleteOptions, table: OperationTable) {
    this.device = device;
    this.service = service;
    this.depth = options.depth;
    this.inFlightMax = options.inFlightMax;
    this.bytesMax = options.bytesMax;
    this.timers = options.timers;
    this.table = table;
    this.clock = clockOf(options.timers);
    this.#queue = makeDiscipline(options.discipline);
    this.line = new AvailableLine(options.timers, (bytes, count) => {
      if (this.device.closed) this.line.fail(EBADF);
      // What has become too long for the pool is told so when it is submitted.
      return count > this.depth || this.#hasRoom(bytes, count);
    });
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

  /** How many operations have been submitted and are not done. Synchronous ones do not count. */
  get inFlight(): number {
    return this.#started + this.#waiting;
  }

  /** How many of them are with the device, or with service threads. */
  get started(): number {
    return this.#started;
  }

  /** @internal */
  get completed(): number {
    return this.counters.completed;
  }

  /** @internal */
  get waitsFor(): object {
    return this.service ?? this.device;
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
    if (clock.left <= 0 || clock.readings !== this.#readings) this.#beginBatch();
    // What is no operation, as null, is told so on the long way.
    if (op?.told === null) return this.#submitSync(op);
    if (this.#started >= this.#directBelow || !this.#isPlain(op)) return this.#submitRare(op);
    const { file } = this;
    op.iodone = aiodone;
    op.phase = AIO_STARTED;
    op.submittedAtUs = clock.us;
    op.submittedCoarse = clock.coarse;
    file.order = (file.order + 1) | 0;
    op.order = file.order;
    file.live += 1;
    this.#started += 1;
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
    this.#started -= 1;
    this.counters.done(op.operation, op.error, op.transferredBytes, this.#tookUs(op));
    this.#tell(op);
  }

  /** Whether the pool's state lets operations go straight to the device, and whether their ends are looked at. @internal */
  reconsider(): void {
    const { file, counters } = this;
    const isLimited = this.bytesMax !== Number.POSITIVE_INFINITY;
    const isQueued = this.#queue.length + this.#ready.length > 0;
    const isKept = this.line.length > 0 || (this.line.parent?.length ?? 0) > 0;
    const mayPass = !this.shut && !isQueued && !isLimited && !isKept && !file.gated && this.service === null && !this.#traced;
    const room = Math.min(this.inFlightMax, this.depth - this.#waiting - this.unreaped.length);
    // Who makes the most that there have been at a time more goes the long way, where that is noted.
    this.#syncPasses = !this.shut && !file.gated && !this.#traced;
    this.#directBelow = mayPass ? Math.min(room, counters.inFlightMax) : 0;
    const isWatched = this.#traced || this.peers?.attentive === true;
    this.#attention = this.shut || this.#waiting > 0 || isLimited || this.line.length > 0 || file.special || isWatched;
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

  /** Takes other limits: what they let in now starts, and what is under way beyond them ends as it will. @internal */
  protected setLimits({ depth, inFlightMax, bytesMax }: PoolLimits): void {
    Object.assign(this, { depth, inFlightMax, bytesMax });
    // Without a limit what goes straight to the device is not counted.
    const ops = this.table.submitted().filter((op) => op.owner === this && op.phase !== AIO_UNREAPED && op.callback !== null);
    this.#bytes = memoryBytesOf(ops, 0, ops.length);
    this.#startWaiting();
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
    if (this.#mayEnter(memoryBytesOf(ops, start, end), end - start)) return this;
    this.counters.refused += 1;
    return EAGAIN;
  }

  /** Takes an operation in, which nothing speaks against. @internal */
  accept(op: AioOp): void {
    this.#useTurn();
    this.#own(op);
    op.iodone = aiodone;
    op.error = 0;
    op.transferredBytes = 0;
    this.#waiting += 1;
    this.#bytes += memoryBytes(op);
    op.submittedAtUs = this.clock.tick();
    op.submittedCoarse = this.clock.coarse;
    op.startedAtUs = op.submittedAtUs;
    if (this.#traced) this.#traceSubmit(op);
    if (op.phase === AIO_ENDING) return;
    if (!this.#expiry.arm(op)) this.#endOutside(op);
    else if ((op.features & IS_TIMER) !== 0) this.#acceptTimer(op);
    else this.admit(op);
    this.counters.queuedMax = Math.max(this.counters.queuedMax, this.#waiting);
  }

  /** The member before it in its chain has ended: it goes on, unless it waits for something else too. @internal */
  proceed(op: AioOp): void {
    if (op.phase !== AIO_LINKED) return;
    if ((op.features & IS_TIMER) !== 0) this.timeouts.add(op);
    else if (op.operation === BLOCK_FLUSH) this.startBarrier(op);
    else this.#enqueue(op);
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

  /** Starts a flush, which waits for nothing any more but for room. For the file alone. @internal */
  startBarrier(op: AioOp): void {
    if ((op.features & IS_LINKED) !== 0) {
      op.phase = AIO_LINKED;
    } else if (op.callback === null) {
      op.phase = AIO_TURN;
    } else if (this.#started < this.inFlightMax) {
      this.#start(op);
    } else {
      op.phase = AIO_QUEUED;
      this.#ready.insertTail(op);
    }
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
        if (op.queue === this.#ready) this.#ready.remove(op);
        else this.#queue.cancel(op);
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
        return this.#abort(op);
      default:
        return 'done';
    }
    this.#endHere(op, error);
    return 'cancelled';
  }

  /** How many operations are in the queue. @internal */
  get queueLength(): number {
    return this.#queue.length;
  }

  /** Whether it would start one more operation at once. @internal */
  get isIdle(): boolean {
    if (this.shut || this.device.closed || this.#finishing > 0) return false;
    return this.#started < this.inFlightMax && this.#queue.length + this.#ready.length === 0;
  }

  /**
   * Takes the operation out of another pool's queue that would be its next, and starts it here. False if that has an ordering key or is in a
   * chain, so that it stays in its pool (rule 14), or is too large for the limits here. @internal
   */
  takeFrom(victim: Dispatcher): boolean {
    const op = victim.#queue.peek();
    if (op === null || (op.features & (HAS_KEY | IS_MEMBER)) !== 0 || !this.#hasRoom(memoryBytes(op), 1)) return false;
    victim.#queue.get();
    const bytes = memoryBytes(op);
    victim.#waiting -= 1;
    victim.#bytes -= bytes;
    op.owner = this;
    this.#waiting += 1;
    this.#bytes += bytes;
    this.counters.stolen += 1;
    this.#start(op);
    this.reconsider();
    victim.reconsider();
    victim.line.wake();
    return true;
  }

  /** Becomes one of a class. @internal */
  join(peers: PoolPeers): void {
    this.peers = peers;
    this.line.parent = peers.line;
    this.unreaped.parent = peers.completions;
  }

  /** Whether there is room for so many operations that move so many bytes. @internal */
  hasRoom(bytes: number, count: number): boolean {
    return !this.shut && this.#hasRoom(bytes, count);
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

  /** @internal */
  protected get queueDiscipline(): QueueDiscipline {
    return this.#queue;
  }

  protected set queueDiscipline(queue: QueueDiscipline) {
    moveQueue(this.#queue, queue);
    this.#queue = queue;
    // Another operation may be the next, which another pool can have.
    this.peers?.level();
  }

  /** Asks for the end of an operation. @param severs whether those behind it in its chain are to end too, whatever comes of it. @internal */
  protected cancelCounted(op: AioOp, severs: boolean): AbortVerdict {
    const verdict = this.end(op);
    if (severs && verdict !== 'done' && (op.features & IS_MEMBER) !== 0) op.features |= IS_SEVERED;
    this.counters.cancels[verdict] += 1;
    if (this.#traced) traceCancel(this, op, verdict);
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
    if (!this.#mayEnter(memoryBytes(op), 1)) {
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

  #hasRoom(bytes: number, count: number): boolean {
    if (this.inFlight + this.unreaped.length + count > this.depth) return false;
    // One that is larger than the limit goes alone.
    return this.#bytes + bytes <= this.bytesMax || this.#bytes === 0;
  }

  /** Whether there is room for who comes now, beside what is kept for the first of those who wait. */
  #mayEnter(bytes: number, count: number): boolean {
    const { line } = this;
    if (!this.#hasRoom(bytes, count)) return false;
    if (line.turn >= count || (line.parent !== null && line.parent.turn >= count)) return true;
    return this.#leavesRoom(line, bytes, count) && (line.parent === null || this.#leavesRoom(line.parent, bytes, count));
  }

  #leavesRoom({ first }: AvailableLine, bytes: number, count: number): boolean {
    // In a class it may wait for another pool, as what is too much for this one.
    if (first === null || first.count > this.depth) return true;
    if (this.inFlight + this.unreaped.length + count + first.count > this.depth) return false;
    return this.#bytes + bytes + first.bytes <= this.bytesMax;
  }

  /** An operation is submitted, perhaps by who has just been told that there is room. */
  #useTurn(): void {
    const { line } = this;
    if (line.turn > 0) line.turn -= 1;
    else if (line.parent !== null && line.parent.turn > 0) line.parent.turn -= 1;
  }

  #acceptTimer(op: AioOp): void {
    op.features |= IS_OUTSIDE;
    if ((op.features & IS_LINKED) !== 0) op.phase = AIO_LINKED;
    else this.timeouts.add(op);
  }

  #runSync(op: AioOp): void {
    if (!this.#traced) {
      runSynchronously(op, this);
      return;
    }
    const submittedAtUs = this.clock.readNow();
    traceSubmit(this, op);
    traceStart(this, op, 0);
    runSynchronously(op, this);
    traceComplete(this, op, (this.clock.readNow() - submittedAtUs) | 0);
  }

  /** The clock has been read, or is to be: what is looked at once a batch is looked at now, whether somebody traces. */
  #beginBatch(): void {
    if (this.clock.left <= 0) this.clock.read();
    this.#readings = this.clock.readings;
    const traced = isTraced();
    if (traced === this.#traced) return;
    this.#traced = traced;
    this.reconsider();
  }

  /** An operation's turn has come: it goes to the device if there is room, and nobody before it in the queue. */
  #enqueue(op: AioOp): void {
    if ((op.features & IS_LINKED) !== 0) {
      op.phase = AIO_LINKED;
      return;
    }
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
      this.peers?.level();
    }
  }

  #start(op: AioOp): void {
    let waitedUs = 0;
    if (op.phase !== AIO_IDLE) {
      // It may be out of another pool's queue.
      if (this.clock.readings !== this.#readings) this.#beginBatch();
      waitedUs = this.#tookUs(op);
      op.startedAtUs = this.clock.us;
      this.counters.waited(waitedUs);
    }
    this.#waiting -= 1;
    this.#started += 1;
    if (this.#started > this.counters.inFlightMax) this.counters.inFlightMax = this.#started;
    op.phase = AIO_STARTED;
    place(op);
    if (this.service === null) this.device.strategy(op);
    else this.service.start(op);
    if (this.#traced) traceStart(this, op, waitedUs);
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
    this.#finishing += 1;
    if (op.phase === AIO_STARTED) this.#started -= 1;
    else this.#waiting -= 1;
    this.#bytes -= memoryBytes(op);
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
    this.leave(op);
    this.#startWaiting();
  }

  #tellRare(op: AioOp): void {
    this.reconsider();
    const tookUs = this.#tookUs(op);
    if ((op.features & IS_TIMER) === 0) this.counters.done(op.operation, op.error, op.transferredBytes, tookUs);
    else this.counters.timeoutDone(nameOf(op), op.error, tookUs);
    try {
      if (this.#traced) traceComplete(this, op, tookUs);
    } finally {
      try {
        this.#tell(op);
      } finally {
        if ((op.features & IS_SHARED) !== 0 && op.phase !== AIO_UNREAPED) op.rare.shared?.giveBack();
        this.line.wake();
        this.#finishing -= 1;
        this.peers?.level();
        this.settled();
      }
    }
  }

  /** For how long an operation has been submitted. */
  #tookUs(op: AioOp): number {
    const { clock } = this;
    const tookUs = (clock.tick() - op.submittedAtUs) | 0;
    return clock.coarse - op.submittedCoarse > 1 ? countedUs(clock, op.submittedAtUs, op.submittedCoarse) : tookUs;
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

function elsewhere(): SystemError {
  return new SystemError(EINVAL, 'submit', undefined, 'operations with this ordering key are under way in another pool');
}

/** One function for all operations, so that submitting makes no closure. */
function aiodone(io: BlockIo): void {
  const op = io as AioOp;
  (op.owner as AioOpOwner).finish(op);
}
