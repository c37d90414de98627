import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type { EngineSession } from '../io-engines/io-engine.js';
import type { JobRecorder } from '../results/job-recorder.js';
import { Arrivals } from './arrivals.js';
import type { CompletionSink } from './completion-sink.js';
import type { DepthSearch } from './depth-search.js';
import { IO_FDATASYNC, IO_NAMES, IO_TRIM, IO_WRITE, type IoUnit } from './io-unit.js';
import type { JobClock } from './job-clock.js';
import type { JobControl } from './job-control.js';
import type { JobFailure } from './job-failure.js';
import type { JobPlan } from './job-plan.js';
import type { NextIo } from './next-io.js';
import { loopShapeOf } from './plan-shape.js';
import { shortWriteError } from './short-write.js';

/** While nothing else is due, the loop looks this often whether it is to stop. */
const LOOK_NS = 5e6;
/** Shorter waits are spent polling: timers are not that exact. */
const SPIN_NS = 1.2e6;
/** How long the event loop sleeps at most while no I/O is due. */
const IDLE_MS_MAX = 100;

/** What the loop needs. */
export interface LoopParts {
  readonly plan: JobPlan;
  readonly units: readonly IoUnit[];
  readonly next: NextIo;
  readonly recorder: JobRecorder;
  readonly clock: JobClock;
  readonly control: JobControl;
  /** Told at the times that it asks for, in nanoseconds of measured time; returns when it wants to be told next. */
  readonly onTime: (nowNs: number) => number;
  /** Says how many may be in flight: `latency_target`. Null where it is the whole depth. */
  readonly search?: DepthSearch | null;
  /** Told when the search has found its depth: what was recorded before does not count. */
  readonly onDepthFound?: (nowNs: number) => void;
}

/**
 * Keeps a job's I/Os in flight and records them. It allocates nothing per I/O, but a reading of the clock can be a number on the heap.
 *
 * **Order.** With an engine that is waited for it does what fio does with the same options: it fills the queue, batch by batch, each of which goes to
 * the kernel at once; then it takes as many completions as may be taken at a time, waiting for them where none has come; and fills the queue again.
 *
 * **Clock.** With an engine that blocks in each I/O it is read once per I/O: the completion counts as the beginning of the next one. With the
 * others it is read when completions are taken, once for all that are taken together, and when a batch has been handed over, once for the batch.
 * An I/O begins when what was before it was done; so what it waits for in a batch is part of its latency.
 */
export class JobLoop implements CompletionSink {
  readonly #plan: JobPlan;
  readonly #session: EngineSession;
  readonly #next: NextIo;
  readonly #recorder: JobRecorder;
  readonly #clock: JobClock;
  readonly #control: JobControl;
  readonly #onTime: (nowNs: number) => number;
  readonly #units: readonly IoUnit[];
  /** The indexes of units that are not in flight, the next one last. */
  readonly #free: Int32Array;
  readonly #batch: IoUnit[] = [];
  readonly #batchMax: number;
  readonly #completeMin: number;
  readonly #completeMax: number;
  readonly #depthLow: number;
  readonly #maxLatencyNs: number;
  readonly #isOpenLoop: boolean;
  readonly #search: DepthSearch | null;
  readonly #onDepthFound: (nowNs: number) => void;
  readonly #arrivals: Arrivals;
  /** Whether the engine is one that is waited for. Then what completes is kept until its turn comes. */
  readonly #isWaited: boolean;
  #depthMax: number;
  #freeCount: number;
  /** A unit that is filled in, but not due. */
  #held: IoUnit | null = null;
  #inFlight = 0;
  #nowNs = 0;
  #isStale = true;
  #lookNs = 0;
  #isEnding = false;
  /** By direction: what the phases before this one took. */
  readonly #runtimeBeforeNs = [0, 0, 0];
  #phaseStartNs = 0;
  #activeDirections: readonly number[] = [];
  #failure: JobFailure | null = null;
  #failedIos = 0;
  /** With an engine that needs the event loop: called when nothing is in flight and nothing more comes. */
  #onDrained: (() => void) | null = null;
  #timer: NodeJS.Timeout | NodeJS.Immediate | null = null;

