import { LatencyHistogram, type OperationStatistics } from '@biodone/blockdev';
import type { PoolStatistics } from './pool-statistics.js';

/** What the pools of a class have done, all together, and each. `queuedMax`, `inFlightMax` and `threads` are the pools' own. */
export interface ClassStatistics extends Omit<PoolStatistics, 'queuedMax' | 'inFlightMax' | 'threads'> {
  /** Each pool, in the order in which the class was given them. */
  readonly pools: readonly PoolStatistics[];
}

const SUMS = [
  'submitted',
  'completed',
  'errors',
  'bytes',
  'queued',
  'inFlight',
  'unreaped',
  'stolen',
  'queueWaitTotalUs',
] as const;

/** @param refused how many operations no pool has had room for */
export function sumStatistics(pools: readonly PoolStatistics[], refused: number): ClassStatistics {
  const sums = Object.fromEntries(SUMS.map((name) => [name, pools.reduce((sum, pool) => sum + pool[name], 0)]));
  const cancels = { cancelled: 0, 'in-progress': 0, done: 0 };
  for (const pool of pools) for (const verdict of keysOf(cancels)) cancels[verdict] += pool.cancels[verdict];
  return {
    ...(sums as Record<(typeof SUMS)[number], number>),
    refused,
    cancels,
    operations: sumOperations(pools),
    queueWait: merged(pools.map(({ queueWait }) => queueWait)),
    pools,
  };
}

function sumOperations(pools: readonly PoolStatistics[]): Record<string, OperationStatistics> {
  const names = new Set(pools.flatMap(({ operations }) => Object.keys(operations)));
  return Object.fromEntries(
    [...names].map((name) => {
      const rows = pools.map(({ operations }) => operations[name]).filter((row) => row !== undefined);
      const sum = (of: 'completed' | 'errors' | 'bytes' | 'totalUs'): number => rows.reduce((all, row) => all + row[of], 0);
      const latency = merged(rows.map((row) => row.latency));
      return [
        name,
        { completed: sum('completed'), errors: sum('errors'), bytes: sum('bytes'), totalUs: sum('totalUs'), latency },
      ];
    }),
  );
}

function merged(histograms: readonly LatencyHistogram[]): LatencyHistogram {
  const sum = new LatencyHistogram();
  for (const histogram of histograms) sum.add(histogram);
  return sum;
}

function keysOf<T extends object>(of: T): (keyof T)[] {
  return Object.keys(of) as (keyof T)[];
}
