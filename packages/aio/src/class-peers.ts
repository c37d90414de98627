import type { BlockTimers } from '@biodone/blockdev';
import { AvailableLine } from './available-line.js';
import { CompletionQueue } from './completion-queue.js';
import type { Dispatcher } from './dispatcher.js';
import { EBADF } from './operation-calls.js';
import type { PoolPeers } from './pool-peers.js';

/** What the pools of a class have in common: who waits for any of them, and the stealing. */
export class ClassPeers implements PoolPeers {
  attentive = false;
  readonly line: AvailableLine;
  readonly completions: CompletionQueue = new CompletionQueue();
  readonly #pools: readonly Dispatcher[];
  readonly #steals: boolean;

  constructor(pools: readonly Dispatcher[], steals: boolean, timers: BlockTimers) {
    this.#pools = pools;
    this.#steals = steals;
    this.line = new AvailableLine(timers, (bytes, count) => {
      if (pools.every(({ device }) => device.closed)) this.line.fail(EBADF);
      // What has become too long for all of them is told so when it is submitted.
      return pools.every(({ depth }) => count > depth) || pools.some((pool) => pool.hasRoom(bytes, count));
    });
    for (const pool of pools) pool.join(this);
  }

  /**
   * While a pool has room and none of its own work waits, it takes the next operation of the longest queue. It is called when something has come
   * into a queue, and when a pool has room; all pools look at each end of an operation meanwhile.
   */
  level(): void {
    if (this.#steals) for (const taker of this.#pools) while (taker.isIdle && this.#takeOne(taker));
    this.look();
  }

  /** Whether the pools must look at the ends of operations has changed, perhaps. */
  look(): void {
    const attentive = this.line.length > 0 || (this.#steals && this.#pools.some((pool) => pool.queueLength > 0));
    if (attentive === this.attentive) return;
    this.attentive = attentive;
    for (const pool of this.#pools) pool.reconsider();
  }

  /** From the longest queue; if its next operation has to stay where it is, from the others. */
  #takeOne(taker: Dispatcher): boolean {
    let victim: Dispatcher | null = null;
    for (const pool of this.#pools) {
      if (pool !== taker && pool.queueLength > (victim?.queueLength ?? 0)) victim = pool;
    }
    if (victim === null) return false;
    return taker.takeFrom(victim) || this.#pools.some((pool) => pool !== taker && pool !== victim && taker.takeFrom(pool));
  }
}
