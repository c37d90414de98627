import { BlockDevice, IO_DONE } from '@biodone/blockdev';
import { SeededRandom } from '../random.js';
import { VirtualTime } from '../virtual-time.js';
import { Actions } from './actions.js';
import { Ledger } from './ledger.js';
import { DeliberateError } from './operations.js';
import type { AioSchedule, AioStep, AioStepKind } from './schedule.js';
import { SIZE_BYTES, SimulatedDriver } from './simulated-driver.js';
import { SimulatedPool } from './simulated-pool.js';
import { shotsOf } from './submission.js';

/** How often the clock may be looked at in one step: whoever looks more often waits in a circle. */
const LOOKS_MAX = 200_000;

/** A clock that notices when somebody waits for ever without ever sleeping. */
class WatchedTime extends VirtualTime {
  looks = 0;

  override now(): number {
    this.looks += 1;
    if (this.looks > LOOKS_MAX) throw new Error('somebody looks at the clock again and again, and nothing comes of it');
    return super.now();
  }
}

type StepTable = Readonly<Record<AioStepKind, (target: SimulatedPool, random: SeededRandom) => void | Promise<void>>>;

/** One run of a schedule: pools on a device, and what happens to them. */
export class Simulation {
  readonly ledger: Ledger;
  readonly #time = new WatchedTime();
  readonly #driver: SimulatedDriver;
  readonly #device: BlockDevice;
  readonly #pools: readonly SimulatedPool[];
  readonly #actions: Actions;
  readonly #steps: StepTable;

