import { IoBuffer } from '@biodone/uring';
import { BLOCK_FLUSH, BLOCK_WRITE } from '../block-io.js';
import { type CowBitmap, MAP_PAGE_BYTES } from './cow-bitmap.js';
import { COW_LABEL_BYTES } from './cow-label.js';
import { aim, type CowParts, errorOf } from './cow-transfers.js';
import type { StepOp, StepOps, Stepper } from './step-op.js';

const BLOCKS = 1;
const MAP = 2;
const END = 3;

/**
 * Flushes of an overlay that is kept: its blocks are made stable, then the map that names them is written, then that is made stable. Whatever a
 * crash leaves, no block is in the map that is not whole. One flush at a time: the next one has what came meanwhile.
 */
export class CowFlush implements Stepper {
  readonly #parts: CowParts;
  readonly #bitmap: CowBitmap | null;
  readonly #ops: StepOps;
  readonly #waiting: StepOp[] = [];
  readonly #page: IoBuffer = IoBuffer.allocate(MAP_PAGE_BYTES);
  #pages: number[] = [];
  #current: StepOp | null = null;

  /** @param bitmap null for an overlay in memory, which has nothing to make stable */
  constructor(parts: CowParts, bitmap: CowBitmap | null, ops: StepOps) {
    this.#parts = parts;
    this.#bitmap = bitmap;
    this.#ops = ops;
  }

  /** Whether a flush is under way. */
  get isBusy(): boolean {
    return this.#current !== null;
  }

  start(op: StepOp): void {
    if (this.#current !== null) {
      this.#waiting.push(op);
      return;
    }
    if (this.#bitmap !== null) this.#current = op;
    this.#ops.run(op);
  }

  /** Takes one out that waits. False if it does not. */
  leave(op: StepOp): boolean {
    const at = this.#waiting.indexOf(op);
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }

  step(op: StepOp): number {
    const bitmap = this.#bitmap;
    if (bitmap === null) return 0;
    const error = op.phase === 0 ? 0 : errorOf(op.io);
    if (error !== 0) return this.#finish(bitmap, op, error);
    const { store } = bitmap;
    switch (op.phase) {
      case 0:
        this.#pages = bitmap.begin();
        op.phase = BLOCKS;
        return this.#flush(op);
      case END:
        return this.#finish(bitmap, op, 0);
      default: {
        const page = this.#pages.pop();
        if (page === undefined) {
          // With no new block there is nothing but the blocks to make stable.
          if (op.phase === BLOCKS) return this.#finish(bitmap, op, 0);
          op.phase = END;
          return this.#flush(op);
        }
        op.phase = MAP;
        bitmap.encode(page, this.#page.bytes);
        aim(op, BLOCK_WRITE, COW_LABEL_BYTES + page * MAP_PAGE_BYTES, this.#page, 0, MAP_PAGE_BYTES);
        return op.send(store, this.#parts.claims.store);
      }
    }
  }

  #flush(op: StepOp): number {
    const { io } = op;
    io.operation = BLOCK_FLUSH;
    io.flags = 0;
    io.buffer = null;
    io.offset = 0;
    io.lengthBytes = 0;
    return op.send(this.#parts.map.store, this.#parts.claims.store);
  }

  #finish(bitmap: CowBitmap, op: StepOp, error: number): number {
    bitmap.finish(error !== 0);
    if (op !== this.#current) return error;
    this.#current = this.#waiting.shift() ?? null;
    // After this one has ended, or the stack would grow with each that waits.
    if (this.#current !== null) this.#ops.runSoon(this.#current);
    return error;
  }
}
