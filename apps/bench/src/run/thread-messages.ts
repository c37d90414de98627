import type { JobPlan } from './job-plan.js';
import type { ThreadOutcome } from './job-run.js';

/** What a job's thread is started with. */
export interface ThreadData {
  readonly plan: JobPlan;
  readonly recorderMemory: SharedArrayBuffer;
  readonly controlMemory: SharedArrayBuffer;
}

/** What a job's thread tells the run's. `refused` is a request that cannot be granted, `failed` anything else that went wrong. */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'failed'; readonly text: string }
  | { readonly kind: 'done'; readonly outcome: ThreadOutcome };

/** What the run's thread tells a job's. */
export type ThreadOrder = 'go' | 'leave';
