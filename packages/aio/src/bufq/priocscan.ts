import { type AioOp, PRIORITY_NONCRITICAL, PRIORITY_TIMECRITICAL, PRIORITY_TIMELIMITED } from '../aio-op.js';
import { CscanQueue } from './cscan-queue.js';
import type { QueueDiscipline } from './queue-discipline.js';

/** How many operations of each priority go in a round while others wait, by the number of the priority (NetBSD's priocscan_burst). */
const BURSTS: readonly [number, number, number] = [4, 16, 64];

class Level {
  readonly queue = new CscanQueue();
  readonly burst: number;
  left: number;

  constructor(burst: number) {
    this.burst = burst;
    this.left = burst;
  }
}

/**
 * By priority, and by offset within one. While several priorities wait, the highest that has not used up its share goes next: 64 time-critical
 * operations, 16 time-limited and 4 non-critical ones in a round, which ends when all who wait have used up theirs. So none starves.
 */
export class Priocscan implements QueueDiscipline {
  readonly name = 'priocscan';
  readonly #noncritical = new Level(BURSTS[PRIORITY_NONCRITICAL]);
  readonly #timelimited = new Level(BURSTS[PRIORITY_TIMELIMITED]);
  readonly #timecritical = new Level(BURSTS[PRIORITY_TIMECRITICAL]);

  get length(): number {
    return this.#noncritical.queue.length + this.#timelimited.queue.length + this.#timecritical.queue.length;
  }

  put(op: AioOp): void {
    this.#levelOf(op).queue.put(op);
  }

  peek(): AioOp | null {
    return this.#select()?.queue.peek() ?? null;
  }

  get(): AioOp | null {
    const level = this.#select();
    if (level === null) return null;
    // Who is alone uses nothing up.
    if (level.queue.length < this.length) {
      if (level.left === 0) this.#beginRound();
      level.left -= 1;
    }
    return level.queue.get();
  }

  cancel(op: AioOp): boolean {
    return this.#timecritical.queue.cancel(op) || this.#timelimited.queue.cancel(op) || this.#noncritical.queue.cancel(op);
  }

  #levelOf({ priority }: AioOp): Level {
    if (priority === PRIORITY_TIMECRITICAL) return this.#timecritical;
    return priority === PRIORITY_NONCRITICAL ? this.#noncritical : this.#timelimited;
  }

  /** The highest level that somebody waits in and that has something left; if all have used it up, the highest that somebody waits in. */
  #select(): Level | null {
    const high = this.#timecritical;
    const middle = this.#timelimited;
    const low = this.#noncritical;
    if (high.queue.length > 0 && high.left > 0) return high;
    if (middle.queue.length > 0 && middle.left > 0) return middle;
    if (low.queue.length > 0 && low.left > 0) return low;
    if (high.queue.length > 0) return high;
    if (middle.queue.length > 0) return middle;
    return low.queue.length > 0 ? low : null;
  }

  #beginRound(): void {
    this.#timecritical.left = this.#timecritical.burst;
    this.#timelimited.left = this.#timelimited.burst;
    this.#noncritical.left = this.#noncritical.burst;
  }
}
