import { describe, expect, it } from 'vitest';
import { Histogram } from '../src/stats/histogram.js';

/** The value at a percentile by definition: sorted, the one at that rank. */
function exactPercentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(sorted.length * fraction - 1e-6)) - 1] as number;
}

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe('Histogram', () => {
  it('is exact below 256', () => {
    for (let value = 0; value < 256; value++) expect(histogramOf([value]).percentile(0.5)).toBe(value);
  });

  it('is within 0.4 % for every power of two and its neighbours, up to half an hour', () => {
    for (let exponent = 8; exponent < 41; exponent++) {
      for (const value of [2 ** exponent - 1, 2 ** exponent, 2 ** exponent + 1, Math.floor(2 ** exponent * 1.37)]) {
        const found = histogramOf([value]).percentile(1) as number;
        expect(Math.abs(found - value) / value, `${value} is given as ${found}`).toBeLessThanOrEqual(1 / 256);
      }
    }
  });

  it('gives the percentiles of what it counted', () => {
    // From 40 ns to 40 s, evenly by their logarithms.
    const values = Array.from({ length: 20_001 }, (_, index) => Math.floor(40 * 10 ** ((index / 20_000) * 9)));
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
    expect(histogram.percentile(1)).toBeGreaterThan(2 ** 40);
  });

  it('adds another one', () => {
    const low = histogramOf([1, 2, 3]);
    low.add(histogramOf([100, 2 ** 35]));
    expect(low.count).toBe(5);
    expect(low.percentile(0.8)).toBe(100);
  });

  it('has no percentile when empty', () => {
    expect(new Histogram().percentile(0.5)).toBeNull();
  });

  it('allocates nothing when it records', () => {
    const histogram = new Histogram();
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
