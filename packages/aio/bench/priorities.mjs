import { PRIORITY_NONCRITICAL, PRIORITY_TIMECRITICAL } from '@biodone/aio';
import { openFile } from '@biodone/blockdev';
import { Recorder } from '../../uring/bench/recorder.mjs';
import { readPool, withPool } from './pool-reads.mjs';

/** How many reads of low priority there are at a time, beside one of high priority; and how many the disk has at a time. */
const LOW_DEPTH = 128;
const IN_FLIGHT_MAX = 4;

/**
 * Reads past the page cache, of two priorities, in the order of a discipline. Returns the 99th percentile of the latency of those of high
 * priority in microseconds, and how many reads of both there were in a second.
 */
export function priorities(discipline) {
  return (load) => {
    const device = openFile(load.path, { readOnly: true, direct: true, engine: 'uring' });
    const options = { depth: LOW_DEPTH + 1, inFlightMax: IN_FLIGHT_MAX, discipline };
    return withPool(device, options, async (pool) => {
      const [low, high] = [
        { ...load, depth: LOW_DEPTH, priority: PRIORITY_NONCRITICAL },
        { ...load, depth: 1, priority: PRIORITY_TIMECRITICAL, seed: load.seed + 1000 },
      ];
      const recorders = [new Recorder(low), new Recorder(high)];
      await Promise.all([readPool(pool, low, recorders[0]), readPool(pool, high, recorders[1])]);
      return { p99: recorders[1].percentileUs(0.99), iops: recorders[0].iops + recorders[1].iops };
    });
  };
}
