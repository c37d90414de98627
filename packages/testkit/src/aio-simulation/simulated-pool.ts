import {
  type AioOp,
  AioServiceClass,
  AioServicePool,
  balanceNames,
  type DisciplineName,
  disciplineNames,
  OrderingKey,
  PoolCloseError,
} from '@biodone/aio';
import { type AbortVerdict, BLOCK_FLUSH, type BlockDevice } from '@biodone/blockdev';
import { EAGAIN } from '@biodone/uring';
import type { SeededRandom } from '../random.js';
import type { VirtualTime } from '../virtual-time.js';
import type { Ledger } from './ledger.js';
import { type Submission, shotsOf } from './submission.js';

/** What a pool had the last time that its limits were checked, by which it may be above lower ones. */
interface Held {
  readonly started: number;
  readonly taken: number;
  readonly bytes: number;
}

/** A pool, or a class of pools, and what the simulation knows of it. */
export class SimulatedPool {
  readonly index: number;
  readonly pool: AioServicePool | AioServiceClass;
  /** Those of the class, or the one. */
  readonly pools: readonly AioServicePool[];
  readonly keys: readonly OrderingKey[];
  /** Who waits for room, in order, and for how many bytes. */
  readonly waiters: { readonly bytes: number; readonly count: number }[] = [];
  /** What is done and not reaped, in order. */
  readonly unreaped: AioOp[] = [];
  /** What callbacks have kept. */
  readonly kept: AioOp[] = [];
  /** Ids of earlier uses. */
  readonly staleIds: number[] = [];
  /** The objects that the pool has made, how many of them are out, and the most there have been. */
  readonly made: Set<AioOp> = new Set();
  /** Whether one of those who wait is being told. */
  inTurn = false;
  /** How many calls of close have not been answered. */
  closing = 0;
  out = 0;
  outMax = 0;
  accepted = 0;
  refused = 0;
  errors = 0;
  bytes = 0;
  /** How many operations have been told to be done, timeouts not counted. */
  completed = 0;
  readonly verdicts: Record<AbortVerdict, number> = { cancelled: 0, 'in-progress': 0, done: 0 };
  readonly #ledger: Ledger;
  readonly #time: VirtualTime;
  readonly #steals: boolean;
  /** Of the pools that have been configured: what was under way when that was, or the last time that it was looked at. */
  readonly #above: Map<AioServicePool, Held> = new Map();
  /** The highest `inFlightMax` that each pool has had. */
  readonly #inFlightMost: Map<AioServicePool, number> = new Map();

