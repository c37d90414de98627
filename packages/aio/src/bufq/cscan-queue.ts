import type { AioOp } from '../aio-op.js';
import { SortedQueue } from './sorted-queue.js';

/**
 * A one-way elevator (C-SCAN): upwards from where the last operation was, and from the bottom again when nothing is left above. What comes
 * below the elevator waits for its next way up: these are the two ascending runs of BSD's disksort.
 */
export class CscanQueue {
  readonly #sorted = new SortedQueue();
  /** Where the last operation was taken from. */
  #position = -1;
  /** The newest operation when the elevator came to this place: those that come to it later wait for the next way up, or it would never leave. */
  #newestHere = 0;
  #newest = 0;

  get length(): number {
    return this.#sorted.length;
  }

  put(op: AioOp): void {
    this.#newest = op.order;
    this.#sorted.put(op);
  }

  peek(): AioOp | null {
    let op = this.#sorted.firstFrom(this.#position);
    if (op !== null && op.offset === this.#position && ((op.order - this.#newestHere) | 0) > 0) {
      op = this.#sorted.firstFrom(this.#position + 1);
    }
    return op ?? this.#sorted.first();
  }

  get(): AioOp | null {
    const op = this.peek();
    if (op === null) return null;
    if (op.offset !== this.#position || ((op.order - this.#newestHere) | 0) > 0) this.#newestHere = this.#newest;
    this.#position = op.offset;
    this.#sorted.remove(op);
    return op;
  }

  cancel(op: AioOp): boolean {
    return this.#sorted.remove(op);
  }
}
