import { BLOCK_EXTENTS, BLOCK_READ } from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import type { AioOp } from '../aio-op.js';
import { CscanQueue } from './cscan-queue.js';
import type { QueueDiscipline } from './queue-discipline.js';

/** How many reads go before writes get their turn, and how many writes then do (NetBSD's PRIO_READ_BURST and PRIO_WRITE_REQ). */
const READ_BURST = 48;
const WRITE_BURST = 16;

/**
 * Reads before writes, since somebody waits for a read: reads first come, first served, writes by offset. While both wait, 48 reads are followed by
 * 16 writes, so that neither starves. What is not a read counts as a write.
 */
export class Readprio implements QueueDiscipline {
  readonly name = 'readprio';
  readonly #reads = new TailQueue<AioOp>();
  readonly #writes = new CscanQueue();
  /** How many operations have been taken of the 48 + 16 while both kinds waited. */
  #taken = 0;

  get length(): number {
    return this.#reads.length + this.#writes.length;
  }

  put(op: AioOp): void {
    if (op.operation === BLOCK_READ || op.operation === BLOCK_EXTENTS) this.#reads.insertTail(op);
    else this.#writes.put(op);
  }

  peek(): AioOp | null {
    if (this.#reads.isEmpty) return this.#writes.peek();
    return this.#writes.length > 0 && this.#taken >= READ_BURST ? this.#writes.peek() : this.#reads.first;
  }

  get(): AioOp | null {
    if (this.#reads.isEmpty || this.#writes.length === 0) {
      // Who is alone uses nothing up: the burst begins when the other kind comes.
      this.#taken = 0;
      return this.#reads.removeFirst() ?? this.#writes.get();
    }
    const op = this.#taken >= READ_BURST ? this.#writes.get() : this.#reads.removeFirst();
    this.#taken = (this.#taken + 1) % (READ_BURST + WRITE_BURST);
    return op;
  }

  cancel(op: AioOp): boolean {
    if (op.queue !== this.#reads) return this.#writes.cancel(op);
    this.#reads.remove(op);
    return true;
  }
}
