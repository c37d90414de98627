import { jobOf } from '../jobs/job.js';
import { JobRecorder } from '../results/job-recorder.js';
import type { Calibration } from '../results/run-result.js';
import { JobControl } from './job-control.js';
import type { JobPlan } from './job-plan.js';
import { JobRun } from './job-run.js';

const CLOCK_READS = 20_000;
/** In the first run code is compiled; the second one counts. */
const WARM_UP = '50ms';
const MEASURE = '100ms';
/** What is touched does not matter, as nothing is. */
const SIZE = '256m';

/** What the program itself costs: the same loop with the same records, and an engine that does nothing. */
export async function calibrate(depth: number): Promise<Calibration> {
  await runNull(depth, WARM_UP);
  const { ios, runtimeMs } = await runNull(depth, MEASURE);
  return { depth, nullIops: (ios / runtimeMs) * 1000, nsPerIo: (runtimeMs * 1e6) / ios, clockNs: clockCost() };
}

async function runNull(depth: number, runtime: string): Promise<{ ios: number; runtimeMs: number }> {
  const texts = {
    ioengine: 'null',
    rw: 'randread',
    norandommap: '1',
    size: SIZE,
    bs: '4k',
    iodepth: String(depth),
    runtime,
    time_based: '1',
  };
  const options = Object.entries(texts).map(([name, value]) => ({ name, value, place: 'calibration' }));
  const job = jobOf({ name: 'calibration', globals: [], options, place: 'calibration' });
  const plan: JobPlan = {
    job,
    number: 0,
    copy: 0,
    groupId: 0,
    target: { kind: 'none' },
    startOffset: 0,
    lengthBytes: 2 ** 28,
    totalBytes: Number.POSITIVE_INFINITY,
    totalIos: Number.POSITIVE_INFINITY,
    seed: 1,
    dataSeed: 1,
    stateFile: '',
  };
  const recorder = new JobRecorder();
  const run = await JobRun.open(plan, recorder, new JobControl());
  const { runtimeMs } = await run.run();
  await run.close();
  return { ios: recorder.read.totalIos, runtimeMs };
}

function clockCost(): number {
  const begin = performance.now();
  let last = begin;
  for (let reads = 0; reads < CLOCK_READS; reads++) last = performance.now();
  return ((last - begin) * 1e6) / CLOCK_READS;
}
