import { TailQueue } from '@biodone/sync';
import type { AioOp } from '../aio-op.js';
import type { QueueDiscipline } from './queue-discipline.js';

/** First come, first served: for devices to which distance means nothing. */
export class Fcfs implements QueueDiscipline {
  readonly name = 'fcfs';
  readonly #queue = new TailQueue<AioOp>();

  get length(): number {
    return this.#queue.length;
  }

  put(op: AioOp): void {
    this.#queue.insertTail(op);
  }

  get(): AioOp | null {
    return this.#queue.removeFirst();
  }

  peek(): AioOp | null {
    return this.#queue.first;
  }

  cancel(op: AioOp): boolean {
    if (op.queue !== this.#queue) return false;
    this.#queue.remove(op);
    return true;
  }
}
