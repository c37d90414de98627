import { type AioOp, AioServicePool, disciplineNames, OrderingKey, PoolCloseError } from '@biodone/aio';
import { type AbortVerdict, BLOCK_FLUSH, type BlockDevice } from '@biodone/blockdev';
import type { SeededRandom } from '../random.js';
import type { VirtualTime } from '../virtual-time.js';
import type { Ledger } from './ledger.js';
import type { Submission } from './submission.js';

/** A pool, and what the simulation knows of it. */
export class SimulatedPool {
  readonly index: number;
  readonly pool: AioServicePool;
  readonly keys: readonly OrderingKey[];
  /** Who waits for room, in order, and for how many bytes. */
  readonly waiters: { readonly bytes: number }[] = [];
  /** What is done and not reaped, in order. */
  readonly unreaped: AioOp[] = [];
  /** What callbacks have kept. */
  readonly kept: AioOp[] = [];
  /** Ids of earlier uses. */
  readonly staleIds: number[] = [];
  /** The objects that the pool has made, how many of them are out, and the most there have been. */
  readonly made: Set<AioOp> = new Set();
  /** How many calls of close have not been answered. */
  closing = 0;
  out = 0;
  outMax = 0;
  accepted = 0;
  refused = 0;
  errors = 0;
  bytes = 0;
  readonly verdicts: Record<AbortVerdict, number> = { cancelled: 0, 'in-progress': 0, done: 0 };
  readonly #ledger: Ledger;
  readonly #time: VirtualTime;

  constructor(index: number, device: BlockDevice, random: SeededRandom, ledger: Ledger, timers: VirtualTime) {
    this.index = index;
    this.#ledger = ledger;
    this.#time = timers;
    const depth = 1 + random.below(12);
    const options = {
      depth,
      inFlightMax: 1 + random.below(depth),
      bytesMax: random.below(3) === 0 ? 1 + random.below(40) : Number.POSITIVE_INFINITY,
      discipline: random.pick(disciplineNames),
    };
    this.pool = new AioServicePool(device, { ...options, timers });
    this.keys = [new OrderingKey({ appendOffset: 0 }), new OrderingKey()];
    ledger.ends.set(this.keys[0] as OrderingKey, 0);
    ledger.note('pool', index, JSON.stringify(options));
  }

  /** Its operations that are under way, but for the synchronous ones, which do not count. */
  get live(): Submission[] {
    return [...this.#ledger.live].filter(({ pool, synchronous }) => pool === this.index && !synchronous);
  }

  get liveBytes(): number {
    return this.live.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  }

  /** @param leaving how many that are not reaped leave before */
  hasRoom(bytes: number, leaving = 0): boolean {
    const { inFlight, unreapedCount, depth, bytesMax } = this.pool;
    return inFlight + unreapedCount - leaving < depth && (inFlight === 0 || this.liveBytes + bytes <= bytesMax);
  }

  /** Whether somebody waits for room, and there is some. */
  get oweRoom(): boolean {
    const [first] = this.waiters;
    return first !== undefined && (this.pool.closed || this.hasRoom(first.bytes));
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

  /** Holds at any time. */
  checkLimits(): void {
    const { started, inFlight, inFlightMax, unreapedCount, depth, bytesMax } = this.pool;
    const { live, index } = this;
    const wrong = (what: string): void => this.#ledger.fault(`pool ${index}: ${what}`);
    if (started > inFlightMax) wrong(`${started} with the device, at most ${inFlightMax}`);
    if (inFlight + unreapedCount > depth) wrong(`${inFlight} submitted and ${unreapedCount} not reaped, at most ${depth}`);
    if (live.length > 1 && this.liveBytes > bytesMax) wrong(`${this.liveBytes} bytes, at most ${bytesMax}`);
    if (unreapedCount !== this.unreaped.length) wrong(`${unreapedCount} are not reaped instead of ${this.unreaped.length}`);
  }

  /** Holds when all that was scheduled has run: nothing waits but for something that is still to come. No wake-up is lost. */
  checkQuiescence(): void {
    const { pool, index, live } = this;
    const wrong = (what: string): void => this.#ledger.fault(`pool ${index}: ${what}`);
    if (pool.inFlight !== live.length) wrong(`${pool.inFlight} in flight instead of ${live.length}`);
    const phases = new Map(pool.dump().map(({ id, phase }) => [id, phase]));
    for (const submission of live) {
      const phase = phases.get(submission.id) ?? 'missing';
      if (!this.#mayWait(submission, phase)) wrong(`${submission.name} is ${phase}, and nothing holds it up`);
      if (phase === 'started') continue;
      if (this.#time.now() >= submission.deadlineAtMs) wrong(`${submission.name} is ${phase} after its deadline`);
      if (submission.cancelled) wrong(`${submission.name} is ${phase}, and was cancelled`);
    }
    if (this.oweRoom) wrong('somebody waits for room, and there is some');
  }

  /** Holds when all is over. */
  checkEnd(): void {
    const { pool, index } = this;
    const { submitted, completed, errors, bytes, queued, inFlight, unreaped, refused, cancels, inFlightMax } = pool.stats();
    const expected = [this.accepted, this.accepted, this.errors, this.bytes, 0, 0, 0, this.refused];
    const found = [submitted, completed, errors, bytes, queued, inFlight, unreaped, refused];
    const wrong = (what: string): void => this.#ledger.fault(`pool ${index}: ${what}`);
    if (found.join() !== expected.join()) wrong(`the statistics are ${found.join()} instead of ${expected.join()}`);
    if (inFlightMax > pool.inFlightMax) wrong(`at most ${inFlightMax} were with the device`);
    for (const verdict of ['cancelled', 'in-progress', 'done'] as const) {
      // Deadlines and signals ask too.
      if (cancels[verdict] < this.verdicts[verdict])
        wrong(`${cancels[verdict]} verdicts '${verdict}', less than ${this.verdicts[verdict]}`);
    }
    if (this.closing > 0) wrong('close was never answered');
    if (pool.dump().length > 0) wrong('there are operations left');
    if (this.out !== 0) wrong(`${this.out} objects were not given back`);
    if (this.made.size > this.outMax)
      wrong(`${this.made.size} objects were made, of which at most ${this.outMax} were used at a time`);
    if (this.waiters.length > 0) wrong(`${this.waiters.length} who wait for room were never told`);
  }

  #mayWait({ name, key, drain }: Submission, phase: string): boolean {
    const before = [...this.#ledger.live].filter((other) => other.name < name);
    switch (phase) {
      case 'started':
        return true;
      case 'queued':
        return this.pool.started >= this.pool.inFlightMax;
      case 'ordered':
        return before.some((other) => other.key === key);
      case 'barrier':
        return before.some(({ operation }) => operation !== BLOCK_FLUSH);
      case 'held':
        return before.some((other) => drain || other.drain);
      default:
        return false;
    }
  }
}
