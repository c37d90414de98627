import { randomFillSync } from 'node:crypto';
import { constants } from 'node:os';
import { IoBuffer } from '@biodone/uring';
import { IO_ENGINES } from '../io-engines/all.js';
import type { EngineOpening } from '../io-engines/io-engine.js';
import { fillWithPattern } from '../jobs/byte-pattern.js';
import type { JobRecorder } from '../results/job-recorder.js';
import type { LoopUse, ResourceUse, SteadyState } from '../results/job-result.js';
import type { LogEntry } from '../results/log-series.js';
import type { SampleData } from '../results/sample-series.js';
import { LoopWatch } from '../trust/loop-watch.js';
import { watchProcess } from '../trust/process-watch.js';
import { quote } from '../usage-error.js';
import { makeVerifier, type Verifier } from '../verify/verifier.js';
import { loadState, saveState, type VerifyState } from '../verify/verify-state.js';
import { DepthSearch } from './depth-search.js';
import { blockBytes, IoChooser } from './io-chooser.js';
import { IO_READ, IO_TRIM, IO_WRITE, IoUnit } from './io-unit.js';
import { ThreadClock } from './job-clock.js';
import { JOB_ENDED, JOB_RAMPING, JOB_RUNNING, JOB_VERIFYING, type JobControl } from './job-control.js';
import type { JobFailure } from './job-failure.js';
import { JobLoop } from './job-loop.js';
import type { JobPlan } from './job-plan.js';
import { NextIo } from './next-io.js';
import { depthOf } from './plan-shape.js';
import { Timeline } from './timeline.js';

/** What became of one thread of a job, besides what its recorder has. Plain data. */
export interface ThreadOutcome {
  readonly failure: JobFailure | null;
  readonly failedIos: number;
  readonly startedAtMs: number;
  readonly elapsedMs: number;
  readonly runtimeMs: number;
  readonly samples: SampleData;
  readonly log: readonly LogEntry[];
  readonly use: ResourceUse;
  readonly loop: LoopUse;
  readonly steadyState: SteadyState | null;
  /** The depth that `latency_target` has found; null without one. */
  readonly latencyDepth: number | null;
  /** Blocks that were verified and found good. */
  readonly blocksVerified: number;
}

/** A thread of a job that has everything open, and waits to be started. */
export class JobRun {
  readonly #plan: JobPlan;
  readonly #opening: EngineOpening;
  readonly #recorder: JobRecorder;
  readonly #control: JobControl;
  readonly #verifier: Verifier | null;
  readonly #next: NextIo;
  readonly #clock = new ThreadClock();
  readonly #timeline: Timeline;
  #processUse: () => ResourceUse = watchProcess();
  readonly #loopWatch = new LoopWatch();
  readonly #loop: JobLoop;
  readonly #search: DepthSearch | null;
  readonly #units: readonly IoUnit[];

