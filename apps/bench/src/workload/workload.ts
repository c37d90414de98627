const KIB = 2 ** 10;
const MIB = 2 ** 20;

/** What is done to the file, and how much of it at a time. */
export interface Workload {
  /** Names it in reports. */
  readonly id: string;
  readonly title: string;
  readonly direction: 'read' | 'write';
  readonly pattern: 'random' | 'sequential';
  readonly blockBytes: number;
  /** How many I/Os are kept in flight, by engines that can. */
  readonly depth: number;
}

/** The workloads that are measured, in their order. Those that write come last, since they leave work to the kernel. */
export const WORKLOADS: readonly Workload[] = [
  define('randread_d1', '4 KiB random read', 'read', 'random', 4 * KIB, 1),
  define('randread_d32', '4 KiB random read', 'read', 'random', 4 * KIB, 32),
  define('seqread_d8', '1 MiB sequential read', 'read', 'sequential', MIB, 8),
  define('randwrite_d32', '4 KiB random write', 'write', 'random', 4 * KIB, 32),
  define('seqwrite_d8', '1 MiB sequential write', 'write', 'sequential', MIB, 8),
];

function define(
  id: string,
  what: string,
  direction: Workload['direction'],
  pattern: Workload['pattern'],
  blockBytes: number,
  depth: number,
): Workload {
  return { id, title: `${what}, depth ${depth}`, direction, pattern, blockBytes, depth };
}
