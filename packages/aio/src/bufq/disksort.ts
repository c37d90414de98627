import type { AioOp } from '../aio-op.js';
import { CscanQueue } from './cscan-queue.js';
import type { QueueDiscipline } from './queue-discipline.js';

/** By offset, upwards and from the bottom again: for devices whose heads move. Who writes at one place for ever does not hold up the others. */
export class Disksort implements QueueDiscipline {
  readonly name = 'disksort';
  readonly #queue = new CscanQueue();

  get length(): number {
    return this.#queue.length;
  }

  put(op: AioOp): void {
    this.#queue.put(op);
  }

  get(): AioOp | null {
    return this.#queue.get();
  }

  peek(): AioOp | null {
    return this.#queue.peek();
  }

  cancel(op: AioOp): boolean {
    return this.#queue.cancel(op);
  }
}
