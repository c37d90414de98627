import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { measureAgreement } from '../bench/agreement.mjs';
import { agreementOf, breakdownTable, figuresOf, verdictOf } from '../bench/agreement-report.mjs';
import type { Side } from '../src/compare/comparison.js';
import { someSide } from './support/some-comparison.js';

const DIRECT = { id: 'agree_direct', title: 'O_DIRECT' };
const CACHED = { id: 'agree_cached', title: 'cached', isExplained: true };

/** A side whose p50 is not what its IOPS are, as with a device that does several I/Os together. */
function withP50(side: Side, p50Ns: number): Side {
  return { ...side, repeats: side.repeats.map((repeat) => ({ ...repeat, p50Ns })) };
}

describe('agreement with fio', () => {
  it('is of pairs, and of their medians', () => {
    const fio = someSide('fio:io_uring', [100_000, 50_000, 80_000]);
    const ours = someSide('uring', [90_000, 51_000, 80_000]);
    const { iops, p50 } = agreementOf(DIRECT, [fio, ours]);
    expect(iops).toEqual([0.9, 1.02, 1]);
    expect(p50).toHaveLength(3);
    expect(p50[0]).toBeCloseTo(1 / 0.9, 1);
    const figures = figuresOf([agreementOf(DIRECT, [fio, ours])]);
    expect(figures).toEqual([
      { id: 'agree_direct', values: iops },
      { id: 'agree_direct_p50', values: p50 },
    ]);
  });

  it('takes the mean of the turns of each repeat, and leaves out what makes none', () => {
    const fio = someSide('fio:io_uring', [100_000, 50_000, 80_000, 70_000, 1]);
    const ours = someSide('uring', [60_000, 60_000, 100_000, 80_000, 1]);
    expect(agreementOf({ ...DIRECT, turns: 2 }, [fio, ours]).iops).toEqual([0.8, 1.2]);
  });

  it.each([
    ['IOPS and p50', 95_000, 105_000, "O_DIRECT: agrees with fio within 10 % (IOPS 0.950, p50 1.050 of fio's)"],
    ['not IOPS', 89_000, 100_000, "O_DIRECT: does not agree with fio within 10 % (IOPS 0.890, p50 1.000 of fio's)"],
    ['not p50', 100_000, 111_000, "O_DIRECT: does not agree with fio within 10 % (IOPS 1.000, p50 1.110 of fio's)"],
    [
      'neither that is better',
      112_000,
      100_000,
      "O_DIRECT: does not agree with fio within 10 % (IOPS 1.120, p50 1.000 of fio's)",
    ],
  ])('takes %s within 10 %', (_, iops, p50Ns, expected) => {
    const fio = withP50(someSide('fio:io_uring', [100_000]), 100_000);
    const ours = withP50(someSide('uring', [iops]), p50Ns);
    expect(verdictOf(agreementOf(DIRECT, [fio, ours]))).toBe(expected);
  });

  it('is not claimed where a side is missing, and says why', () => {
    const missing = { label: 'fio:io_uring', unavailable: 'fio is not installed', repeats: [], harnessNs: null };
    const agreement = agreementOf(CACHED, [missing, ...cachedSides(1).slice(1)]);
    expect(agreement).toMatchObject({ iops: [], p50: [], breakdown: null, reason: 'fio is not installed' });
    expect(verdictOf(agreement)).toBe('cached: not measured');
    expect(figuresOf([agreement]).map(({ values }) => values)).toEqual([[], []]);
  });
});

describe('the breakdown of a cached read', () => {
  it('is there where ours costs over 5 % more, and only then', () => {
    expect(agreementOf(CACHED, cachedSides(0.96)).breakdown).toBeNull();
    expect(agreementOf(CACHED, cachedSides(0.94)).breakdown).toHaveLength(3);
    expect(agreementOf(DIRECT, cachedSides(0.5)).breakdown).toBeNull();
    expect(verdictOf(agreementOf(CACHED, cachedSides(0.8)))).toMatch(
      /does not agree .*; the table below shows where the time goes$/,
    );
  });

  it('has parts whose sum is the whole, as they are printed, and what ours costs beyond fio of each', () => {
    const { breakdown } = agreementOf(CACHED, cachedSides(0.8));
    const [whole, loop, call] = breakdown ?? [];
    expect(whole).toMatchObject({ fio: 1200, ours: 1500, node: 1400, extra: 300 });
    expect(loop).toMatchObject({ fio: 100, ours: 143, node: 143, extra: 43 });
    for (const column of ['fio', 'ours', 'node', 'extra'] as const) {
      expect((loop?.[column] ?? 0) + (call?.[column] ?? 0)).toBe(whole?.[column]);
    }
    const [heading, ...rows] = breakdownTable(breakdown ?? []);
    expect(heading).toEqual(['one cached read, nanoseconds', 'fio psync', 'biodone sync', 'fs.readSync', 'biodone over fio']);
    expect(rows.map(([part]) => part)).toEqual([
      'whole',
      'of it the loop, its clock and statistics',
      'of it the call, down to the kernel and in it',
    ]);
    const column = (index: number): number[] => rows.map((row) => Number(row[index]));
    for (const index of [1, 2, 3, 4]) {
      const [whole = Number.NaN, ...parts] = column(index);
      expect(parts.reduce((sum, part) => sum + part, 0)).toBe(whole);
    }
  });

  it('says of what was not to be had that it was not', () => {
    const [fio, ours, node, fioNull, ourNull] = cachedSides(0.8) as [Side, Side, Side, Side, Side];
    const { breakdown } = agreementOf(CACHED, [fio, ours, node, { ...fioNull, repeats: [] }, ourNull]);
    const [, loop] = breakdownTable(breakdown ?? []).slice(1);
    expect(loop?.slice(1)).toEqual(['not available', '143', '143', 'not available']);
  });
});

it('the pairs are measured beside fio, with ratios of IOPS and p50, and parts that add up', { timeout: 180_000 }, (context) => {
  if (spawnSync('fio', ['--version']).status !== 0) context.skip('fio is not here to compare with');
  const found = measureAgreement({ repeats: 1, runtimeMs: 50, size: '4m', directory: null });
  expect(found.map(({ id }) => id)).toEqual(['agree_direct_d1', 'agree_direct_d32', 'agree_direct_sleepy_d1', 'agree_cached_d1']);
  for (const agreement of found) {
    // A machine may lack io_uring, or a file system O_DIRECT: then it says so.
    if (agreement.reason !== null) continue;
    expect([...agreement.iops, ...agreement.p50].filter((ratio) => ratio > 0)).toHaveLength(2);
    const [whole, loop, call] = agreement.breakdown ?? [];
    if (whole !== undefined) expect((loop?.ours ?? 0) + (call?.ours ?? 0)).toBe(whole.ours);
  }
  expect(found[3]?.reason).toBeNull();
});

/** fio psync, ours, fs.readSync, and the two that do nothing: a read of 1200 ns, and ours at this share of its rate. */
function cachedSides(share: number): Side[] {
  return [
    someSide('fio:psync', [1e9 / 1200]),
    someSide('sync', [(1e9 / 1200) * share]),
    someSide('fs-sync', [1e9 / 1400]),
    someSide('fio:null', [1e9 / 100.4]),
    someSide('null', [1e9 / 143.2]),
  ];
}
