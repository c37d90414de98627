import { expect, it, vi } from 'vitest';
import { LatencyHistogram } from '../src/results/latency-histogram.js';
import { StallTimer } from '../src/stall-timer.js';
import { Slice } from '../src/stats/slice.js';
import { Offsets } from '../src/workload/offsets.js';
import { WORKLOADS, type Workload } from '../src/workload/workload.js';

const [workload] = WORKLOADS as [Workload];

function someSlice(): Slice {
  const offsets = new Offsets(workload, 2 ** 24, 0);
  return new Slice({ workload, offsets, buffers: [], histogram: new LatencyHistogram(), lengthMs: 10 });
}

it('a stalled slice is told after the last completion, not before', async () => {
  vi.useFakeTimers();
  try {
    const slice = someSlice();
    const timer = new StallTimer(slice, 1000);
    const outcome = timer.reached.catch((error: Error) => error.message);
    slice.complete(0, workload.blockBytes);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await Promise.race([outcome, 'nothing yet'])).toBe('nothing yet');
    await vi.advanceTimersByTimeAsync(1000);
    expect(await outcome).toBe('no I/O has completed for 1 s, after 1 that did');
  } finally {
    vi.useRealTimers();
  }
});

it('a stopped timer tells nothing and keeps nothing waiting', () => {
  vi.useFakeTimers();
  try {
    const timer = new StallTimer(someSlice(), 1000);
    expect(vi.getTimerCount()).toBe(1);
    timer.stop();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

it('a slice fails with the first I/O that is not whole, and says how', () => {
  const short = someSlice();
  short.begin();
  expect(short.complete(0, 100)).toBe(false);
  expect(short.failure).toBe('a read of 4096 bytes moved only 100');
  const failed = someSlice();
  failed.begin();
  expect(failed.complete(0, -5)).toBe(false);
  expect(failed.failure).toBe('a read failed with EIO');
});
