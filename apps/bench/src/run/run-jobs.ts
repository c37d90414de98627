import { constants } from 'node:os';
import { basename, dirname } from 'node:path';
import { getSystemErrorName } from 'node:util';
import type { ExitTasks } from '../exit-tasks.js';
import { isSameShape } from '../results/loop-shape.js';
import type { Calibration, DiskUse, Outcome, RunResult } from '../results/run-result.js';
import { diskOf, watchDisk } from '../trust/disk.js';
import { currentLoad, machineRecord, watchOtherCpu } from '../trust/machine.js';
import { calibrate } from './calibrate.js';
import type { JobPlan } from './job-plan.js';
import { jobResults } from './job-results.js';
import { JobThread } from './job-thread-handle.js';
import { writeLogFiles } from './log-files.js';
import type { RunPlan } from './plan-run.js';
import { depthOf, loopShapeOf } from './plan-shape.js';
import { StallWatch } from './stall-watch.js';
import { makeTargetFile, type Preparation, type TargetFile, warmCache } from './target-file.js';

/** How long it takes at most until a job that is to begin later knows that it is not to begin. */
const DELAY_SLICE_MS = 100;

/** The jobs of a run, from making their files to removing them. */
export class Run {
  readonly #plan: RunPlan;
  readonly #exitTasks: ExitTasks;
  readonly #startedAtMs = Date.now();
  readonly #loadAverage = currentLoad();
  readonly #otherCpuShare = watchOtherCpu();
  /** A folder or a device that tells which disk it is. */
  readonly #place: string | null;
  readonly #watchedDisk: (() => DiskUse | null) | null;
  readonly #calibrations: Calibration[] = [];
  #preparation = 'preparing';
  readonly #threads: JobThread[] = [];
  readonly #failures: string[] = [];
  readonly #files: TargetFile[] = [];
  readonly #stallMs: number;
  readonly #stallWatch: StallWatch<JobThread>;
  #isInterrupted = false;
  #hasStalled = false;
  #isRunning = true;

  /** @param stallMs after so long without a completion a job is given up; Infinity to wait for ever */
  constructor(plan: RunPlan, exitTasks: ExitTasks, stallMs: number) {
    this.#plan = plan;
    this.#exitTasks = exitTasks;
    this.#stallMs = stallMs;
    this.#stallWatch = new StallWatch(stallMs);
    this.#place = placeOf(plan.plans);
    const disk = this.#place === null ? null : diskOf(this.#place);
    this.#watchedDisk = disk === null ? null : watchDisk(disk);
  }

  /** All threads that were started so far, for who shows progress. */
  get threads(): readonly JobThread[] {
    return this.#threads;
  }

