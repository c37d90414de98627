import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { CountDistribution, meanOfCounts } from '../src/results/count-distribution.js';
import { BIN_COUNT, binOf, lowestOfBin, valueOfBin } from '../src/results/fio-bins.js';
import { JobRecorder } from '../src/results/job-recorder.js';
import { LatencyHistogram } from '../src/results/latency-histogram.js';
import { SampleSeries, sumOfSamples } from '../src/results/sample-series.js';
import { someRun } from './support/some-run.js';

function histogramOf(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe("fio's bins", () => {
  it('stand for values as in the reports of fio 3.33', () => {
    // Keys of "bins" in a report of fio, each of which must be what stands for its own bin.
    for (const key of [109, 120, 121, 131, 141, 171, 2896, 2992, 28032, 32640, 329728, 1003520, 3719168]) {
      expect(valueOfBin(binOf(key)), String(key)).toBe(key);
    }
  });

  it('follow each other without a gap, and hold no value that is more than 1/128 away', () => {
    for (let bin = 0; bin < BIN_COUNT; bin++) {
      const lowest = lowestOfBin(bin);
      const highest = bin + 1 < BIN_COUNT ? lowestOfBin(bin + 1) - 1 : 2 ** 34 - 1;
      expect([binOf(lowest), binOf(highest)], `bin ${bin}`).toEqual([bin, bin]);
      const middle = valueOfBin(bin);
      expect(Math.max(highest - middle, middle - lowest) / Math.max(1, lowest), `bin ${bin}`).toBeLessThanOrEqual(1 / 128);
    }
  });
});

describe('LatencyHistogram', () => {
  it('has exact least, largest, sum and mean, and the standard deviation', () => {
    const histogram = histogramOf([3, 1_000_003, 7.9, 2 ** 40, -4]);
    expect(histogram.count).toBe(5);
    expect(histogram.minNs).toBe(0);
    expect(histogram.maxNs).toBe(2 ** 40);
    expect(histogram.sumNs).toBe(2 ** 40 + 1_000_013);
    const spread = histogramOf([2, 4, 4, 4, 5, 5, 7, 9]);
    expect(spread.meanNs).toBe(5);
    expect(spread.stddevNs).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(histogramOf([17]).minNs).toBe(17);
    expect(histogramOf([17]).stddevNs).toBe(0);
    expect(new LatencyHistogram()).toMatchObject({ count: 0, minNs: 0, maxNs: 0, meanNs: 0, stddevNs: 0 });
  });

  it('comes back whole from its data, and can be added to', () => {
    const one = histogramOf([5, 500, 50_000]);
    const two = histogramOf([1, 5_000_000_000]);
    const copy = LatencyHistogram.from(JSON.parse(JSON.stringify(one.toData())));
    expect(copy.toData()).toEqual(one.toData());
    copy.add(LatencyHistogram.from(two.toData()));
    copy.add(LatencyHistogram.from(new LatencyHistogram().toData()));
    expect(copy.toData()).toEqual(histogramOf([5, 500, 50_000, 1, 5_000_000_000]).toData());
    copy.clear();
    expect(copy.toData()).toEqual(new LatencyHistogram().toData());
  });

  it('gives no percentile beyond what it has counted', () => {
    expect(histogramOf([1000]).percentile(0.01)).toBe(1000);
    expect(histogramOf([1000]).percentile(1)).toBe(1000);
    expect(new LatencyHistogram().percentile(0.5)).toBeNull();
  });
});

it('CountDistribution counts small numbers exactly, and large ones by their mean', () => {
  const counts = new CountDistribution();
  for (const value of [0, 1, 32, 32, 2000, 3000]) counts.record(value);
  expect(counts.toData()).toEqual([
    [0, 1],
    [1, 1],
    [32, 2],
    [2500, 2],
  ]);
  expect(meanOfCounts(counts.toData())).toBeCloseTo(5065 / 6, 9);
  expect(meanOfCounts([])).toBe(0);
});

describe('JobRecorder', () => {
  it('counts each direction with submission, completion and both together', () => {
    const recorder = new JobRecorder();
    recorder.read.complete(4096, 1000, 20_000);
    recorder.read.complete(4096, 3000, 40_000);
    recorder.write.completePlanned(512, 100, 200, 700);
    recorder.write.completePlanned(512, 100, 200, -5);
    recorder.read.setRuntime(1500);
    const { read, write, trim } = recorder.toData().directions;
    expect(read).toMatchObject({ totalIos: 2, bytes: 8192, runtimeMs: 1500, response: null, lateness: null });
    expect(read.submission).toMatchObject({ minNs: 1000, maxNs: 3000, sumNs: 4000 });
    expect(read.completion).toMatchObject({ minNs: 20_000, maxNs: 40_000 });
    expect(read.total).toMatchObject({ minNs: 21_000, maxNs: 43_000, sumNs: 64_000 });
    expect(write.response).toMatchObject({ minNs: 300, maxNs: 1000 });
    expect(write.lateness).toMatchObject({ minNs: 0, maxNs: 700 });
    expect(trim).toMatchObject({ totalIos: 0, bytes: 0 });
  });

  it('adds up the jobs of a group: counts are summed, times beside each other are not', () => {
    const [one, two] = [new JobRecorder(), new JobRecorder()];
    one.read.complete(4096, 1, 2);
    one.read.setRuntime(1000);
    two.read.complete(4096, 1, 2);
    two.read.countShort();
    two.read.countDropped();
    two.read.setRuntime(1200);
    two.sync.record(7);
    two.depth.record(8);
    one.add(two);
    const data = one.toData();
    expect(data.directions.read).toMatchObject({ totalIos: 2, bytes: 8192, shortIos: 1, droppedIos: 1, runtimeMs: 1200 });
    expect(data.sync.bins).toEqual([[7, 1]]);
    expect(data.depth).toEqual([[8, 1]]);
    one.clear();
    expect(one.toData()).toEqual(new JobRecorder().toData());
  });

  it('shows its numbers to another thread', async () => {
    const recorder = new JobRecorder();
    recorder.trim.complete(1 << 20, 5, 6);
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      const numbers = new Float64Array(workerData);
      parentPort.postMessage(numbers.reduce((sum, number) => sum + (number === 1 << 20 ? 1 : 0), 0));`;
    const worker = new Worker(source, { eval: true, workerData: recorder.memory });
    expect(await new Promise((resolve) => worker.once('message', resolve))).toBe(1);
    await worker.terminate();
    expect(new JobRecorder(recorder.memory).toData()).toEqual(recorder.toData());
    expect(() => new JobRecorder(new SharedArrayBuffer(8))).toThrow(RangeError);
  });
});

it('SampleSeries takes what was done since the last sample, and adds up jobs', () => {
  const recorder = new JobRecorder();
  const series = new SampleSeries(recorder);
  recorder.read.complete(4096, 1, 1);
  series.take(500);
  recorder.read.complete(4096, 1, 1);
  recorder.read.complete(8192, 1, 1);
  series.take(900);
  series.take(900);
  const { read, write } = series.toData();
  expect(read).toEqual([
    { endMs: 500, lengthMs: 500, ios: 1, bytes: 4096 },
    { endMs: 900, lengthMs: 400, ios: 2, bytes: 12_288 },
  ]);
  expect(write.map(({ ios }) => ios)).toEqual([0, 0]);
  const both = sumOfSamples([series.toData(), series.toData()]);
  expect(both.read.map(({ ios, bytes }) => [ios, bytes])).toEqual([
    [2, 8192],
    [4, 24_576],
  ]);
});

it('a run loses nothing as JSON', () => {
  const run = someRun();
  expect(JSON.parse(JSON.stringify(run))).toEqual(run);
});
