import type { Row } from '../stats/row.js';

/** What the table means, in one sentence: the best asynchronous path of ours beside Node's promises, from memory and from the disk. */
export function formatVerdict(rows: readonly Row[]): string {
  const cached = bestOver(rows, 'randread_d32');
  const disk = bestOver(rows, 'rnd4k_q32_read');
  if (cached === null) return '';
  const [fast, slow] = [cached.overFileHandle ?? 0, disk?.overFileHandle ?? null];
  const cpu = cpuShareOf(rows, cached);
  const fromDisk = slow === null ? '' : `, and from this disk ${slow.toFixed(1)} times`;
  return `In a sentence: with 32 random reads in flight, ${cached.label} does ${fast.toFixed(1)} times the I/Os\nof FileHandle.read from memory${cpu}${fromDisk}.`;
}

/** The row of ours that does most in a workload, among those that can have its depth. */
function bestOver(rows: readonly Row[], workload: string): Row | null {
  const ours = rows.filter(
    (row) => row.workload === workload && row.label.startsWith('biodone') && !row.synchronous && row.iops !== null,
  );
  return ours.reduce<Row | null>((best, row) => (best === null || (row.iops ?? 0) > (best.iops ?? 0) ? row : best), null);
}

function cpuShareOf(rows: readonly Row[], { workload, cpuMicrosPerIo }: Row): string {
  const theirs = rows.find((row) => row.workload === workload && row.engine === 'file_handle')?.cpuMicrosPerIo ?? null;
  if (theirs === null || cpuMicrosPerIo === null) return '';
  return `, for ${Math.round((cpuMicrosPerIo / theirs) * 100)} % of the CPU time each`;
}
