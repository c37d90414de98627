import { EINVAL } from '@biodone/uring';
import { AIO_IDLE, AIO_UNREAPED, type AioOp, HAS_KEY } from './aio-op.js';
import type { Balance } from './balance.js';
import type { BatchTarget, ChainTaker } from './batch.js';
import { EAGAIN, EBADF, type SubmitResult } from './operation-calls.js';
import type { OrderingKey } from './ordering-key.js';
import type { PoolPeers } from './pool-peers.js';
import type { AioServicePool } from './service-pool.js';
import { memoryBytesOf } from './usable.js';

/** Which pool of a class an operation goes to, or a chain. */
export class ClassRouter implements BatchTarget {
  /** How many operations no pool has had room for. */
  refused = 0;
  /** Whether a completion was reaped by submitting its operation again, perhaps elsewhere: its pool has room then. */
  #reaped = false;
  readonly #pools: readonly AioServicePool[];
  readonly #balance: Balance;
  readonly #peers: PoolPeers;
  /** Those that are not closed, and whose device is not. */
  #open: readonly AioServicePool[];

  constructor(pools: readonly AioServicePool[], balance: Balance, peers: PoolPeers) {
    this.#pools = pools;
    this.#balance = balance;
    this.#peers = peers;
    this.#open = pools;
  }

  /**
   * Submits an operation to the pool that it belongs to, or that is chosen. Returns 0, or why nothing was done: EINVAL if operations with its ordering key
   * are under way in a pool outside of the class. It throws what a pool throws.
   */
  submit(op: AioOp): number {
    if ((op?.features & HAS_KEY) !== 0) return this.#submitOrdered(op);
    const pool = this.#balance.choose(this.#open);
    if (op?.owner !== pool) this.#handOver(op, pool);
    const refused = pool.submit(op);
    return refused === 0 ? 0 : this.#submitElsewhere(op, pool, refused);
  }

  /** Behind what was submitted, which comes first: room that it has left is for what waits in other pools. */
  settle(): void {
    if (!this.#reaped) return;
    this.#reaped = false;
    this.#peers.level();
  }

  /** What is wrong with how the caller uses an operation: 0, EALREADY or EINVAL. What has not been reaped is reaped by this. */
  misuse(op: AioOp): number {
    if (op.phase === AIO_UNREAPED) this.#reaped = true;
    return this.poolOf(op).misuse(op);
  }

  /** Which pool it belongs to is looked at where one is chosen. */
  keyFault(): number {
    return 0;
  }

  /** The pool that all members of a chain go to: the one that their ordering keys belong to, or one that has room for them. Otherwise why there is none. */
  takerOf(ops: readonly AioOp[], start: number, end: number): ChainTaker | number {
    const home = this.#commonHome(ops, start, end);
    if (home === 'several') return this.#pools.some(isOpen) ? EINVAL : EBADF;
    const pool = home ?? this.#roomiest(ops, start, end);
    const answer = pool.takerOf(ops, start, end);
    if (answer === EAGAIN) this.refused += 1;
    if (typeof answer === 'number') return answer;
    for (let index = start; index < end; index++) {
      const { orderingKey } = ops[index] as AioOp;
      if (orderingKey !== null) orderingKey.home = pool;
    }
    return answer;
  }

  /** The pool that an operation is with, or was; any other one for those that were with none, which it tells what is wrong. */
  poolOf(op: AioOp | null): AioServicePool {
    const owner = op?.owner as AioServicePool;
    return this.#pools.includes(owner) ? owner : (this.#pools[0] as AioServicePool);
  }

  /** An operation that was with another pool of the class is this one's from now on. */
  #handOver(op: AioOp, pool: AioServicePool): void {
    const owner = (op?.owner ?? null) as AioServicePool | null;
    if (owner === null || owner.peers !== this.#peers) return;
    // What is reaped by submitting it again belongs to its pool until then.
    if (op.phase === AIO_UNREAPED) {
      owner.reapOne(op);
      this.#reaped = true;
    }
    if (op.phase === AIO_IDLE) op.owner = pool;
  }

  /** The pool that was chosen cannot have it. */
  #submitElsewhere(op: AioOp, chosen: AioServicePool, refused: SubmitResult): SubmitResult {
    let answer = refused;
    for (const pool of this.#open) {
      if (pool === chosen) continue;
      this.#handOver(op, pool);
      const other = pool.submit(op);
      if (other === 0) {
        answer = 0;
        break;
      }
      if (other === EAGAIN) answer = EAGAIN;
    }
    this.#passByClosed();
    if (answer === EAGAIN) this.refused += 1;
    return answer;
  }

  /** Rule 14: what has an ordering key goes where the operations with that key have gone before. */
  #submitOrdered(op: AioOp): number {
    const key = op.orderingKey as OrderingKey;
    let pool = this.homeOf(key);
    if (pool === null) {
      if (key.pending > 0) return EINVAL;
      this.#passByClosed();
      pool = this.#balance.choose(this.#open);
      key.home = pool;
    }
    if (op.owner !== pool) this.#handOver(op, pool);
    const answer = pool.submit(op);
    if (answer === EAGAIN) this.refused += 1;
    return answer;
  }

  /** The pool of the class that operations with a key go to; null if there is none, or it is closed and has none of them. */
  homeOf(key: OrderingKey): AioServicePool | null {
    const home = key.home as AioServicePool;
    if (this.#open.includes(home) && isOpen(home)) return home;
    return key.pending > 0 && this.#pools.includes(home) ? home : null;
  }

  /** Where the operations are under way that members of a chain have to come after; if none are, where there were some. */
  #commonHome(ops: readonly AioOp[], start: number, end: number): AioServicePool | 'several' | null {
    let home: AioServicePool | null = null;
    let isBusy = false;
    for (let index = start; index < end; index++) {
      const { orderingKey: key } = ops[index] as AioOp;
      if (key === null) continue;
      const pool = this.homeOf(key);
      if (key.pending === 0) home ??= pool;
      else if (pool === null || (isBusy && pool !== home)) return 'several';
      else home = pool;
      isBusy ||= key.pending > 0;
    }
    return home;
  }

  /** The pool that the balance chooses; if it has no room for a chain, one that has; if none has, the deepest. */
  #roomiest(ops: readonly AioOp[], start: number, end: number): AioServicePool {
    this.#passByClosed();
    const bytes = memoryBytesOf(ops, start, end);
    const chosen = this.#balance.choose(this.#open);
    return isOpen(chosen) && chosen.hasRoom(bytes, end - start) ? chosen : this.#roomyFor(bytes, end - start);
  }

  #roomyFor(bytes: number, count: number): AioServicePool {
    const roomy = this.#open.find((pool) => isOpen(pool) && pool.hasRoom(bytes, count));
    return roomy ?? this.#open.reduce((deepest, pool) => (pool.depth > deepest.depth ? pool : deepest));
  }

  /** A pool that is closed, or its device, has nothing to do, and would be chosen each time. */
  #passByClosed(): void {
    if (this.#open.every(isOpen)) return;
    const open = this.#open.filter(isOpen);
    if (open.length > 0) this.#open = open;
  }
}

function isOpen({ closed, device }: AioServicePool): boolean {
  return !closed && !device.closed;
}