  constructor(index: number, device: BlockDevice, random: SeededRandom, ledger: Ledger, timers: VirtualTime) {
    this.index = index;
    this.#ledger = ledger;
    this.#time = timers;
    const count = random.pick([1, 1, 1, 2, 3]);
    const options = Array.from({ length: count }, () => drawOptions(random));
    const balance = random.pick(balanceNames);
    this.#steals = random.below(3) > 0;
    if (count === 1) {
      this.pool = new AioServicePool(device, { ...options[0], timers });
      this.pools = [this.pool];
    } else {
      const pools = options.map((each) => ({ device, ...each }));
      const choose = (below: number): number => random.below(below);
      this.pool = new AioServiceClass(pools, { balance, steal: this.#steals, random: choose, timers });
      this.pools = this.pool.pools;
    }
    this.keys = [new OrderingKey({ appendOffset: 0 }), new OrderingKey()];
    ledger.ends.set(this.keys[0] as OrderingKey, 0);
    ledger.note('pool', index, JSON.stringify(count === 1 ? options[0] : { options, balance, steal: this.#steals }));
  }

  /** Its operations that are under way, but for the synchronous ones, which do not count. */
  get live(): Submission[] {
    return [...this.#ledger.live].filter(({ pool, synchronous }) => pool === this.index && !synchronous);
  }

  /** The deepest of its pools. */
  get depth(): number {
    return Math.max(...this.pools.map(({ depth }) => depth));
  }

  /** Whether there is room in one of its pools. @param leaving what is not reaped, and leaves before */
  hasRoom(bytes: number, count = 1, leaving: AioOp | null = null): boolean {
    return this.pools.some((pool) => this.hasRoomIn(pool, bytes, count, leaving));
  }

  hasRoomIn(pool: AioServicePool, bytes: number, count = 1, leaving: AioOp | null = null): boolean {
    const { inFlight, unreapedCount, depth, bytesMax } = pool;
    const left = leaving?.owner === pool ? 1 : 0;
    return (
      inFlight + unreapedCount - left + count <= depth && (this.#bytesOf(pool) === 0 || this.#bytesOf(pool) + bytes <= bytesMax)
    );
  }

  /** What a submission may be answered with, which asks for so much room. The room that the first of those who wait is to have is kept for it. */
  answersTo(bytes: number, count = 1, leaving: AioOp | null = null): readonly number[] {
    if (!this.hasRoom(bytes, count, leaving)) return [EAGAIN];
    const [first] = this.waiters;
    // For what has become too long nothing is kept.
    if (first === undefined || first.count > this.depth) return [0];
    // In a class it may wait for another pool, and who has been told of room may have it.
    if (this.pools.length > 1 || this.inTurn) return [0, EAGAIN];
    const [pool] = this.pools as [AioServicePool];
    const { inFlight, unreapedCount, depth, bytesMax } = pool;
    const left = leaving === null ? 0 : 1;
    const isKept =
      inFlight + unreapedCount - left + count + first.count > depth || this.#bytesOf(pool) + bytes + first.bytes > bytesMax;
    return [isKept ? EAGAIN : 0];
  }

  /** Whether somebody waits for room, and there is some. */
  get oweRoom(): boolean {
    const [first] = this.waiters;
    return first !== undefined && (this.pool.closed || first.count > this.depth || this.hasRoom(first.bytes, first.count));
  }

  allocate(): AioOp {
    const op = this.pool.allocate();
    this.made.add(op);
    this.out += 1;
    this.outMax = Math.max(this.outMax, this.out);
    return op;
  }

  /** Gives an operation back, if it is the pool's. */
  release(op: AioOp): void {
    if (!this.made.has(op)) return;
    this.pool.release(op);
    this.out -= 1;
  }

  set discipline(name: DisciplineName) {
    for (const pool of this.pools) pool.discipline = name;
  }

  /** Changes the limits of one of its pools, or of all. */
  configure(random: SeededRandom): void {
    const { depth, inFlightMax, bytesMax } = drawOptions(random);
    const limits = random.pick([{ depth }, { depth, inFlightMax }, { bytesMax }, { depth, inFlightMax, bytesMax }]);
    const one = random.below(2) === 0 ? random.pick(this.pools) : null;
    const meant = one === null ? this.pools : [one];
    this.#ledger.note('limits', this.index, JSON.stringify(limits));
    for (const pool of this.pools) {
      this.#inFlightMost.set(pool, Math.max(pool.inFlightMax, this.#inFlightMost.get(pool) ?? 0));
      this.#above.set(pool, this.#heldBy(pool));
    }
    (one ?? this.pool).configure(limits);
    for (const pool of meant) {
      const found = { depth: pool.depth, inFlightMax: pool.inFlightMax, bytesMax: pool.bytesMax };
      for (const [name, limit] of Object.entries(limits)) {
        if (found[name as keyof typeof found] !== limit)
          this.#wrong(`${name} is ${found[name as keyof typeof found]} instead of ${limit}`);
      }
      if (pool.inFlightMax > pool.depth) this.#wrong(`inFlightMax is ${pool.inFlightMax}, of a depth of ${pool.depth}`);
      this.#inFlightMost.set(pool, Math.max(pool.inFlightMax, this.#inFlightMost.get(pool) ?? 0));
    }
  }

  /** Closes it, and sees that the promise says what is so. */
  close(deadlineMs: number, cancel: boolean): void {
    const lateAtMs = this.#time.now() + deadlineMs;
    const closing = this.#ledger.silently(() => this.pool.close({ deadlineMs, cancel }));
    this.closing += 1;
    const ended = (): void => {
      this.closing -= 1;
      if (this.live.length > 0) this.#ledger.fault(`pool ${this.index} is closed, and ${this.live.length} operations go on`);
    };
    const late = (error: unknown): void => {
      this.closing -= 1;
      if (!(error instanceof PoolCloseError)) throw error;
      if (this.#time.now() < lateAtMs) this.#ledger.fault(`pool ${this.index} gave up its close too early`);
      if (error.operations.length === 0) this.#ledger.fault(`pool ${this.index} gave up its close, and nothing was under way`);
    };
    closing.then(ended, late);
  }

  /** Closes it by blocking, and sees that what comes of that is so. */
  closeSync(deadlineMs: number, cancel: boolean): void {
    const lateAtMs = this.#time.now() + deadlineMs;
    const before = new Set(this.waiters);
    const { silent } = this.#ledger;
    this.#ledger.silent = 0;
    try {
      this.pool.closeSync({ deadlineMs, cancel });
      if (this.live.length > 0) this.#wrong(`it is closed, and ${this.live.length} operations go on`);
      const waiting = this.waiters.filter((waiter) => before.has(waiter));
      // One of them may be who closes it.
      if (waiting.length > 0 && !this.inTurn) this.#wrong(`it is closed, and ${waiting.length} still wait for room`);
    } catch (error) {
      if (!(error instanceof PoolCloseError)) throw error;
      const { code, operations } = error;
      if (code !== 'ETIMEDOUT' || this.#time.now() < lateAtMs) this.#wrong(`it gave up its close too early, with ${code}`);
      const left = this.pool.inFlight;
      // Synchronous ones that are below on the stack may be among them.
      const isTold = operations.length >= left && operations.length <= left + this.#ledger.blocking.length;
      if (!isTold || left === 0) this.#wrong(`its close tells of ${operations.length} operations, of ${left}`);
    } finally {
      this.#ledger.silent = silent;
      if (!this.pool.closed) this.#wrong('it is open after its close');
    }
  }

  /** Holds at any time. */
  checkLimits(): void {
    for (const pool of this.pools) this.#checkLimitsOf(pool);
    const { unreapedCount } = this.pool;
    if (unreapedCount !== this.unreaped.length) this.#wrong(`${unreapedCount} are not reaped instead of ${this.unreaped.length}`);
  }

  /** Holds when all that was scheduled has run: nothing waits but for something that is still to come. No wake-up is lost. */
  checkQuiescence(): void {
    const { pool, live } = this;
    if (pool.inFlight !== live.length) this.#wrong(`${pool.inFlight} in flight instead of ${live.length}`);
    const phases = new Map(pool.dump().map(({ id, phase }) => [id, phase]));
    for (const submission of live) {
      const phase = phases.get(submission.id) ?? 'missing';
      if (!this.#mayWait(submission, phase)) this.#wrong(`${submission.name} is ${phase}, and nothing holds it up`);
      if (phase === 'started') continue;
      if (this.#time.now() >= submission.deadlineAtMs) this.#wrong(`${submission.name} is ${phase} after its deadline`);
      if (submission.cancelled || submission.broken) this.#wrong(`${submission.name} is ${phase}, and was ended`);
    }
    if (this.#steals) this.#checkQueues(phases);
    if (this.oweRoom) this.#wrong('somebody waits for room, and there is some');
  }

  /** Holds when all is over. */
  checkEnd(): void {
    const { pool } = this;
    const { submitted, completed, errors, bytes, queued, inFlight, unreaped, refused, cancels } = pool.stats();
    const expected = [this.accepted, this.accepted, this.errors, this.bytes, 0, 0, 0, this.refused];
    const found = [submitted, completed, errors, bytes, queued, inFlight, unreaped, refused];
    if (found.join() !== expected.join()) this.#wrong(`the statistics are ${found.join()} instead of ${expected.join()}`);
    for (const each of this.pools) {
      const { inFlightMax } = each.stats();
      if (inFlightMax > Math.max(each.inFlightMax, this.#inFlightMost.get(each) ?? 0))
        this.#wrong(`at most ${inFlightMax} were with the device`);
    }
    for (const verdict of ['cancelled', 'in-progress', 'done'] as const) {
      // Deadlines and signals ask too.
      if (cancels[verdict] < this.verdicts[verdict])
        this.#wrong(`${cancels[verdict]} verdicts '${verdict}', less than ${this.verdicts[verdict]}`);
    }
    if (this.closing > 0) this.#wrong('close was never answered');
    if (pool.dump().length > 0) this.#wrong('there are operations left');
    if (this.out !== 0) this.#wrong(`${this.out} objects were not given back`);
    if (this.made.size > this.outMax)
      this.#wrong(`${this.made.size} objects were made, of which at most ${this.outMax} were used at a time`);
    if (this.waiters.length > 0) this.#wrong(`${this.waiters.length} who wait for room were never told`);
  }

  #checkLimitsOf(pool: AioServicePool): void {
    const { inFlightMax, depth, bytesMax } = pool;
    const { started, taken, bytes } = this.#heldBy(pool);
    // Above limits that have become lower it only gets less.
    const above = this.#above.get(pool) ?? { started: 0, taken: 0, bytes: 0 };
    if (started > Math.max(inFlightMax, above.started)) this.#wrong(`${started} with the device, at most ${inFlightMax}`);
    if (taken > Math.max(depth, above.taken)) this.#wrong(`${taken} submitted or not reaped, at most ${depth}`);
    // What comes while no other bytes are under way may be larger, and so may a chain as a whole.
    const [first, ...others] = this.live.filter(({ op, memoryBytes }) => op.owner === pool && memoryBytes > 0);
    const isAlone = others.every(({ chain }) => chain?.members === first?.chain?.members && chain !== null);
    if (bytes > Math.max(bytesMax, above.bytes) && !isAlone) this.#wrong(`${bytes} bytes, at most ${bytesMax}`);
    this.#above.set(pool, { started, taken, bytes });
  }

  #heldBy(pool: AioServicePool): Held {
    return { started: pool.started, taken: pool.inFlight + pool.unreapedCount, bytes: this.#bytesOf(pool) };
  }

  /** A pool of a class that has nothing to do takes what waits in another one's queue, unless that is to stay where it is. */
  #checkQueues(phases: ReadonlyMap<number, string>): void {
    const idle = this.pools.find((pool) => pool.inFlight + pool.unreapedCount === 0 && !pool.closed);
    if (idle === undefined) return;
    for (const pool of this.pools) {
      const queued = this.live.filter(({ op, id }) => op.owner === pool && phases.get(id) === 'queued');
      const canGo = queued.every(({ key, chain, operation }) => key === null && chain === null && operation !== BLOCK_FLUSH);
      if (queued.length > 0 && canGo) this.#wrong(`${queued.length} are queued beside a pool that has nothing to do`);
    }
  }

  #mayWait(submission: Submission, phase: string): boolean {
    const { name, key, drain, op, timer, dueAtMs, chain, completedBefore } = submission;
    const before = [...this.#ledger.live].filter((other) => other.name < name && other.timer === null);
    const owner = op.owner as AioServicePool;
    switch (phase) {
      case 'started':
        return true;
      case 'queued':
        return owner.started >= owner.inFlightMax;
      case 'ordered':
        return before.some((other) => other.key === key);
      case 'barrier':
        return before.some(({ operation }) => operation !== BLOCK_FLUSH);
      case 'held':
        return before.some((other) => drain || other.drain);
      case 'linked':
        return chain?.members.some((other) => other.name < name && this.#ledger.live.has(other)) === true;
      case 'timing': {
        const count = timer?.count ?? 0;
        if (shotsOf(timer) > 1) return this.#time.now() < submission.nextShotAtMs;
        const isCounted = count > 0 && this.pools.length === 1 && chain === null;
        if (isCounted && this.completed - completedBefore >= count) return false;
        return chain !== null || this.#time.now() < dueAtMs;
      }
      default:
        return false;
    }
  }

  #bytesOf(pool: AioServicePool): number {
    return this.live.reduce((sum, { memoryBytes, op }) => (op.owner === pool && op.submitted ? sum + memoryBytes : sum), 0);
  }

  #wrong(what: string): void {
    this.#ledger.fault(`pool ${this.index}: ${what}`);
  }
}

function drawOptions(random: SeededRandom) {
  const depth = 1 + random.below(12);
  return {
    depth,
    inFlightMax: 1 + random.below(depth),
    bytesMax: random.below(3) === 0 ? 1 + random.below(40) : Number.POSITIVE_INFINITY,
    discipline: random.pick(disciplineNames),
  };
}
