import type { CompletionSink } from '../run/completion-sink.js';
import type { IoUnit } from '../run/io-unit.js';
import type { Target } from '../run/job-plan.js';

/** A way from a job to its target: what `ioengine=` names. An engine is one file in this folder. */
export interface IoEngine {
  /** Whether it has one I/O in flight whatever the depth is. */
  readonly isSynchronous: boolean;
  /** @throws Unavailable where this machine cannot have it */
  open(options: OpenOptions): Promise<EngineOpening>;
}

export interface OpenOptions {
  readonly target: Target;
  readonly direct: boolean;
  readonly writes: boolean;
  readonly trims: boolean;
  readonly sync: 'none' | 'sync' | 'dsync';
  readonly depth: number;
}

/** An engine that has its target open. */
export interface EngineOpening {
  /** What memory for its I/Os is aligned to. */
  readonly alignmentBytes: number;
  /** Begins to work for a job. */
  attach(sink: CompletionSink, units: readonly IoUnit[]): EngineSession;
  close(): Promise<void>;
}

/** An engine at work for a job. */
export interface EngineSession {
  /** Where completions come from: from inside `start`, from `wait`, or from the event loop. */
  readonly completes: 'inside' | 'wait' | 'events';
  start(unit: IoUnit): void;
  /** Where completions come from `wait`: hands what was started to the kernel, if starting alone does not. What completes at once it may deliver. */
  flush(): void;
  /**
   * Where completions come from it: blocks until something completes, at most so long, and tells the sink. It may return with nothing done,
   * and delivers nothing that was started after it was called.
   */
  wait(timeoutMs: number): void;
}

/** Why an engine cannot be had here: one line. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

/** For engines that start at once what they are to start, and that nothing waits for. */
export function nothingToDo(): void {}
