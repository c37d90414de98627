import { jobOf } from '../jobs/job.js';
import { JobRecorder } from '../results/job-recorder.js';
import type { LoopShape } from '../results/loop-shape.js';
import type { Calibration } from '../results/run-result.js';
import { clockCostNs } from '../trust/clock-cost.js';
import { JobControl } from './job-control.js';
import type { JobPlan } from './job-plan.js';
import { JobRun } from './job-run.js';

/** In the first run code is compiled; the second one counts. */
const WARM_UP_IOS = 500_000;
const MEASURED_IOS = 500_000;
/** What is touched does not matter, as nothing is. */
const SIZE = '256m';

/**
 * What the program itself costs: the same loop with the same records, and an engine that does nothing. CPU time is counted, as other work on the
 * machine makes none of it.
 *
 * @param shape how often the clock is read: with an engine that blocks once an I/O, otherwise twice a batch
 */
export async function calibrate(depth: number, shape: LoopShape): Promise<Calibration> {
  await runNull(depth, shape, WARM_UP_IOS);
  const { ios, cpuMicros } = await runNull(depth, shape, MEASURED_IOS);
  return { depth, ...shape, nullIops: (ios / cpuMicros) * 1e6, nsPerIo: (cpuMicros * 1e3) / ios, clockNs: clockCostNs() };
}

async function runNull(
  depth: number,
  { isQueued, batchSubmit, batchComplete }: LoopShape,
  ios: number,
): Promise<{ ios: number; cpuMicros: number }> {
  const texts = {
    ioengine: 'null',
    rw: 'randread',
    norandommap: '1',
    size: SIZE,
    bs: '4k',
    iodepth: String(depth),
    iodepth_batch_submit: String(batchSubmit),
    iodepth_batch_complete_max: String(batchComplete),
  };
  const options = Object.entries(texts).map(([name, value]) => ({ name, value, place: 'calibration' }));
  const job = jobOf({ name: 'calibration', globals: [], options, place: 'calibration' });
  const plan: JobPlan = {
    job,
    number: 0,
    copy: 0,
    groupId: 0,
    target: { kind: 'none', isQueued },
    startOffset: 0,
    lengthBytes: 2 ** 28,
    totalBytes: Number.POSITIVE_INFINITY,
    totalIos: ios,
    seed: 1,
    dataSeed: 1,
    stateFile: '',
  };
  const run = await JobRun.open(plan, new JobRecorder(), new JobControl());
  const { use } = await run.run();
  await run.close();
  return { ios, cpuMicros: use.userMicros + use.systemMicros };
}