  constructor(parts: LoopParts, openSession: (sink: CompletionSink) => EngineSession) {
    this.#plan = parts.plan;
    const { options } = parts.plan.job;
    this.#next = parts.next;
    this.#recorder = parts.recorder;
    this.#clock = parts.clock;
    this.#control = parts.control;
    this.#onTime = parts.onTime;
    this.#units = parts.units;
    this.#free = Int32Array.from(parts.units.keys()).reverse();
    this.#freeCount = parts.units.length;
    const { batchSubmit, batchComplete } = loopShapeOf(parts.plan);
    this.#batchMax = batchSubmit;
    this.#completeMin = Math.max(1, options.iodepth_batch_complete_min);
    this.#completeMax = batchComplete;
    this.#arrivals = new Arrivals(parts.units);
    this.#depthLow = options.iodepth_low > 0 ? options.iodepth_low : parts.units.length;
    this.#maxLatencyNs = options.max_latency > 0 ? options.max_latency * 1e3 : Number.POSITIVE_INFINITY;
    this.#isOpenLoop = parts.next.isOpenLoop;
    this.#search = parts.search ?? null;
    this.#onDepthFound = parts.onDepthFound ?? ((nowNs) => this.beginMeasuring(nowNs));
    this.#depthMax = this.#search?.depth ?? parts.units.length;
    this.#session = openSession(this);
    this.#isWaited = this.#session.completes === 'wait';
  }

  get failure(): JobFailure | null {
    return this.#failure;
  }

  get failedIos(): number {
    return this.#failedIos;
  }

  /** The clock's last reading. */
  get nowNs(): number {
    return this.#nowNs;
  }

  /** Forgets what was recorded, as at the end of a ramp. */
  beginMeasuring(nowNs: number): void {
    this.#recorder.clear();
    this.#phaseStartNs = nowNs;
  }

  /** Starts nothing more; what is in flight ends. */
  end(): void {
    this.#isEnding = true;
  }

  fail(failure: JobFailure): void {
    this.#failure ??= failure;
    this.#isEnding = true;
  }

