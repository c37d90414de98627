import { describe, expect, it } from 'vitest';
import { ENGINES, enginesOf, groupsOf } from '../src/engines/all.js';
import type { Engine } from '../src/engines/engine.js';
import { Budget, enginesOfTurn, groupsOfRound, turnsOf } from '../src/schedule.js';
import { ratioOf } from '../src/stats/ratio.js';
import { cpuMicrosPerIoOf, iopsOf, Series } from '../src/stats/results.js';
import { spreadOf } from '../src/stats/spread.js';
import { WORKLOADS, type Workload } from '../src/workload/workload.js';

const [workload] = WORKLOADS as [Workload];
const [engine] = ENGINES as [Engine];

/** A series with these counts of I/Os in a second each, by repeat and slice. */
function seriesOf(repeats: number[][]): Series {
  const series = new Series(workload, engine, null);
  for (const [repeat, counts] of repeats.entries()) {
    for (const count of counts) series.add(repeat, { count, elapsedMs: 1000, cpuMicros: 500_000 });
  }
  return series;
}

describe('the spread of repeats', () => {
  it('is the middle, the least and the most', () => {
    expect(spreadOf([5, 1, 100])).toEqual({ median: 5, min: 1, max: 100 });
    expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(spreadOf([7])).toEqual({ median: 7, min: 7, max: 7 });
    expect(spreadOf([])).toBeNull();
  });
});

describe('a ratio of two series', () => {
  it('is taken repeat by repeat, and then the median', () => {
    // The medians of the sides alone would give 20 / 5 = 4, a ratio that no repeat has shown.
    const upper = seriesOf([[10], [20], [300]]);
    const lower = seriesOf([[5], [4], [100]]);
    expect(ratioOf(upper, lower, iopsOf)).toEqual({ median: 3, min: 2, max: 5 });
  });

  it('is taken turn by turn where both sides took turns, so that a spoiled turn moves it little', () => {
    const upper = seriesOf([[100, 100, 1, 100, 100]]);
    const lower = seriesOf([[50, 50, 50, 50, 50]]);
    expect(ratioOf(upper, lower, iopsOf)?.median).toBe(2);
  });

  it('takes the sum of the turns where only one side took turns', () => {
    const upper = seriesOf([[100, 200]]);
    const lower = seriesOf([[50]]);
    expect(ratioOf(upper, lower, iopsOf)?.median).toBe(3);
  });

  it('is that of the CPU time for an I/O, too', () => {
    expect(ratioOf(seriesOf([[10]]), seriesOf([[40]]), cpuMicrosPerIoOf)?.median).toBe(4);
  });

  it('is nothing where a side is not available', () => {
    const missing = new Series(workload, engine, 'not here');
    expect(ratioOf(missing, seriesOf([[5]]), iopsOf)).toBeNull();
    expect(ratioOf(seriesOf([[5]]), missing, iopsOf)).toBeNull();
  });
});

describe('the schedule', () => {
  it('has every engine once in a round, beginning with another group each time', () => {
    for (const each of WORKLOADS) {
      const all = groupsOf(each);
      for (let round = 0; round < all.length; round++) {
        const groups = groupsOfRound(round, each);
        expect(new Set(groups.flat())).toEqual(new Set(enginesOf(each)));
        expect(groups).toHaveLength(all.length);
        expect(groups[0]).toBe(all[round]);
      }
    }
  });

  it('lets each of a pair be first equally often', () => {
    const pair = groupsOf(workload)[0] as readonly Engine[];
    const turns = turnsOf(pair, 200);
    expect(turns % 2).toBe(0);
    const first = Array.from({ length: turns }, (_, turn) => enginesOfTurn(pair, 1, turn)[0]);
    expect(first.filter((each) => each === pair[0])).toHaveLength(turns / 2);
  });

  it('plans no more than the time that is left', () => {
    const deadline = performance.now() + 10_000;
    const budget = new Budget(deadline, 2, () => true);
    // 8 engines in 5 workloads, and the pair twice in one of them; 3 in the 8 that go to the disk.
    const slices = 8 * 5 + 2 + 3 * 8;
    expect(budget.beginRound(0) * slices).toBeLessThan(1000);
    budget.endRound();
    const planned = budget.beginRound(1) * slices;
    expect(planned).toBeGreaterThan(4000);
    expect(planned).toBeLessThan(5000);
  });

  it('goes on with the shortest slices where no time is left', () => {
    const budget = new Budget(performance.now() - 5000, 1, () => true);
    budget.beginRound(0);
    budget.endRound();
    expect(budget.beginRound(1)).toBeGreaterThan(0);
  });
});
