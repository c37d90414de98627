import { describe, expect, it } from 'vitest';
import { compareSides, overlaps } from '../src/compare/comparison.js';
import { gate, passes } from '../src/compare/gate.js';
import { observe } from '../src/compare/observation.js';
import { COMPARISON_FORMATS } from '../src/report/comparison-report.js';
import { fioJson } from '../src/report/fio-json.js';
import { FORMATS } from '../src/report/formats.js';
import { someComparison, someObservation, someSide } from './support/some-comparison.js';
import { someJob, someRun } from './support/some-run.js';

describe('sides', () => {
  const [section] = someComparison().sections;
  const [reference, slower, equal, missing] = compareSides(section?.sides ?? []);

  it('differ where the ranges of their repeats do not overlap', () => {
    expect(reference).toMatchObject({ verdict: 'reference', relative: 1, iops: { median: 800_000, min: 790_000, max: 820_000 } });
    expect(slower).toMatchObject({ verdict: 'slower', iops: { median: 410_000 } });
    expect(slower?.relative).toBeCloseTo(0.5125, 9);
    expect(equal).toMatchObject({ verdict: 'no difference', relative: 1.0375 });
    expect(missing).toMatchObject({ verdict: 'not available', relative: null, p50Ns: null });
    const [, faster] = compareSides([someSide('a', [10, 11]), someSide('b', [12, 13])]);
    expect(faster?.verdict).toBe('faster');
  });

  it('of one repeat are not told apart', () => {
    const [, other] = compareSides([someSide('a', [10]), someSide('b', [1000])]);
    expect(other).toMatchObject({ verdict: 'too few repeats', relative: 100 });
  });

  it('are compared with the first that there is', () => {
    const sides = compareSides([
      { label: 'none', unavailable: 'not here', repeats: [], harnessNs: null },
      someSide('a', [5, 6]),
      someSide('b', [1, 2]),
    ]);
    expect(sides.map(({ verdict }) => verdict)).toEqual(['not available', 'reference', 'slower']);
    expect(compareSides([])).toEqual([]);
  });

  it('touch where they have one value in common', () => {
    const spread = (min: number, max: number) => ({ min, median: min, max });
    expect(overlaps(spread(1, 2), spread(2, 3))).toBe(true);
    expect(overlaps(spread(2, 3), spread(1, 2))).toBe(true);
    expect(overlaps(spread(1, 2), spread(3, 4))).toBe(false);
    expect(overlaps(spread(1, 9), spread(3, 4))).toBe(true);
  });
});

describe("what is read from fio's JSON", () => {
  const json = fioJson(someRun(), { bins: true }) as { jobs: Parameters<typeof observe>[0] };

  it('is what was written: both directions together, latencies bin by bin', () => {
    const { iops, bytesPerSecond, latencies, cpuMicrosPerIo, samples, p50Ns } = observe(json.jobs);
    expect({ iops, bytesPerSecond, cpuMicrosPerIo }).toEqual({ iops: 30_000, bytesPerSecond: 30_000 * 4096, cpuMicrosPerIo: 20 });
    expect(latencies?.bins.reduce((sum, [, count]) => sum + count, 0)).toBe(30_000);
    expect(latencies).toMatchObject({ minNs: 80_000, maxNs: 352_500 });
    expect(p50Ns).toBeGreaterThan(130_000);
    expect(samples.map(({ ios }) => ios)).toEqual([7300, 7400, 7500, 7600]);
  });

  it('has no latencies of several histograms where there are no bins', () => {
    const { jobs } = fioJson(someRun(), { bins: false }) as typeof json;
    expect(observe(jobs)).toMatchObject({ iops: 30_000, p50Ns: null, latencies: null });
    expect(() => observe([{ jobname: 'x', read: {} }])).toThrow(TypeError);
  });
});

describe('the gate', () => {
  const results = (iops: Record<string, readonly number[]>) =>
    new Map(Object.entries(iops).map(([name, values]) => [name, values.map(someObservation)]));
  const verdictOf = (before: readonly number[], after: readonly number[]): string | undefined =>
    gate(results({ job: before }), results({ job: after }), 0.05)[0]?.verdict;

  it.each([
    [[100], [95], 'ok'],
    [[100], [94], 'regressed'],
    [[100], [300], 'ok'],
    [[100, 101, 99], [90, 91, 89], 'regressed'],
    [[100, 101, 89], [90, 91, 88], 'within the spread'],
  ])('finds %j to %j %s', (before, after, verdict) => {
    expect(verdictOf(before, after)).toBe(verdict);
  });

  it('lets nothing through that is missing, and new things', () => {
    const lines = gate(results({ a: [1], gone: [1] }), results({ a: [1], more: [1] }), 0);
    expect(lines.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['a', 'ok'],
      ['gone', 'missing'],
      ['more', 'new'],
    ]);
    expect(passes(lines)).toBe(false);
    expect(passes(lines.filter(({ verdict }) => verdict !== 'missing'))).toBe(true);
  });
});

