import { type AbortVerdict, BLOCK_FLUSH, BLOCK_WRITE, type BlockDevice, IO_DONE, IO_STARTED } from '@biodone/blockdev';
import { ECANCELED, EINVAL } from '@biodone/uring';
import { AioFile } from './aio-file.js';
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
  type AioOp,
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
import { aiodone } from './aiodone.js';
import { AlarmQueue } from './alarm-queue.js';
import type { ChainTaker } from './batch.js';
import { endWithoutDevice } from './end-without-device.js';
import { Expiry } from './expiry.js';
import { type ChainPool, leaveChain } from './links.js';
import { EAGAIN, EBADF } from './operation-calls.js';
import type { OperationTable } from './operation-table.js';
import type { OrderingKey } from './ordering-key.js';
import type { CompleteOptions } from './pool-options.js';
import { PoolQueue } from './pool-queue.js';
import type { PoolService } from './service.js';
import { Timeouts } from './timeouts.js';
import { traceCancel, traceSubmit } from './tracing.js';
import { memoryBytes, memoryBytesOf, misuseOf } from './usable.js';

/**
 * An operation's place among what is under way, for all that cannot go straight to the device: how it gets one, what it waits for there, and how it leaves
 * it, done or not.
 */
export abstract class PoolOrder extends PoolQueue implements ChainTaker, ChainPool {
  /** What a flush covers: see {@link AioFile}. */
  readonly file: AioFile;
  /** @internal */
  protected readonly table: OperationTable;
  /** Of deadlines and timeouts. @internal */
  protected readonly alarms: AlarmQueue<AioOp>;
  /** @internal */
  protected readonly timeouts: Timeouts;
  readonly #expiry: Expiry;

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
      (op.owner as PoolOrder).cancelCounted(op, !op.rare.expired);
    });
    this.file = options.file ?? AioFile.of(device);
  }

  /** In how many milliseconds the next timeout or deadline is due: 0 if it is over, Infinity if there is none. @internal */
  get alarmInMs(): number {
    return this.alarms.length === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.alarms.dueMs - this.timers.now());
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
    this.own(op);
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

  /** Takes the first completion that nobody has reaped, or this one. @internal */
  abstract reapOne(op: AioOp | null): AioOp | null;

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

  /** Makes it an operation of this pool. @internal */
  protected own(op: AioOp): void {
    if (op.owner === this) return;
    op.owner = this;
    if (op.number >= OBJECTS_MAX) this.table.adopt(op);
  }

  #acceptTimer(op: AioOp): void {
    op.features |= IS_OUTSIDE;
    if ((op.features & IS_LINKED) !== 0) op.phase = AIO_LINKED;
    else this.timeouts.add(op);
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

  #leaveOrder(op: AioOp): void {
    this.file.finished(op);
    const key = op.orderingKey;
    if (key === null) return;
    if (key.appendOffset !== null && op.operation === BLOCK_WRITE && key.running === op) key.appendOffset += op.transferredBytes;
    const next = key.leave(op) as AioOp | null;
    if (next !== null) (next.owner as PoolOrder).enqueue(next);
  }
}
