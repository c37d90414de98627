import { Recorder } from './recorder.mjs';
import { FILE_BYTES } from './test-file.mjs';

/** Runs one path of JavaScript for the time of `load`. Both the compiler and the processor's caches get some time before anything
 * counts. The CPU is that of the whole process, all of its threads included. */
export async function measured(path, load) {
  const recorder = new Recorder({ fileBytes: FILE_BYTES, ...load });
  let before = process.cpuUsage();
  recorder.onWarm = () => {
    before = process.cpuUsage();
  };
  await path(load, recorder);
  const { user, system } = process.cpuUsage(before);
  return {
    iops: recorder.iops,
    p50: recorder.percentileUs(0.5),
    p99: recorder.percentileUs(0.99),
    cpuUs: (user + system) / recorder.count,
  };
}
