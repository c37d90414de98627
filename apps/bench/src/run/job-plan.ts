import type { DeviceSpec } from '@biodone/blockdev';
import type { Job } from '../jobs/job.js';

/** What a job works on. Plain data: threads send it to each other. */
export type Target =
  | { readonly kind: 'file'; readonly path: string; readonly isDevice: boolean }
  /** `spec` as it was written, and `device` as it is opened. */
  | { readonly kind: 'stack'; readonly spec: string; readonly device: DeviceSpec }
  /** `isQueued` says how the engine that does nothing completes I/Os, where its depth is not to decide that. */
  | { readonly kind: 'none'; readonly isQueued?: boolean };

/** One thread of a job, with all that had to be found out before it starts. Plain data. */
export interface JobPlan {
  readonly job: Job;
  /** From 0, of all threads of the run, and of those of the job. */
  readonly number: number;
  readonly copy: number;
  readonly groupId: number;
  readonly target: Target;
  /** The part of the target that it touches. */
  readonly startOffset: number;
  readonly lengthBytes: number;
  /** How much it moves in all, by `io_size`, `size`, `loops` and `number_ios`; Infinity where the time alone ends it. */
  readonly totalBytes: number;
  readonly totalIos: number;
  /** Of the offsets. */
  readonly seed: number;
  /** Of the data: the same for the run that writes and the one that verifies. */
  readonly dataSeed: number;
  /** Where verify state is saved and loaded. */
  readonly stateFile: string;
}