  private constructor(parts: {
    plan: JobPlan;
    opening: EngineOpening;
    recorder: JobRecorder;
    control: JobControl;
    units: readonly IoUnit[];
    verifier: Verifier | null;
  }) {
    const { plan, opening, recorder, control, units, verifier } = parts;
    this.#plan = plan;
    this.#opening = opening;
    this.#recorder = recorder;
    this.#control = control;
    this.#verifier = verifier;
    this.#units = units;
    const chooser = new IoChooser(plan);
    this.#next = new NextIo(plan, chooser, verifier, units);
    this.#search = searchOf(plan, units.length);
    this.#timeline = new Timeline(plan, recorder, {
      onMeasure: (nowNs) => this.#beginMeasuring(nowNs),
      onEnd: () => this.#loop.end(),
      onTooSlow: (text) => this.#loop.fail({ error: 5, text }),
    });
    const onTime = (nowNs: number): number => this.#timeline.look(nowNs);
    const onDepthFound = (nowNs: number): void => this.#timeline.restart(nowNs);
    this.#loop = new JobLoop(
      { plan, units, next: this.#next, recorder, clock: this.#clock, control, onTime, search: this.#search, onDepthFound },
      (sink) => opening.attach(sink, units),
    );
    if (plan.job.options.verify_only && verifier !== null) this.#assumeWrites(chooser, verifier);
  }

  /**
   * Opens the target and gets memory.
   *
   * @throws Unavailable where the engine cannot be had; otherwise what opening throws
   */
  static async open(plan: JobPlan, recorder: JobRecorder, control: JobControl): Promise<JobRun> {
    const { options } = plan.job;
    const { rw } = options;
    const state = options.verify_state_load ? loadState(plan.stateFile) : null;
    const opening = await IO_ENGINES[options.ioengine].open({
      target: plan.target,
      direct: options.direct || !options.buffered,
      writes: rw.writes && !options.verify_only,
      trims: rw.trims,
      sync: options.sync,
      depth: depthOf(plan),
    });
    try {
      const units = makeUnits(plan, opening.alignmentBytes);
      const verifier = await verifierOf(plan, units, state);
      return new JobRun({ plan, opening, recorder, control, units, verifier });
    } catch (error) {
      await opening.close();
      throw error;
    }
  }

  /** Runs the job to its end. */
  async run(): Promise<ThreadOutcome> {
    const { options } = this.#plan.job;
    const startedAtMs = Date.now();
    const startedAt = performance.now();
    this.#control.state = options.ramp_time + options.ramp_size > 0 ? JOB_RAMPING : JOB_RUNNING;
    if (!options.verify_only) await this.#loop.run(directionsOf(this.#plan));
    this.#timeline.finish(this.#clock.now());
    const use = this.#processUse();
    // Node tells of collections in turns of the event loop, which an engine that blocks has not had.
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    const loop = this.#loopWatch.use();
    this.#loopWatch.stop();
    const runtimeMs = Math.max(...this.#recorder.directions.map((direction) => direction.runtimeMs));
    await this.#finish();
    this.#control.state = JOB_ENDED;
    return {
      failure: this.#loop.failure,
      failedIos: this.#loop.failedIos,
      startedAtMs,
      elapsedMs: performance.now() - startedAt,
      runtimeMs,
      samples: this.#timeline.samples(),
      log: this.#timeline.log(),
      use,
      loop,
      steadyState: this.#timeline.steadyState(),
      latencyDepth: this.#search?.depth ?? null,
      blocksVerified: this.#verifier?.blocksChecked ?? 0,
    };
  }

  async close(): Promise<void> {
    await this.#opening.close();
  }

  #beginMeasuring(nowNs: number): void {
    this.#loop.beginMeasuring(nowNs);
    // Behind it: who samples meanwhile must not see what is forgotten.
    this.#control.state = JOB_RUNNING;
    this.#processUse = watchProcess();
    this.#loopWatch.clear();
  }

  /** The flush at the end, what was written read again, and the state saved. */
  async #finish(): Promise<void> {
    const { options } = this.#plan.job;
    const { rw } = options;
    if ((options.end_fsync || options.fsync_on_close) && rw.writes && this.#loop.failure === null) await this.#flush();
    const verifier = this.#verifier;
    if (verifier === null) return;
    if (rw.writes && options.do_verify && this.#loop.failure === null && !this.#control.isStopped) {
      this.#control.state = JOB_VERIFYING;
      this.#next.check();
      await this.#loop.run([IO_READ]);
    }
    if (options.verify_state_save) this.#saveState(verifier);
  }

  /** What was measured is not lost with it. */
  #saveState(verifier: Verifier): void {
    const { stateFile } = this.#plan;
    try {
      saveState(stateFile, verifier.state());
    } catch (error) {
      const { code, errno = -constants.errno.EIO } = error as NodeJS.ErrnoException;
      this.#loop.fail({ error: -errno, text: `the verify state cannot be written to ${quote(stateFile)} (${code})` });
    }
  }

  async #flush(): Promise<void> {
    this.#next.flushOnce();
    await this.#loop.run([]);
  }

  #assumeWrites(chooser: IoChooser, verifier: Verifier): void {
    const unit = new IoUnit(0, (this.#units[0] as IoUnit).buffer);
    let bytes = 0;
    for (let ios = 0; ios < this.#plan.totalIos && bytes < this.#plan.totalBytes; ios++) {
      chooser.fill(unit, chooser.direction());
      verifier.assume(unit);
      bytes += unit.lengthBytes;
    }
  }
}

function directionsOf({ job }: JobPlan): number[] {
  const { writes, trims } = job.options.rw;
  // With a backlog what was written is read in between.
  const reads = job.options.rw.reads || job.options.verify_backlog > 0;
  return [...(reads ? [IO_READ] : []), ...(writes ? [IO_WRITE] : []), ...(trims ? [IO_TRIM] : [])];
}

/** Memory for each I/O that can be in flight, all of it touched. */
function makeUnits(plan: JobPlan, alignmentBytes: number): IoUnit[] {
  const { options } = plan.job;
  const lengthBytes = Math.max(...blockBytes(options).map(({ max }) => max));
  return Array.from({ length: depthOf(plan) }, (_, index) => {
    // Whole words, so that they can be filled as such.
    const buffer = IoBuffer.allocate(Math.ceil(lengthBytes / 8) * 8, alignmentBytes);
    if (options.buffer_pattern.length > 0) fillWithPattern(buffer.bytes, options.buffer_pattern, 0);
    else if (options.zero_buffers) buffer.bytes.fill(0);
    else randomFillSync(buffer.bytes);
    return new IoUnit(index, buffer);
  });
}

function searchOf({ job }: JobPlan, depth: number): DepthSearch | null {
  const { latency_target: target, latency_window: window, latency_percentile: percent, latency_run: goesOn } = job.options;
  return target === 0 ? null : new DepthSearch({ targetNs: target * 1e3, windowNs: window * 1e3, percent, goesOn }, depth);
}

async function verifierOf(plan: JobPlan, units: readonly IoUnit[], state: VerifyState | null): Promise<Verifier | null> {
  const { options } = plan.job;
  if (options.verify === 'none' || options.verify === 'null') return null;
  const verifier = await makeVerifier(plan, units, verifyBlockBytes(plan), state);
  if (!options.rw.writes) verifier.expectForeignData();
  return verifier;
}

/** How long blocks with headers are: the interval that was asked for, or the shortest block. */
function verifyBlockBytes({ job }: JobPlan): number {
  const { options } = job;
  return options.verify_interval > 0 ? options.verify_interval : Math.min(...blockBytes(options).map(({ min }) => min));
}