describe('a comparison is written', () => {
  const comparison = someComparison();

  it('for people', () => {
    const lines = COMPARISON_FORMATS.normal(comparison).split('\n');
    expect(lines[0]).toBe('rw=randread bs=4k');
    expect(lines[1]).toMatch(/^side +IOPS +\(min–max\) +relative +MB\/s +p50 +p99 +CPU µs\/IO$/);
    expect(lines[2]).toMatch(/^uring +800,000 +\(790,000–820,000\) +1\.00× +reference +3,277 /);
    expect(lines[4]).toMatch(/^fio:io_uring .* 1\.04× +no difference /);
    expect(lines[6]).toBe('  fio:rbd: engine rbd not loadable');
    expect(lines).toContain('A note.');
  });

  it('as Markdown, each row with as many cells as the head', () => {
    const rows = COMPARISON_FORMATS.markdown(comparison)
      .split('\n')
      .filter((line) => line.startsWith('|'));
    expect(rows).toHaveLength(6);
    expect(new Set(rows.map((row) => row.split('|').length)).size).toBe(1);
  });

  it('as CSV, with plain numbers', () => {
    const [head, first, ...others] = COMPARISON_FORMATS.csv(comparison).split('\r\n');
    const names =
      'section,side,iops,iops_min,iops_max,relative,verdict,megabytes_per_second,latency_p50_ns,latency_p99_ns,cpu_us_per_io';
    expect(head).toBe(names);
    expect(first).toMatch(/^rw=randread bs=4k,uring,800000,790000,820000,1,reference,3276\.8,\d+,\d+,1\.25$/);
    expect(others).toHaveLength(3);
    expect(others[2]).toBe('rw=randread bs=4k,fio:rbd,,,,,not available,,,,');
  });

  it('as JSON that holds all of it', () => {
    expect(JSON.parse(COMPARISON_FORMATS.json(comparison))).toEqual(comparison);
  });

  it('as a page with its bars and reasons', () => {
    const html = COMPARISON_FORMATS.html(comparison);
    expect(html.match(/class="bar"/g)).toHaveLength(3);
    expect(html.match(/class="spread"/g)).toHaveLength(3);
    expect(html).toContain('engine rbd not loadable');
  });
});

describe('a run is written', () => {
  const run = someRun({ jobs: [someJob(), someJob({ name: 'a, "b"|c', warnings: ['The depth is not had.'] })] });

  it('for people, with all that speaks for it and against it', () => {
    const text = FORMATS['normal']?.(run) ?? '';
    for (const part of [
      'example: (groupid=0, jobs=1): err= 0',
      'IOPS 20,000, 81.9 MB/s (78.1 MiB/s)',
      'slat     min 2.00 µs',
      'p99.9 179 µs',
      'sync      100 flushes',
      '8.00 achieved of 8',
      '20.0 µs per I/O',
      'node 50 %, iou-wrk 9 %',
      '3 garbage collections',
      '! The depth is not had.',
      'util=87.50%',
      'governor performance',
      'calibration: an I/O that does nothing takes 333 ns at depth 8',
    ]) {
      expect(text).toContain(part);
    }
    // 10,000 writes tell of p99.9, not of p99.99.
    expect(text).not.toContain('p99.99');
    expect(text.split('\n').filter((line) => line.length > 170)).toEqual([]);
  });

  it.each(['interrupted', 'failed', 'running'] as const)('and says so where it is not complete: %s', (outcome) => {
    expect(FORMATS['normal']?.(someRun({ outcome }))).toContain(outcome === 'running' ? '(still running)' : `(${outcome})`);
    expect(FORMATS['html']?.(someRun({ outcome }))).toContain(outcome);
  });

  it('as Markdown and CSV, whatever its jobs are called', () => {
    const rows = (FORMATS['markdown']?.(run) ?? '').split('\n').filter((line) => line.startsWith('|'));
    expect(rows).toHaveLength(6);
    expect(new Set(rows.map((row) => row.replaceAll('\\|', '').split('|').length)).size).toBe(1);
    const lines = (FORMATS['csv']?.(run) ?? '').split('\r\n');
    expect(lines).toHaveLength(5);
    expect(lines[3]).toMatch(/^"a, ""b""\|c",read,uring,4k,8,20000,81\.92,/);
  });

  it('as JSON with the percentiles that were asked for', () => {
    const percentiles = { list: [50, 99.9], json: ['lat'], normal: [], terse: null } as const;
    const { jobs } = JSON.parse(FORMATS['json']?.({ ...run, jobs: [someJob({ percentiles })] }) ?? '{}');
    expect(Object.keys(jobs[0].read.lat_ns.percentile)).toEqual(['50.000000', '99.900000']);
    expect(jobs[0].read.clat_ns).not.toHaveProperty('percentile');
  });
});