  /**
   * Does all I/Os that come, and returns when the last one is done. It can be called again for a phase that follows.
   *
   * @param directions those whose time this phase counts for
   */
  async run(directions: readonly number[]): Promise<void> {
    this.#isEnding = this.#failure !== null;
    if (this.#held !== null) this.#giveBack(this.#held);
    this.#nowNs = this.#clock.now();
    this.#phaseStartNs = this.#nowNs;
    this.#activeDirections = directions;
    this.#next.begin(this.#nowNs);
    this.#look();
    if (this.#session.completes === 'inside') this.#runInside();
    else if (this.#isWaited) this.#runWaiting();
    else await this.#runByEvents();
    this.#endPhase();
  }

  done(unit: IoUnit, result: number): void {
    if (this.#isWaited) this.#arrivals.add(unit, result);
    else this.#complete(unit, result);
  }

  #complete(unit: IoUnit, result: number): void {
    if (this.#isStale) {
      this.#nowNs = this.#clock.now();
      this.#isStale = false;
    }
    this.#inFlight -= 1;
    unit.inFlight = false;
    this.#free[this.#freeCount] = unit.index;
    this.#freeCount += 1;
    if (result === unit.lengthBytes && unit.operation <= IO_TRIM) this.#record(unit);
    else this.#doneOtherwise(unit, result);
    this.#next.done(unit, result, this);
    if (this.#nowNs >= this.#lookNs) this.#look();
    if (this.#onDrained !== null) this.#continueByEvents();
  }

  #record(unit: IoUnit): void {
    const direction = this.#recorder.directions[unit.operation];
    if (direction === undefined) return;
    // Whole numbers: others would be put on the heap on their way into a function that is not inlined.
    const submissionNs = Math.round(unit.submittedNs - unit.startedNs);
    const completionNs = Math.round(this.#nowNs - unit.submittedNs);
    if (this.#isOpenLoop && !unit.isCheck) {
      direction.completePlanned(unit.lengthBytes, submissionNs, completionNs, Math.round(unit.startedNs - unit.plannedNs));
    } else {
      direction.complete(unit.lengthBytes, submissionNs, completionNs);
    }
    this.#search?.count(submissionNs + completionNs, unit.startedNs);
    if (submissionNs + completionNs > this.#maxLatencyNs) this.#tooLate(unit, submissionNs + completionNs);
  }

  #doneOtherwise(unit: IoUnit, result: number): void {
    if (unit.operation >= IO_FDATASYNC && result >= 0) {
      this.#recorder.sync.record(this.#nowNs - unit.startedNs);
      return;
    }
    this.#failedIos += 1;
    const what = `${IO_NAMES[unit.operation]} of ${unit.lengthBytes} bytes at ${unit.offset}`;
    if (result < 0) this.fail({ error: -result, text: `${what} failed with ${getSystemErrorName(result)}` });
    else this.#movedLess(unit, result, what);
  }

  #movedLess({ operation, offset, lengthBytes }: IoUnit, movedBytes: number, what: string): void {
    const isWrite = operation === IO_WRITE;
    const error = isWrite
      ? shortWriteError(this.#plan.target, offset + movedBytes, lengthBytes - movedBytes)
      : constants.errno.EIO;
    const reason = error === constants.errno.EIO ? '' : `, and the rest failed with ${getSystemErrorName(-error)}`;
    this.fail({ error, text: `${what} moved only ${movedBytes}${reason}` });
  }

  #tooLate(unit: IoUnit, latencyNs: number): void {
    const text = `${IO_NAMES[unit.operation]} at ${unit.offset} took ${Math.round(latencyNs / 1e3)} us, more than max_latency`;
    this.fail({ error: 62, text });
  }

  /** What is to be done from time to time. */
  #look(): void {
    if (this.#control.isStopped) this.#isEnding = true;
    this.#lookNs = Math.min(this.#nowNs + LOOK_NS, this.#onTime(this.#nowNs));
    if (this.#search !== null) this.#lookAtDepth(this.#search);
    this.#publishRuntimes();
  }

  #lookAtDepth(search: DepthSearch): void {
    const step = search.look(this.#nowNs);
    this.#depthMax = search.depth;
    this.#lookNs = Math.min(this.#lookNs, search.endNs);
    if (step === 'measure') this.#onDepthFound(this.#nowNs);
    else if (step === 'end') this.#isEnding = true;
    else if (step === 'fail') this.fail({ error: 62, text: 'latency_target is not kept at any depth' });
  }

  #publishRuntimes(): void {
    for (const direction of this.#activeDirections) {
      const runtimeNs = (this.#runtimeBeforeNs[direction] as number) + this.#nowNs - this.#phaseStartNs;
      this.#recorder.directions[direction]?.setRuntime(runtimeNs / 1e6);
    }
  }

  #endPhase(): void {
    this.#publishRuntimes();
    for (const direction of this.#activeDirections) {
      this.#runtimeBeforeNs[direction] = (this.#runtimeBeforeNs[direction] as number) + this.#nowNs - this.#phaseStartNs;
    }
  }

  /** An engine that blocks in each I/O. */
  #runInside(): void {
    const unit = this.#units[0] as IoUnit;
    const { depth, submitted, completed } = this.#recorder;
    while (!this.#isEnding) {
      if (this.#next.fill(unit, this)) {
        this.#freeCount = 0;
        this.#inFlight = 1;
        this.#isStale = true;
        unit.inFlight = true;
        unit.startedNs = this.#nowNs;
        unit.submittedNs = this.#nowNs;
        depth.record(1);
        submitted.record(1);
        completed.record(1);
        this.#session.start(unit);
      } else if (!this.#sleepUntilDue()) {
        return;
      }
    }
  }

  /** An engine that has several in flight, and that the thread waits for. */
  #runWaiting(): void {
    for (;;) {
      while (this.#submit() && this.#freeCount > 0);
      if (this.#inFlight === 0) {
        if (this.#isEnding || !this.#sleepUntilDue()) return;
      } else {
        this.#await();
      }
    }
  }

  /** Takes what has completed, and where the queue was full goes on until it has emptied as far as it is to. */
  #await(): void {
    const low = this.#freeCount === 0 ? this.#depthLow : this.#units.length;
    do {
      this.#gather(Math.min(this.#completeMin, this.#inFlight));
      this.#take();
    } while (this.#inFlight > low && this.#held === null);
    if (this.#isStale) {
      this.#nowNs = this.#clock.now();
      this.#isStale = false;
      if (this.#nowNs >= this.#lookNs) this.#look();
    }
  }

  /** Waits until enough have completed, or until the unit that is held is due. */
  #gather(enough: number): void {
    const arrivals = this.#arrivals;
    if (this.#held !== null) {
      if (arrivals.count === 0) this.#session.wait(this.#restMs(SPIN_NS));
      return;
    }
    while (arrivals.count < enough) this.#session.wait(Number.POSITIVE_INFINITY);
  }

  /** Takes what has completed, as many as may be taken together. */
  #take(): void {
    const arrivals = this.#arrivals;
    const count = Math.min(arrivals.count, this.#completeMax);
    this.#isStale = true;
    for (let left = count; left > 0; left--) {
      const unit = arrivals.take();
      this.#complete(unit, unit.result);
    }
    if (count > 0) this.#recorder.completed.record(count);
  }

  /** How many milliseconds can be slept until the unit that is held is due; what is left is spent polling. 0 while it is not to sleep. */
  #restMs(sleepFromNs: number): number {
    const leftNs = this.#next.dueNs - this.#nowNs;
    return leftNs < sleepFromNs || this.#nowNs < this.#next.spinUntilNs ? 0 : Math.floor((leftNs - SPIN_NS) / 1e6);
  }

  /** Hands over a batch, or as many as there is room for, and reads the clock once behind them. Returns whether the batch was a whole one. */
  #submit(): boolean {
    const batch = this.#batch;
    let count = 0;
    while (!this.#isEnding && count < this.#batchMax) {
      const unit = this.#held ?? this.#pop();
      if (unit === null) break;
      if (!this.#next.fill(unit, this)) {
        this.#keep(unit);
        break;
      }
      this.#held = null;
      unit.inFlight = true;
      unit.startedNs = this.#nowNs;
      unit.submittedNs = this.#nowNs;
      this.#inFlight += 1;
      batch[count] = unit;
      count += 1;
      this.#session.start(unit);
    }
    if (count === 0) return false;
    if (this.#isWaited) this.#session.flush();
    this.#recorder.submitted.record(count);
    this.#nowNs = this.#clock.now();
    for (let index = 0; index < count; index++) {
      (batch[index] as IoUnit).submittedNs = this.#nowNs;
      // They are handed over together, so each of them has all the others beside it.
      this.#recorder.depth.record(this.#inFlight);
    }
    return count === this.#batchMax;
  }

  #pop(): IoUnit | null {
    if (this.#freeCount === 0 || this.#inFlight >= this.#depthMax) return null;
    this.#freeCount -= 1;
    return this.#units[this.#free[this.#freeCount] as number] as IoUnit;
  }

  /** A unit that was not filled in goes back; one that is not due is held. */
  #keep(unit: IoUnit): void {
    if (this.#next.isHolding) this.#held = unit;
    else this.#giveBack(unit);
  }

  #giveBack(unit: IoUnit): void {
    this.#held = null;
    this.#free[this.#freeCount] = unit.index;
    this.#freeCount += 1;
  }

  /** Sleeps until the next I/O is due. Returns false if none comes. */
  #sleepUntilDue(): boolean {
    if (!this.#next.isHolding) return false;
    const restMs = this.#restMs(SPIN_NS);
    if (restMs > 0) this.#control.sleep(restMs);
    this.#nowNs = this.#clock.now();
    if (this.#nowNs >= this.#lookNs) this.#look();
    return true;
  }

  /** An engine whose completions come from the event loop. */
  #runByEvents(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained = resolve;
      this.#continueByEvents();
    });
  }

  #continueByEvents(): void {
    while (this.#submit() && this.#freeCount > 0);
    this.#isStale = true;
    if (this.#held !== null && !this.#isEnding) {
      this.#wakeWhenDue();
    } else if (this.#inFlight === 0) {
      const onDrained = this.#onDrained;
      this.#onDrained = null;
      onDrained?.();
    }
  }

  /** A timer is good to a millisecond; what is left is spent in turns of the event loop. */
  #wakeWhenDue(): void {
    if (this.#timer !== null) return;
    // What ends the job, such as Ctrl-C, is looked for meanwhile.
    const restMs = Math.min(this.#restMs(2 * SPIN_NS), IDLE_MS_MAX);
    this.#control.isIdle = this.#inFlight === 0;
    const wake = (): void => {
      this.#timer = null;
      this.#control.isIdle = false;
      this.#nowNs = this.#clock.now();
      if (this.#nowNs >= this.#lookNs) this.#look();
      if (this.#onDrained !== null) this.#continueByEvents();
    };
    this.#timer = restMs > 0 ? setTimeout(wake, restMs) : setImmediate(wake);
  }
}
