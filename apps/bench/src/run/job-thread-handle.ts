import { Worker } from 'node:worker_threads';
import { JOB_THREAD_PROGRAM } from '../job-thread-program.js';
import { JobRecorder } from '../results/job-recorder.js';
import type { LoopUse, ResourceUse } from '../results/job-result.js';
import { type SampleData, SampleSeries } from '../results/sample-series.js';
import { watchProcess } from '../trust/process-watch.js';
import { UsageError } from '../usage-error.js';
import { JOB_RUNNING, JobControl } from './job-control.js';
import type { JobFailure } from './job-failure.js';
import type { JobPlan } from './job-plan.js';
import type { ThreadOutcome } from './job-run.js';
import type { ThreadData, ThreadMessage, ThreadOrder } from './thread-messages.js';

/** How long a thread that was given up may take to end after all. */
const LEAVE_MS = 1000;
const NO_LOOP: LoopUse = { gcCount: 0, gcMs: 0, gcMaxMs: 0, delayP50Ms: null, delayP99Ms: null, delayMaxMs: null };

/** A thread of a job, as the run's thread has it. What it counts can be read at any time. */
export class JobThread {
  readonly plan: JobPlan;
  readonly recorder: JobRecorder = new JobRecorder();
  readonly control: JobControl = new JobControl();
  /** What became of it, once it has ended. */
  outcome: ThreadOutcome | null = null;
  /** When it was started, or 0. */
  startedAtMs = 0;
  #useSoFar: (() => ResourceUse) | null = null;
  readonly #series: SampleSeries;
  /** It was given up, and has not ended. */
  #isStuck = false;
  #giveUp: (outcome: ThreadOutcome) => void = () => {};
  readonly #worker: Worker;
  readonly #ready: Promise<void>;
  readonly #done: Promise<ThreadOutcome>;
  readonly #exit: Promise<void>;

  constructor(plan: JobPlan) {
    this.plan = plan;
    this.#series = new SampleSeries(this.recorder);
    const data: ThreadData = { plan, recorderMemory: this.recorder.memory, controlMemory: this.control.memory };
    this.#worker = new Worker(JOB_THREAD_PROGRAM, { workerData: data });
    this.#exit = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    const message = (kind: 'ready' | 'done'): Promise<ThreadMessage> => this.#message(kind);
    this.#ready = message('ready').then(() => {});
    const ended = message('done').then((told) => {
      if (told.kind !== 'done') throw new Error('the thread has said something else');
      return told.outcome;
    });
    const givenUp = new Promise<ThreadOutcome>((resolve) => {
      this.#giveUp = resolve;
    });
    this.#done = Promise.race([ended, givenUp]).then((outcome) => {
      this.outcome = outcome;
      return outcome;
    });
    // Whoever waits sees it; nobody may be waiting yet.
    this.#ready.catch(() => {});
    this.#done.catch(() => {});
  }

  /** Resolves when everything is open. Rejects with a UsageError for what cannot be had. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** Starts it. Resolves when it has ended. */
  run(): Promise<ThreadOutcome> {
    this.startedAtMs = Date.now();
    this.#useSoFar = watchProcess();
    this.#worker.postMessage('go' satisfies ThreadOrder);
    return this.#done;
  }

  /** Whether it has been started and has not ended. */
  get isRunning(): boolean {
    return this.startedAtMs > 0 && this.outcome === null;
  }

  get isIdle(): boolean {
    return this.control.isIdle;
  }

  /** Whether it was given up, and is still in a call that does not return: it cannot be ended, and keeps the process from ending. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** How long the measured time has been so far. */
  get runtimeMs(): number {
    return Math.max(...this.recorder.directions.map((direction) => direction.runtimeMs));
  }

  /** Takes a sample for reports before its end; afterwards it has its own. */
  sample(): void {
    if (this.isRunning && this.control.state === JOB_RUNNING) this.#series.take(this.runtimeMs);
  }

  /** What it did over time, as far as is known now. */
  get samples(): SampleData {
    return this.outcome?.samples ?? this.#series.toData();
  }

  /** Waits for it no more: what it has counted so far is all that will be known. */
  abandon(failure: JobFailure): void {
    this.#isStuck = true;
    const measuredMs = Date.now() - this.startedAtMs - this.plan.job.options.ramp_time / 1000;
    // Nobody else says any more how long it has been.
    for (const direction of this.recorder.directions) if (direction.totalIos > 0) direction.setRuntime(Math.max(1, measuredMs));
    this.#giveUp({
      failure,
      failedIos: 0,
      startedAtMs: this.startedAtMs,
      elapsedMs: Date.now() - this.startedAtMs,
      runtimeMs: this.runtimeMs,
      samples: this.#series.toData(),
      log: [],
      use: this.useSoFar ?? watchProcess()(),
      loop: NO_LOOP,
      steadyState: null,
      latencyDepth: null,
      blocksVerified: 0,
    });
  }

  /** What the process has taken since it was started, for reports before its end; null before its start. */
  get useSoFar(): ResourceUse | null {
    return this.#useSoFar?.() ?? null;
  }

  /** Lets it close what it has open, and waits for its end. */
  async leave(): Promise<void> {
    this.control.stop();
    this.#worker.postMessage('leave' satisfies ThreadOrder);
    const exit = this.#exit.then(() => {
      this.#isStuck = false;
    });
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => {
      if (this.#isStuck) timer = setTimeout(resolve, LEAVE_MS);
    });
    await Promise.race([exit, patience]);
    clearTimeout(timer);
  }

  #message(kind: 'ready' | 'done'): Promise<ThreadMessage> {
    const { name } = this.plan.job.options;
    return new Promise((resolve, reject) => {
      this.#worker.on('message', (message: ThreadMessage) => {
        if (message.kind === kind) resolve(message);
        else if (message.kind === 'refused') reject(new UsageError(`${this.plan.job.place}: job '${name}': ${message.text}`));
        else if (message.kind === 'failed') reject(new Error(`job '${name}': ${message.text}`));
      });
      this.#worker.once('error', reject);
      this.#worker.once('exit', (code) => reject(new Error(`job '${name}': its thread has ended with code ${code}`)));
    });
  }
}
