import { type BlockIo, IO_STARTED } from '@biodone/blockdev';
import { EIO } from '@biodone/uring';
import type { AioOp } from '../aio-op.js';
import type { ServiceMemory } from '../service-memory.js';
import { ABORT, LINK, SLOT_FREE, STATE, THREAD } from './memory-layout.js';
import type { RecordWriter } from './record-writer.js';
import { SlotQueue } from './slot-queue.js';
import { reclaimSlots, takeQueued } from './slot-states.js';

/** The operations that a pool has given to its service threads, by slot, and those of them that are done and not delivered. */
export class OperationTable {
  readonly #memory: ServiceMemory;
  readonly #records: RecordWriter;
  readonly #ops: (AioOp | null)[];
  /** A stack of the slots that are free. */
  readonly #free: Int32Array;
  #freeCount: number;
  readonly #done: SlotQueue;

  constructor(memory: ServiceMemory, records: RecordWriter) {
    const { size } = memory;
    this.#memory = memory;
    this.#records = records;
    this.#ops = new Array<AioOp | null>(size).fill(null);
    // From the end, so that the first slots are used first, and most.
    this.#free = Int32Array.from({ length: size }, (_, index) => size - 1 - index);
    this.#freeCount = size;
    this.#done = new SlotQueue(size);
  }

  /** How many operations there are. */
  get outstanding(): number {
    return this.#ops.length - this.#freeCount;
  }

  /** How many are done and have not been delivered, as far as {@link collect} has found. */
  get doneCount(): number {
    return this.#done.length;
  }

  /** A list of the operations. */
  all(): readonly AioOp[] {
    return this.#ops.filter((op) => op !== null);
  }

  /** Whether some are done, as far as {@link collect} has found. */
  get someDone(): boolean {
    return this.#done.length > 0;
  }

  /** Gives an operation a slot; -1 if there is none. */
  take(op: AioOp): number {
    if (this.#freeCount === 0) return -1;
    this.#freeCount -= 1;
    const slot = this.#free[this.#freeCount] as number;
    const at = this.#memory.slotAt(slot);
    this.#memory.words[at + ABORT] = 0;
    this.#memory.words[at + THREAD] = 0;
    op.state = IO_STARTED;
    op.slot = slot;
    this.#ops[slot] = op;
    return slot;
  }

  /** The slot of an operation; -1 if it is not here, or not any more. */
  slotOf(op: BlockIo): number {
    const { slot = -1 } = op as AioOp;
    return slot >= 0 && this.#ops[slot] === op ? slot : -1;
  }

  /** An operation that no thread has is done. */
  fail(slot: number, error: number): void {
    this.#records.fail(slot, error);
    this.#done.push(slot);
  }

  /** Takes what the threads have completed, in order. False if that is nothing. */
  collect(): boolean {
    const { words } = this.#memory;
    let link = this.#memory.takeCompleted();
    if (link === 0) return false;
    let count = 0;
    for (; link !== 0; count++) {
      const slot = link - 1;
      const at = this.#memory.slotAt(slot);
      words[at + STATE] = SLOT_FREE;
      link = words[at + LINK] as number;
      this.#done.push(slot);
    }
    this.#done.reverseLast(count);
    return true;
  }

  /** Takes the first that is done, with its answer. Its slot is free. */
  next(): AioOp {
    const slot = this.#done.shift();
    const op = this.#ops[slot] as AioOp;
    this.#ops[slot] = null;
    this.#free[this.#freeCount] = slot;
    this.#freeCount += 1;
    op.slot = -1;
    this.#records.read(op, slot);
    return op;
  }

  /** A thread has died: what it had begun ends with EIO, if its answer is not there, and the rest is queued again. The caller owns the lock. */
  reclaim(thread: number): void {
    this.collect();
    reclaimSlots(this.#memory, thread, (slot, isAnswered) => {
      if (isAnswered) this.#done.push(slot);
      else this.fail(slot, EIO);
    });
  }

  /** Ends what no thread has taken. Without the lock. */
  failWaiting(): void {
    takeQueued(this.#memory, (slot) => this.fail(slot, EIO));
  }
}
