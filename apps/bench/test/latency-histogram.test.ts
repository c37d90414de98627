import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../src/results/latency-histogram.js';

/** The value at a percentile by definition: sorted, the one at that rank. */
function exactPercentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(sorted.length * fraction - 1e-6)) - 1] as number;
}

function histogramOf(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe('LatencyHistogram', () => {
  it('is exact below 128', () => {
    for (let value = 0; value < 128; value++) expect(histogramOf([0, value, 2 ** 20]).percentile(0.5)).toBe(value);
  });

  it('is within 0.78 % for every power of two and its neighbours, up to 17 s', () => {
    for (let exponent = 7; exponent < 34; exponent++) {
      for (const value of [2 ** exponent - 1, 2 ** exponent, 2 ** exponent + 1, Math.floor(2 ** exponent * 1.37)]) {
        // Between others: the least and the largest are known exactly.
        const found = histogramOf([0, value, 2 ** 40]).percentile(0.5) as number;
        expect(Math.abs(found - value) / value, `${value} is given as ${found}`).toBeLessThanOrEqual(1 / 128);
      }
    }
  });

  it('gives the percentiles of what it counted', () => {
    // From 15 ns to 15 s, evenly by their logarithms.
    const values = Array.from({ length: 20_001 }, (_, index) => Math.floor(15 * 10 ** ((index / 20_000) * 9)));
    const histogram = histogramOf(values);
    for (const fraction of [0.0001, 0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = exactPercentile(values, fraction);
      const found = histogram.percentile(fraction) as number;
      expect(Math.abs(found - exact) / exact, `${fraction}: ${exact} is given as ${found}`).toBeLessThan(0.01);
    }
  });

  it('takes the rank that the definition takes, also where the share is a whole number', () => {
    const hundred = histogramOf(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(hundred.percentile(0.5)).toBe(50);
    expect(hundred.percentile(0.99)).toBe(99);
    expect(hundred.percentile(0.991)).toBe(100);
    expect(hundred.percentile(1)).toBe(100);
    expect(hundred.percentile(0.0001)).toBe(1);
  });

  it('counts every value, also those beyond both ends', () => {
    const histogram = histogramOf([-5, 0, 0.9, 2 ** 41, 2 ** 50, Number.MAX_VALUE]);
    expect(histogram.count).toBe(6);
    expect(histogram.percentile(0.5)).toBe(0);
    expect(histogram.percentile(1)).toBe(Number.MAX_VALUE);
    expect(histogram.percentile(0.8)).toBeGreaterThan(2 ** 33);
  });

  it('adds another one', () => {
    const low = histogramOf([1, 2, 3]);
    low.add(histogramOf([100, 2 ** 35]));
    expect(low.count).toBe(5);
    expect(low.percentile(0.8)).toBe(100);
  });

  it('has no percentile when empty', () => {
    expect(new LatencyHistogram().percentile(0.5)).toBeNull();
  });

  it('allocates nothing when it records', () => {
    const histogram = new LatencyHistogram();
    const record = (count: number): void => {
      for (let value = 0; value < count; value++) histogram.record(value * 977);
    };
    // Compiled for small and large numbers alike before it counts.
    for (let round = 0; round < 3; round++) record(4_000_000);
    const { gc } = globalThis;
    if (gc === undefined) throw new Error('this test needs --expose-gc');
    gc();
    const before = process.memoryUsage().heapUsed;
    record(4_000_000);
    expect((process.memoryUsage().heapUsed - before) / 4_000_000).toBeLessThan(0.1);
  });
});