  /**
   * Runs all jobs and returns what they did; I/O that fails is in it.
   *
   * @throws UsageError for what cannot be had, before any job has started; TargetFailure where the disk is full
   */
  async run(): Promise<RunResult> {
    try {
      await this.#makeFiles();
      await this.#calibrate();
      for (const batch of batchesOf(this.#plan.plans)) if (!this.#isInterrupted && !this.#hasStalled) await this.#runBatch(batch);
      this.#isRunning = false;
      for (const { plan, outcome } of this.#threads)
        if (outcome !== null) this.#failures.push(...writeLogFiles(plan, outcome.log));
      return this.snapshot();
    } finally {
      this.#isRunning = false;
      for (const file of this.#files) file.end();
    }
  }

  /** What has failed besides I/O, a line each. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** What is done before jobs begin, with how much of it is done. */
  get preparation(): string {
    return this.#preparation;
  }

  /** Whether a thread is in a call that does not return: then the process cannot end by itself. */
  get isStuck(): boolean {
    return this.#threads.some(({ isStuck }) => isStuck);
  }

  /** To be called every half second or so: samples for reports before the end, and whether I/Os still complete. */
  tick(nowMs: number): void {
    for (const thread of this.#threads) thread.sample();
    const stalled = this.#stallWatch.look(this.#threads, nowMs);
    if (stalled.length === 0) return;
    const text = `no I/O has completed for ${this.#stallMs / 1000} s: the device hangs, or --stall-timeout is too short for it`;
    for (const thread of stalled) thread.abandon({ error: constants.errno.ETIMEDOUT, text });
    this.#hasStalled = true;
    for (const { control } of this.#threads) control.stop();
  }

  /** Lets all jobs end what is in flight, and starts nothing more. */
  interrupt(): void {
    this.#isInterrupted = true;
    for (const { control } of this.#threads) control.stop();
  }

  /** What the jobs have done so far. */
  snapshot(): RunResult {
    const nowMs = Date.now();
    const { plans } = this.#plan;
    const globals = plans[0]?.job.globals ?? {};
    const jobs = jobResults(this.#threads, nowMs);
    return {
      outcome: this.#outcome(jobs.some(({ error }) => error !== 0)),
      startedAtMs: this.#startedAtMs,
      writtenAtMs: nowMs,
      globalOptions: Object.keys(globals).length === 0 ? null : globals,
      machine: machineRecord({ target: this.#place, loadAverage: this.#loadAverage, otherCpuShare: this.#otherCpuShare() }),
      calibrations: [...this.#calibrations],
      jobs,
      disks: this.#diskUse(),
    };
  }

  async #makeFiles(): Promise<void> {
    for (const file of this.#plan.files) {
      const made = await makeTargetFile(file, this.#exitTasks, this.#preparing(`writing ${basename(file.path)}`));
      if (made === null) return;
      this.#files.push(made);
    }
  }

  /** Reads in what jobs read through the page cache, right before they do: the kernel gives idle pages back. */
  async #warmCaches(batch: readonly JobPlan[]): Promise<void> {
    for (const { job, target, startOffset, lengthBytes } of batch) {
      const { direct, buffered, rw } = job.options;
      if (!rw.reads || !buffered || direct || target.kind !== 'file') continue;
      await warmCache(target.path, startOffset, lengthBytes, this.#preparing(`reading ${basename(target.path)} in`));
    }
  }

  /** Says how far it is, and stops with Ctrl-C. */
  #preparing(what: string): Preparation {
    return (share) => {
      this.#preparation = `${what} · ${Math.floor(share * 100)} %`;
      return !this.#isInterrupted;
    };
  }

  /** Once for each depth and each shape that a job's loop has. */
  async #calibrate(): Promise<void> {
    for (const plan of this.#plan.plans) {
      const depth = depthOf(plan);
      const shape = loopShapeOf(plan);
      if (this.#isInterrupted) return;
      if (this.#calibrations.some((known) => known.depth === depth && isSameShape(known, shape))) continue;
      this.#calibrations.push(await calibrate(depth, shape));
    }
  }

  #diskUse(): DiskUse[] {
    const use = this.#watchedDisk?.() ?? null;
    return use === null ? [] : [use];
  }

  #outcome(hasFailed: boolean): Outcome {
    if (this.#isInterrupted) return 'interrupted';
    if (this.#isRunning) return 'running';
    return hasFailed ? 'failed' : 'complete';
  }

  async #runBatch(batch: readonly JobPlan[]): Promise<void> {
    const threads = batch.map((plan) => new JobThread(plan));
    this.#threads.push(...threads);
    try {
      await Promise.all(threads.map(({ ready }) => ready));
      await this.#warmCaches(batch);
      this.#preparation = 'starting';
      await Promise.all(threads.map((thread) => this.#runThread(thread)));
    } finally {
      await Promise.all(threads.map((thread) => thread.leave()));
    }
  }

  async #runThread(thread: JobThread): Promise<void> {
    const { startdelay, exitall } = thread.plan.job.options;
    await this.#delay(thread, startdelay / 1000);
    const { failure } = await thread.run();
    if (failure !== null && isNoRoom(failure.error)) this.#dropFull();
    if (exitall) this.#stopOthers(thread);
  }

  /** In slices, because what stops a job stops its delay too. */
  async #delay({ control }: JobThread, delayMs: number): Promise<void> {
    for (let leftMs = delayMs; leftMs > 0 && !control.isStopped; leftMs -= DELAY_SLICE_MS)
      await new Promise((resolve) => setTimeout(resolve, Math.min(leftMs, DELAY_SLICE_MS)));
  }

  /** A file that filled the disk is of no use to anybody: it goes, even if it was to be kept. */
  #dropFull(): void {
    for (const file of this.#files) file.remove();
  }

  #stopOthers(thread: JobThread): void {
    for (const other of this.#threads) if (other !== thread && other.plan.groupId === thread.plan.groupId) other.control.stop();
  }
}

/** Whether an errno says that there is no room. */
function isNoRoom(error: number): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(getSystemErrorName(-error));
}

/** Where the first job that has a file or a device works. The file itself is not there before, and may be gone behind. */
function placeOf(plans: readonly JobPlan[]): string | null {
  for (const { target } of plans) {
    if (target.kind === 'file') return target.path.startsWith('/dev/') ? target.path : dirname(target.path);
  }
  return null;
}

/** The jobs that run at a time: `stonewall` begins the next ones. */
function batchesOf(plans: readonly JobPlan[]): JobPlan[][] {
  const batches: JobPlan[][] = [];
  for (const plan of plans) {
    const isFirstOfJob = plan.copy === 0;
    if (batches.length === 0 || (plan.job.options.stonewall && isFirstOfJob)) batches.push([]);
    batches.at(-1)?.push(plan);
  }
  return batches;
}
