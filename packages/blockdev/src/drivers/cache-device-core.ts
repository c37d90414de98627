import type { IoBuffer } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_READ, type BLOCK_WRITE } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { ENODEV } from '../errno.js';
import type { CacheDeviceMap } from './cache-device-map.js';
import { NO_SLOT } from './cache-index.js';
import { CacheLines } from './cache-lines.js';
import { CacheState } from './cache-state.js';
import { Waiter, type Waiting } from './cache-waiter.js';
import type { CacheWriteBack } from './cache-write-back.js';
import { aim } from './cow-transfers.js';
import { type StepOp, StepOps } from './step-op.js';

/** The lines of a cache that lie on a device, and where. */
export class CacheDeviceLines extends CacheLines {
  /** Where the first slot is. */
  readonly dataOffset: number;

  constructor(index: CacheLines['index'], lineBytes: number, sizeBytes: number, dataOffset: number) {
    super(index, lineBytes, sizeBytes);
    this.dataOffset = dataOffset;
  }

  /** Up to which line, from one that is there on, lines are there side by side. @returns how many that are, at most up to `behind` */
  runOf(slot: number, line: number, behind: number): number {
    let run = 1;
    while (line + run < behind && this.index.find(line + run) === slot + run) run += 1;
    return run;
  }

  /** How long some lines are together. */
  lengthOfLines(line: number, count: number): number {
    return Math.min(count * this.lineBytes, this.sizeBytes - line * this.lineBytes);
  }

  pinRun(slot: number, run: number): void {
    for (let each = slot; each < slot + run; each++) this.index.pin(each);
  }

  unpinRun(slot: number, run: number): void {
    for (let each = slot; each < slot + run; each++) this.index.unpin(each);
  }
}

/** What the parts of the driver of a cache on a device have in common. */
export class CacheDeviceCore extends CacheState<CacheDeviceLines> {
  /** Where the lines are. */
  readonly fast: BlockDevice;
  readonly fastClaim: BlockClaim | null;
  readonly map: CacheDeviceMap;
  readonly ops: StepOps = new StepOps();
  /** A write that finds no slot goes to the device below instead. */
  override readonly waitsForSlots: boolean = false;
  /** Whether dirty lines were written to the cache device since that was flushed. */
  unstableFast = false;
  /** The errno with which a flush of the cache device has failed, after which nobody knows what it holds; 0 if none has. */
  poison = 0;
  /** Operations that nobody waits for. */
  readonly #background: StepOp[] = [];
  /** Slots of dirty lines that are being written over, and how many they are. */
  readonly #held: Uint8Array;
  #heldCount = 0;
  readonly #waiters = new Map<StepOp, Waiter>();
  #writeBack: CacheWriteBack | null = null;
  #idle: (() => void) | null = null;

  constructor(
    store: CacheDeviceLines,
    map: CacheDeviceMap,
    [below, fast]: readonly [BlockDevice, BlockDevice],
    [claim, fastClaim]: readonly [BlockClaim | null, BlockClaim | null],
  ) {
    super(store, below, claim);
    this.fast = fast;
    this.fastClaim = fastClaim;
    this.map = map;
    this.#held = new Uint8Array(store.index.slots);
  }

  get writeBack(): CacheWriteBack {
    return this.#writeBack as CacheWriteBack;
  }

  set writeBack(writeBack: CacheWriteBack) {
    this.#writeBack = writeBack;
  }

  /** Sends a part of the lines from a slot on, in or out. */
  sendFast(
    op: StepOp,
    operation: typeof BLOCK_READ | typeof BLOCK_WRITE,
    slot: number,
    within: number,
    buffer: IoBuffer,
    bufferOffset: number,
    lengthBytes: number,
  ): number {
    const { dataOffset, lineBytes } = this.store;
    aim(op, operation, dataOffset + slot * lineBytes + within, buffer, bufferOffset, lengthBytes);
    return op.send(this.fast, this.fastClaim);
  }

