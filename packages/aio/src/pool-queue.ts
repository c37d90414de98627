import { type AbortVerdict, type BlockDevice, beginSubmit, endSubmit, IO_DONE } from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import {
  AIO_IDLE,
  AIO_LINKED,
  AIO_QUEUED,
  AIO_STARTED,
  AIO_TURN,
  type AioOp,
  type AioOpOwner,
  HAS_KEY,
  IS_LINKED,
  IS_MEMBER,
} from './aio-op.js';
import { makeDiscipline } from './bufq/disciplines.js';
import { moveQueue, type QueueDiscipline } from './bufq/queue-discipline.js';
import { countedUs } from './elapsed.js';
import { place } from './ordering-key.js';
import type { CompleteOptions } from './pool-options.js';
import type { PoolPeers } from './pool-peers.js';
import { PoolRoom } from './pool-room.js';
import type { PoolService } from './service.js';
import { isTraced, traceStart } from './tracing.js';
import { memoryBytes } from './usable.js';

/** What waits for the device of a pool, and how it gets there: to the device itself, or to who serves the pool. */
export abstract class PoolQueue extends PoolRoom implements AioOpOwner {
  /** @internal */
  protected readonly service: PoolService | null;
  /** The class that it belongs to. @internal */
  peers: PoolPeers | null = null;
  /** Whether somebody listens to what operations do: then none goes straight to the device. @internal */
  protected traced = false;
  /** Which reading of the clock it was when that was looked at. @internal */
  protected readings = 0;
  /** Of how many operations it is not known yet whether their completions are kept, and take the places that they had. @internal */
  protected finishing = 0;
  #queue: QueueDiscipline;
  /** Flushes that have waited for what they cover, and only wait for room at the device now. */
  readonly #ready = new TailQueue<AioOp>();

  constructor(device: BlockDevice, service: PoolService | null, options: CompleteOptions) {
    super(device, options);
    this.service = service;
    this.#queue = makeDiscipline(options.discipline);
  }

  /** @internal */
  get waitsFor(): object {
    return this.service ?? this.device;
  }

  /** How many operations are in the queue. @internal */
  get queueLength(): number {
    return this.#queue.length;
  }

  /** Whether something waits for room at the device. @internal */
  protected get isQueued(): boolean {
    return this.#queue.length + this.#ready.length > 0;
  }

  /** Whether it would start one more operation at once. @internal */
  get isIdle(): boolean {
    if (this.shut || this.device.closed || this.finishing > 0) return false;
    return this.startedCount < this.inFlightMax && !this.isQueued;
  }

  /** @internal */
  abstract finish(op: AioOp): void;
  /** @internal */
  abstract enter(op: AioOp): void;
  /** @internal */
  abstract keepCompletion(op: AioOp): void;
  /** @internal */
  abstract reconsider(): void;

  /** Starts a flush, which waits for nothing any more but for room. For the file alone. @internal */
  startBarrier(op: AioOp): void {
    if ((op.features & IS_LINKED) !== 0) {
      op.phase = AIO_LINKED;
    } else if (op.callback === null) {
      op.phase = AIO_TURN;
    } else if (this.startedCount < this.inFlightMax) {
      this.#start(op);
    } else {
      op.phase = AIO_QUEUED;
      this.#ready.insertTail(op);
    }
  }

  /**
   * Takes the operation out of another pool's queue that would be its next, and starts it here. False if that has an ordering key or is in a
   * chain, so that it stays in its pool (rule 14), or is too large for the limits here. @internal
   */
  takeFrom(victim: PoolQueue): boolean {
    const op = victim.#queue.peek();
    if (op === null || (op.features & (HAS_KEY | IS_MEMBER)) !== 0 || !this.fits(memoryBytes(op), 1)) return false;
    victim.#queue.get();
    const bytes = memoryBytes(op);
    victim.waitingCount -= 1;
    victim.bytes -= bytes;
    op.owner = this;
    this.waitingCount += 1;
    this.bytes += bytes;
    this.counters.stolen += 1;
    this.#start(op);
    this.reconsider();
    victim.reconsider();
    victim.line.wake();
    return true;
  }

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

  /** An operation's turn has come: it goes to the device if there is room, and nobody before it in the queue. @internal */
  protected enqueue(op: AioOp): void {
    if ((op.features & IS_LINKED) !== 0) {
      op.phase = AIO_LINKED;
      return;
    }
    if (op.callback === null) {
      op.phase = AIO_TURN;
      return;
    }
    const hasRoom = this.startedCount < this.inFlightMax && !this.isQueued;
    // What no queue could sort the device refuses at once.
    if (hasRoom || !Number.isSafeInteger(op.offset)) {
      this.#start(op);
    } else {
      op.phase = AIO_QUEUED;
      this.#queue.put(op);
      this.peers?.level();
    }
  }

  /** Takes an operation out that waits here. @internal */
  protected dequeue(op: AioOp): void {
    if (op.queue === this.#ready) this.#ready.remove(op);
    else this.#queue.cancel(op);
  }

  /** Starts what waits, as far as there is room. @internal */
  protected startWaiting(): void {
    while (this.startedCount < this.inFlightMax) {
      const op = this.#ready.removeFirst() ?? this.#queue.get();
      if (op === null) return;
      this.#start(op);
    }
  }

  /** Asks for the end of an operation that has been started. @internal */
  protected abort(op: AioOp): AbortVerdict {
    if (op.state === IO_DONE) return 'done';
    // A driver may complete it in here, and this is not the place for callbacks.
    beginSubmit();
    try {
      return this.service === null ? this.device.abort(op) : this.service.abort(op);
    } finally {
      endSubmit();
    }
  }

  /** The clock has been read, or is to be: what is looked at once a batch is looked at now, whether somebody traces. @internal */
  protected beginBatch(): void {
    if (this.clock.left <= 0) this.clock.read();
    this.readings = this.clock.readings;
    const traced = isTraced();
    if (traced === this.traced) return;
    this.traced = traced;
    this.reconsider();
  }

  /** For how long an operation has been submitted. @internal */
  protected tookUs(op: AioOp): number {
    const { clock } = this;
    const tookUs = (clock.tick() - op.submittedAtUs) | 0;
    return clock.coarse - op.submittedCoarse > 1 ? countedUs(clock, op.submittedAtUs, op.submittedCoarse) : tookUs;
  }

  #start(op: AioOp): void {
    let waitedUs = 0;
    if (op.phase !== AIO_IDLE) {
      // It may be out of another pool's queue.
      if (this.clock.readings !== this.readings) this.beginBatch();
      waitedUs = this.tookUs(op);
      op.startedAtUs = this.clock.us;
      this.counters.waited(waitedUs);
    }
    this.waitingCount -= 1;
    this.startedCount += 1;
    if (this.startedCount > this.counters.inFlightMax) this.counters.inFlightMax = this.startedCount;
    op.phase = AIO_STARTED;
    place(op);
    if (this.service === null) this.device.strategy(op);
    else this.service.start(op);
    if (this.traced) traceStart(this, op, waitedUs);
  }
}
