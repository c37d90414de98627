import { BLOCK_WRITE, type BlockIo } from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';

/** Options of {@link OrderingKey}. */
export interface OrderingKeyOptions {
  /**
   * Where the first write goes, in bytes, if writes are appended: each write with the key then gets as its offset where the one before it has
   * ended.
   * @default null: operations keep their own offsets
   */
  appendOffset?: number | null;
}

/**
 * What keeps operations in order: those with the same key run one after the other, in the order of their submission (rule 7). It stands for an
 * open file that is appended to, or for a stream: a pipe, a socket, a terminal.
 *
 * Operations with one key all go through one pool while any are under way, or they would have no common order (rule 14): another one refuses them with
 * EINVAL. Synchronous ones wait for their turn too.
 * An operation that fails or is cancelled holds up none.
 */
export class OrderingKey {
  /** Those behind {@link running}, in order. @internal */
  readonly waiting: TailQueue<BlockIo> = new TailQueue<BlockIo>();
  /** How many a drain holds, which have no place in the line yet. @internal */
  held = 0;
  /** Whose turn it is. @internal */
  running: BlockIo | null = null;
  /** The pool that its operations are with, or were last (rule 14); null before the first. @internal */
  home: object | null = null;
  /** Where the next write is appended; null if it is not. */
  appendOffset: number | null;

  /** @throws RangeError ERR_OUT_OF_RANGE */
  constructor({ appendOffset = null }: OrderingKeyOptions = {}) {
    if (appendOffset !== null && !(Number.isSafeInteger(appendOffset) && appendOffset >= 0)) {
      const message = `The value of "appendOffset" is out of range. It must be an integer >= 0. Received ${appendOffset}`;
      throw Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
    }
    this.appendOffset = appendOffset;
  }

  /** How many operations with this key are submitted and not done. */
  get pending(): number {
    return this.waiting.length + this.held + (this.running === null ? 0 : 1);
  }

  /** Gives an operation its turn, or a place in the line. @internal */
  take(io: BlockIo): boolean {
    if (this.running === null) {
      this.running = io;
      return true;
    }
    this.waiting.insertTail(io);
    return false;
  }

  /**
   * An operation is over. Returns whose turn it is now, if that has changed. The end of one turn and the begin of the next are one step, so
   * nobody who comes in between waits for a turn that is over.
   *
   * @internal
   */
  leave(io: BlockIo): BlockIo | null {
    if (this.running !== io) return null;
    this.running = this.waiting.removeFirst();
    return this.running;
  }
}

/** What {@link place} looks at. */
interface Placed {
  readonly operation: number;
  offset: number;
  readonly orderingKey: OrderingKey | null;
}

/** A write that is appended goes where the one before it has ended. Called when its turn has come. */
export function place(op: Placed): void {
  const appendOffset = op.operation === BLOCK_WRITE ? (op.orderingKey?.appendOffset ?? null) : null;
  if (appendOffset !== null) op.offset = appendOffset;
}