  constructor({ seed }: AioSchedule, traced: boolean) {
    const random = new SeededRandom(seed ^ 0x5bd1e995);
    const options = {
      progress: random.below(4) === 0 ? 'event-loop' : 'any',
      inFlightMax: random.below(3) === 0 ? 1 + random.below(4) : 64,
      polled: random.below(2) === 0,
    } as const;
    this.ledger = new Ledger(this.#time, { sizeBytes: SIZE_BYTES, loopOnly: options.progress === 'event-loop', traced });
    this.ledger.note('device', -1, JSON.stringify(options));
    this.#driver = new SimulatedDriver(this.#time, this.ledger, options);
    this.#device = new BlockDevice(this.#driver, { timers: this.#time });
    const count = random.pick([1, 1, 2, 3]);
    this.#pools = Array.from(
      { length: count },
      (_, index) => new SimulatedPool(index, this.#device, random, this.ledger, this.#time),
    );
    this.#actions = new Actions(this.ledger, this.#time);
    this.#steps = this.#makeSteps();
  }

  async step({ kind, dice }: AioStep): Promise<void> {
    const random = new SeededRandom(dice);
    const target = random.pick(this.#pools);
    this.ledger.note(kind, -1);
    this.#time.looks = 0;
    try {
      await this.#steps[kind](target, random);
    } catch (error) {
      if (!(error instanceof DeliberateError)) this.ledger.fault(`${kind} threw ${String(error)}`);
    }
    for (const each of this.#pools) each.checkLimits();
  }

  /** Lets everything end, and sees that it does. */
  async end(): Promise<void> {
    this.#actions.operations.stop();
    for (let round = 0; round < 100 && this.ledger.live.size > 0; round++) {
      await this.#settle();
      for (const io of [...this.#driver.started]) {
        this.#tolerantly(() => {
          if (this.#driver.started.includes(io)) this.#driver.complete(io);
        });
      }
      for (const target of this.#pools) this.#clear(target);
      // Some have no end, or one after completions that do not come any more.
      for (const submission of this.ledger.live) if (submission.timer !== null && round > 2) this.#actions.endTimer(submission);
      await this.#advance(10);
    }
    await this.#settle();
    const left = [...this.ledger.live].map(({ name }) => name);
    if (left.length > 0) return this.ledger.fault(`${left.join(', ')} never ended`);
    for (const target of this.#pools) this.#clear(target);
    await this.#settle();
    for (const target of this.#pools) target.close(Number.POSITIVE_INFINITY, false);
    await this.#settle();
    this.#time.looks = 0;
    for (const target of this.#pools) target.checkEnd();
    this.ledger.checkSignals();
    const { faults } = this.ledger;
    // What hangs is not to be waited for.
    if (faults.length === 0) await this.#device.close();
    if (this.#time.pending > 0) this.ledger.fault(`${this.#time.pending} timers are left`);
  }

  #makeSteps(): StepTable {
    const actions = this.#actions;
    return {
      submit: (target, random) => actions.operations.submit(target, random),
      burst: (target, random) => {
        for (let count = 2 + random.below(8); count > 0; count--) actions.operations.submit(target, random);
      },
      batch: (target, random) => actions.batches.submit(target, random),
      submitSync: (target, random) => actions.operations.submitSync(target, random),
      complete: (_target, random) => {
        const { completable } = this.#driver;
        if (completable.length > 0) this.#driver.complete(random.pick(completable));
      },
      settle: () => this.#settle(),
      advance: (_target, random) => this.#advance(random.pick([1, 3, 10, 40, 1000])),
      late: (target, random) => {
        this.#time.sleep(random.pick([1, 3, 10, 40]));
        actions.poll(target);
      },
      cancel: (target, random) => actions.cancel(target, random),
      cancelStale: (target, random) => actions.cancelStale(target, random),
      cancelAll: (target, random) => actions.cancelAll(target, random),
      cancelSync: (target, random) => actions.cancelSync(target, random),
      abort: (_target, random) => actions.abort(random),
      poll: (target) => actions.poll(target),
      wait: (target, random) => actions.wait(target, random),
      reap: (target, random) => actions.reap(target, random),
      reuse: (target, random) => actions.reuse(target, random),
      available: (target, random) => actions.awaitRoom(target, random),
      discipline: (target, random) => actions.setDiscipline(target, random),
      configure: (target, random) => actions.configure(target, random),
      close: (target, random) => actions.close(target, random),
      closeSync: (target, random) => actions.closeSync(target, random),
      resize: (_target, random) => this.#resize(SIZE_BYTES - random.below(24)),
      remove: () => {
        this.ledger.removed = true;
        this.#driver.events?.removed();
      },
    };
  }

  /** Lets time pass. As in the event loop, what is scheduled runs before each timer. */
  async #advance(byMs: number): Promise<void> {
    const endMs = this.#time.now() + byMs;
    await this.#settle();
    while (this.#time.nextAtMs <= endMs) {
      this.#tolerantly(() => this.#time.advanceToNext());
      await this.#settle();
    }
    this.#time.advance(Math.max(0, endMs - this.#time.now()));
  }

  #resize(sizeBytes: number): void {
    this.ledger.smallestBytes = Math.min(this.ledger.smallestBytes, sizeBytes);
    this.#driver.events?.resized(sizeBytes);
  }

  /** Runs what is scheduled, and sees that nobody waits for nothing. */
  async #settle(): Promise<void> {
    await this.#runScheduled();
    // Whoever slept is late for these.
    while (this.#time.nextAtMs <= this.#time.now()) {
      this.#tolerantly(() => this.#time.advanceToNext());
      await this.#runScheduled();
    }
    for (const target of this.#pools) target.checkQuiescence();
  }

  async #runScheduled(): Promise<void> {
    // No timer comes before the last microtask: a close that ends goes through several.
    for (let turn = 0; turn < 10; turn++) await null;
    // Callbacks come from a turn of the event loop when there have been many; nobody knows when that is.
    for (let turn = 0; turn < 20 && this.#isUntold(); turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Whether something is over, or there is room, and nobody was told yet. */
  #isUntold(): boolean {
    const nowMs = this.#time.now();
    for (const { op, timer, nextShotAtMs } of this.ledger.live) {
      if (op.state === IO_DONE || (shotsOf(timer) > 1 && nowMs >= nextShotAtMs)) return true;
    }
    return this.#pools.some((target) => target.oweRoom);
  }

  /** Takes what is not reaped, and gives back what is kept. */
  #clear(target: SimulatedPool): void {
    for (let op = target.pool.reap(); op !== null; op = target.pool.reap()) {
      target.unreaped.splice(target.unreaped.indexOf(op), 1);
      this.#actions.operations.giveBack(target, op);
    }
    for (const op of target.kept.splice(0)) this.#actions.operations.giveBack(target, op);
  }

  #tolerantly(call: () => unknown): void {
    try {
      call();
    } catch (error) {
      if (!(error instanceof DeliberateError)) this.ledger.fault(`at the end: ${String(error)}`);
    }
  }
}