  /** Makes the next request of an operation a read of whole lines from below, into its memory. */
  sendReadBelow(op: StepOp, line: number, count: number): number {
    const { store } = this;
    op.block = line;
    op.count = count;
    op.taken = 0;
    aim(op, BLOCK_READ, line * store.lineBytes, op.staging(count * store.lineBytes), 0, store.lengthOfLines(line, count));
    return op.send(this.device, this.claim);
  }

  /** Keeps a line dirty until {@link letGo}: who writes over it has no room of his own for it. */
  hold(slot: number): void {
    const { index } = this.store;
    this.#held[slot] = 1;
    this.#heldCount += 1;
    if (index.isWriting(slot)) index.setDirty(slot);
  }

  letGo(slot: number): void {
    if (this.#held[slot] === 0) return;
    this.#held[slot] = 0;
    this.#heldCount -= 1;
  }

  /** Whether there is a line that cannot be written back now. */
  get holdsAny(): boolean {
    return this.#heldCount > 0 || this.through.length > 0;
  }

  override isThrough(line: number): boolean {
    const slot = this.#heldCount === 0 ? NO_SLOT : this.store.index.find(line);
    return (slot !== NO_SLOT && this.#held[slot] === 1) || super.isThrough(line);
  }

  /** A line was written to, in its slot. */
  dirtied(slot: number): void {
    this.store.index.setDirty(slot);
    this.map.dirtied(slot);
    this.unstableFast = true;
  }

  /** Forgets a line that the device below has, or that nothing is known of any more. */
  abandon(slot: number): void {
    const { index } = this.store;
    if (this.map.has(slot)) {
      // Whatever a crash would make of it must not come back after a flush.
      this.map.bar(index.lineOf(slot));
      this.unstableBelow = true;
    }
    index.drop(slot);
  }

  /** The cache device does not take what is written to it: nothing new is put there any more, and what is dirty there is written back at once. */
  failFast(isSync: boolean): void {
    if (!this.takesLines) return;
    this.takesLines = false;
    // In the calling thread nothing is started that would need another one to end it.
    if (!isSync) this.writeBack.urge();
  }

  /** The cache device is gone. What was dirty on it is lost, which flushes tell. */
  loseFast(): void {
    if (this.store.index.unclean > 0) {
      this.poison ||= ENODEV;
      this.failure ||= ENODEV;
    }
    this.takesLines = false;
    this.writeBack.progress();
  }

  waiterOf(op: StepOp): Waiter {
    let waiter = this.#waiters.get(op);
    if (waiter === undefined) {
      waiter = new Waiter(new WaitingStep(op, this.ops));
      this.#waiters.set(op, waiter);
    }
    return waiter;
  }

  /** How many operations there are that nobody waits for. */
  get background(): number {
    return this.#background.length;
  }

  /** Nobody waits for an operation any more, or ever did. */
  putInBackground(op: StepOp): void {
    this.#background.push(op);
  }

  /** One of them has ended. */
  backgroundEnded(op: StepOp): void {
    this.#background.splice(this.#background.indexOf(op), 1);
    if (this.#background.length === 0) this.#idle?.();
  }

  /**
   * Whether somebody has a part of a range, or waits for one. For who cannot wait: those who only put lines on the cache device that nobody waits for
   * give way, and what they have read is not kept.
   */
  isTaken(range: StepOp): boolean {
    const { ranges } = this.ops;
    for (const op of this.#background) {
      if (op.queue === null || op.begin >= range.end || range.begin >= op.end) continue;
      op.stale = true;
      ranges.leave(op);
    }
    return ranges.isTaken(range);
  }

  /** Resolves when there is none of them. */
  async untilIdle(): Promise<void> {
    if (this.#background.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    this.#idle = null;
  }
}

/** An operation that waits for room, or for what is on its way to the device below. */
class WaitingStep implements Waiting {
  readonly #op: StepOp;
  readonly #ops: StepOps;

  constructor(op: StepOp, ops: StepOps) {
    this.#op = op;
    this.#ops = ops;
  }

  get begin(): number {
    return this.#op.begin;
  }

  get end(): number {
    return this.#op.end;
  }

  resume(): void {
    this.#ops.run(this.#op);
  }
}
