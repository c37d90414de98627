import type { AioOp } from '../aio-op.js';

/**
 * A queue of operations that wait for their device, as BSD's bufq(9): it decides which goes next. The links are in the operations, so putting and
 * taking allocates nothing.
 */
export interface QueueDiscipline {
  /** The name by which it is asked for. */
  readonly name: string;
  /** How many operations wait. */
  readonly length: number;
  /** Puts an operation in, which is in no queue (bufq_put). */
  put(op: AioOp): void;
  /** Takes the next one out; null if none waits (bufq_get). */
  get(): AioOp | null;
  /** What {@link get} would return, which stays (bufq_peek). */
  peek(): AioOp | null;
  /** Takes this one out (bufq_cancel). False if it does not wait here. */
  cancel(op: AioOp): boolean;
}

/** Takes everything out, in the order of the discipline, and hands it over (bufq_drain). Returns how many operations that were. */
export function drainQueue(queue: QueueDiscipline, take: (op: AioOp) => void): number {
  let count = 0;
  for (let op = queue.get(); op !== null; op = queue.get()) {
    count += 1;
    take(op);
  }
  return count;
}

/**
 * Moves everything into another queue, as if it had come there in the first place: in the order of submission (bufq_move). Nothing is lost.
 */
export function moveQueue(source: QueueDiscipline, target: QueueDiscipline): void {
  const ops: AioOp[] = [];
  drainQueue(source, (op) => ops.push(op));
  ops.sort((left, right) => (left.order - right.order) | 0);
  for (const op of ops) target.put(op);
}
