import { IO_ENGINES } from '../io-engines/all.js';
import type { LoopShape } from '../results/loop-shape.js';
import type { JobPlan } from './job-plan.js';

/** Of a job whose I/Os complete inside the call, one after the other. */
export const BLOCKING_SHAPE: LoopShape = { isQueued: false, batchSubmit: 1, batchComplete: 1 };

/** How many I/Os a job has in flight: one, where the engine blocks. */
export function depthOf({ job }: JobPlan): number {
  return IO_ENGINES[job.options.ioengine].isSynchronous ? 1 : job.options.iodepth;
}

/** How a job's loop goes round. The engine that does nothing blocks at depth 1, as fio's does. */
export function loopShapeOf(plan: JobPlan): LoopShape {
  const { ioengine, iodepth, iodepth_batch_submit: submit, ...options } = plan.job.options;
  const isQueued = !IO_ENGINES[ioengine].isSynchronous && (ioengine !== 'null' || iodepth > 1);
  if (!isQueued) return BLOCKING_SHAPE;
  const batchComplete = Math.max(1, options.iodepth_batch_complete_min, options.iodepth_batch_complete_max);
  return { isQueued, batchSubmit: submit > 0 ? submit : iodepth, batchComplete };
}
