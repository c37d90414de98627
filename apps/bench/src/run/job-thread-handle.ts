import { Worker } from 'node:worker_threads';
import { JOB_THREAD_PROGRAM } from '../job-thread-program.js';
import { JobRecorder } from '../results/job-recorder.js';
import type { ResourceUse } from '../results/job-result.js';
import { watchProcess } from '../trust/process-watch.js';
import { UsageError } from '../usage-error.js';
import { JobControl } from './job-control.js';
import type { JobPlan } from './job-plan.js';
import type { ThreadOutcome } from './job-run.js';
import type { ThreadData, ThreadMessage, ThreadOrder } from './thread-messages.js';

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
  readonly #worker: Worker;
  readonly #ready: Promise<void>;
  readonly #done: Promise<ThreadOutcome>;
  readonly #exit: Promise<void>;

  constructor(plan: JobPlan) {
    this.plan = plan;
    const data: ThreadData = { plan, recorderMemory: this.recorder.memory, controlMemory: this.control.memory };
    this.#worker = new Worker(JOB_THREAD_PROGRAM, { workerData: data });
    this.#exit = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    const message = (kind: 'ready' | 'done'): Promise<ThreadMessage> => this.#message(kind);
    this.#ready = message('ready').then(() => {});
    this.#done = message('done').then((told) => {
      if (told.kind !== 'done') throw new Error('the thread has said something else');
      this.outcome = told.outcome;
      return told.outcome;
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

  /** What the process has taken since it was started, for reports before its end; null before its start. */
  get useSoFar(): ResourceUse | null {
    return this.#useSoFar?.() ?? null;
  }

  /** Lets it close what it has open, and waits for its end. */
  async leave(): Promise<void> {
    this.control.stop();
    this.#worker.postMessage('leave' satisfies ThreadOrder);
    await this.#exit;
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
