import type { JobRecorder } from '../results/job-recorder.js';

/** A thread of a job, as far as it is watched. */
export interface WatchedThread {
  readonly recorder: JobRecorder;
  /** Whether it has been started and has not ended. */
  readonly isRunning: boolean;
  /** Whether it waits for its own next I/O, with none in flight: for its rate, or in its think time. */
  readonly isIdle: boolean;
}

/** Finds threads in which no I/O completes any more: they would keep a run for ever, and say nothing. */
export class StallWatch<Thread extends WatchedThread> {
  readonly #stallMs: number;
  readonly #seen = new Map<Thread, { progress: number; sinceMs: number }>();

  /** @param stallMs how long an I/O may take; Infinity to wait for ever */
  constructor(stallMs: number) {
    this.#stallMs = stallMs;
  }

  /** Looks at all threads. Returns those in which nothing has completed for too long. To be called several times in that time. */
  look(threads: readonly Thread[], nowMs: number): Thread[] {
    return threads.filter((thread) => this.#isStalled(thread, nowMs));
  }

  #isStalled(thread: Thread, nowMs: number): boolean {
    if (!thread.isRunning) return false;
    const progress = progressOf(thread.recorder);
    const seen = this.#seen.get(thread);
    if (seen === undefined || seen.progress !== progress || thread.isIdle) {
      this.#seen.set(thread, { progress, sinceMs: nowMs });
      return false;
    }
    return nowMs - seen.sinceMs >= this.#stallMs;
  }
}

/** A number that changes with each completion. */
function progressOf({ directions, sync }: JobRecorder): number {
  return directions.reduce((sum, direction) => sum + direction.totalIos, 0) + sync.sumNs;
}
