import { BlockIo } from '@biodone/blockdev';

/**
 * What a pool calls when an operation is done. It returns true to keep the operation, to submit it again now or later; otherwise the pool
 * takes it back when the call returns, and it must not be touched after.
 */
export type AioCallback = (op: AioOp) => boolean | undefined | void;

/** What takes an operation back when it is done: its pool. */
export interface AioOpOwner {
  /** The I/O is done, `error` and `transferredBytes` are final. Calls the operation's callback. */
  finish(op: AioOp): void;
}

/**
 * An asynchronous operation: the one object that goes from the caller through the pool and the device and back. It is the block layer's
 * request, {@link BlockIo}, with what the protocol adds.
 *
 * Get one from `AioServicePool.allocate`, fill in `operation`, `buffer`, `bufferOffset`, `offset`, `lengthBytes` and `callback`, and
 * submit it. When the callback runs, `error` is 0 or the positive errno and `transferredBytes` says how much was moved.
 */
export class AioOp extends BlockIo {
  /** The pool that made it, and that it is submitted to. */
  readonly owner: AioOpOwner;
  /** Called when it is done. Null means synchronous: `submit` runs the operation in the calling thread (rule 3). */
  callback: AioCallback | null = null;
  /** Whether it belongs to its pool: from `submit` until its callback begins. */
  submitted = false;
  /** How often the pool has taken this object back. */
  generation = 0;
  /** Where it stands in the memory that service threads share, while it is with them; otherwise -1. */
  slot = -1;
  readonly #number: number;

  /** Use `AioServicePool.allocate`. */
  constructor(owner: AioOpOwner, number: number) {
    super();
    this.owner = owner;
    this.#number = number;
  }

  /** Names this use of the object: once the pool has taken it back, the same object has another id (rule 5). */
  get id(): number {
    return this.generation * OBJECTS_MAX + this.#number;
  }
}

/** Operations that a pool can make; with 2^33 generations of each, an id stays a safe integer. */
export const OBJECTS_MAX: number = 2 ** 20;
