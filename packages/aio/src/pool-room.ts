import { type BatchClock, type BlockDevice, type BlockTimers, clockOf } from '@biodone/blockdev';
import { AvailableLine } from './available-line.js';
import { CompletionQueue } from './completion-queue.js';
import { EBADF, OperationCalls } from './operation-calls.js';
import { inFlightWishOf } from './pool-limits.js';
import type { CompleteOptions } from './pool-options.js';
import { PoolCounters } from './pool-statistics.js';

/**
 * How much a pool takes: its limits, how much is under way, and who waits for room (rule 9).
 *
 * A base class, as PoolQueue above it, and not an object that a pool has: a pool's fields are looked at for each operation, and are to lie side by side.
 */
export abstract class PoolRoom extends OperationCalls {
  /** What the operations go to. */
  readonly device: BlockDevice;
  /** See the options of these names, and `configure`. */
  readonly depth: number;
  readonly inFlightMax: number;
  /** The `inFlightMax` that was asked for. @internal */
  readonly inFlightWish: number;
  readonly bytesMax: number;
  /** The clock of the deadlines of its operations. */
  readonly timers: BlockTimers;
  /** @internal */
  protected readonly clock: BatchClock;
  /** @internal */
  protected readonly counters: PoolCounters = new PoolCounters();
  /** Done, and not reaped yet. @internal */
  protected readonly unreaped: CompletionQueue = new CompletionQueue();
  /** Who waits for room. @internal */
  protected readonly line: AvailableLine;
  /** Whether the pool lets nothing in any more. @internal */
  protected shut = false;
  /** How many operations are with the device, and how many are submitted and are not. @internal */
  protected startedCount = 0;
  /** @internal */
  protected waitingCount = 0;
  /** How many bytes they move: of all of them if there is a limit, or else of those that do not go straight to the device. @internal */
  protected bytes = 0;

  constructor(device: BlockDevice, options: CompleteOptions) {
    super();
    const { depth, inFlightMax, bytesMax, timers } = options;
    this.device = device;
    this.depth = depth;
    this.inFlightMax = inFlightMax;
    this.inFlightWish = inFlightWishOf(options);
    this.bytesMax = bytesMax;
    this.timers = timers;
    this.clock = clockOf(timers);
    this.line = new AvailableLine(timers, (bytes, count) => {
      if (this.device.closed) this.line.fail(EBADF);
      // What has become too long for the pool is told so when it is submitted.
      return count > this.depth || this.fits(bytes, count);
    });
  }

  /** How many operations have been submitted and are not done. Synchronous ones do not count. */
  get inFlight(): number {
    return this.startedCount + this.waitingCount;
  }

  /** How many of them are with the device, or with service threads. */
  get started(): number {
    return this.startedCount;
  }

  /** @internal */
  get completed(): number {
    return this.counters.completed;
  }

  /** Whether there is room for so many operations that move so many bytes. @internal */
  hasRoom(bytes: number, count: number): boolean {
    return !this.shut && this.fits(bytes, count);
  }

  /** As {@link hasRoom}, also of a pool that is being closed. @internal */
  protected fits(bytes: number, count: number): boolean {
    if (this.inFlight + this.unreaped.length + count > this.depth) return false;
    // One that is larger than the limit goes alone.
    return this.bytes + bytes <= this.bytesMax || this.bytes === 0;
  }

  /** Whether there is room for who comes now, beside what is kept for the first of those who wait. @internal */
  protected mayEnter(bytes: number, count: number): boolean {
    const { line } = this;
    if (!this.fits(bytes, count)) return false;
    if (line.turn >= count || (line.parent !== null && line.parent.turn >= count)) return true;
    return this.#leavesRoom(line, bytes, count) && (line.parent === null || this.#leavesRoom(line.parent, bytes, count));
  }

  /** An operation is submitted, perhaps by who has just been told that there is room. @internal */
  protected useTurn(): void {
    const { line } = this;
    if (line.turn > 0) line.turn -= 1;
    else if (line.parent !== null && line.parent.turn > 0) line.parent.turn -= 1;
  }

  #leavesRoom({ first }: AvailableLine, bytes: number, count: number): boolean {
    // In a class it may wait for another pool, as what is too much for this one.
    if (first === null || first.count > this.depth) return true;
    if (this.inFlight + this.unreaped.length + count + first.count > this.depth) return false;
    return this.bytes + bytes + first.bytes <= this.bytesMax;
  }
}
