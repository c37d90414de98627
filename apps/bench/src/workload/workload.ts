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
  /** Whether it goes past the page cache (O_DIRECT), and so to the disk. */
  readonly direct: boolean;
}

/** The workloads that are measured, in their order. Those that write come last, since they leave work to the kernel. */
export const WORKLOADS: readonly Workload[] = [
  define('randread_d1', '4 KiB random read', 'read', 'random', 4 * KIB, 1),
  define('randread_d32', '4 KiB random read', 'read', 'random', 4 * KIB, 32),
  define('seqread_d8', '1 MiB sequential read', 'read', 'sequential', MIB, 8),
  define('randwrite_d32', '4 KiB random write', 'write', 'random', 4 * KIB, 32),
  define('seqwrite_d8', '1 MiB sequential write', 'write', 'sequential', MIB, 8),
  defineDirect('seq1m_q8_read', 'SEQ1M Q8', 'read', 'sequential', MIB, 8),
  defineDirect('seq1m_q1_read', 'SEQ1M Q1', 'read', 'sequential', MIB, 1),
  defineDirect('rnd4k_q32_read', 'RND4K Q32', 'read', 'random', 4 * KIB, 32),
  defineDirect('rnd4k_q1_read', 'RND4K Q1', 'read', 'random', 4 * KIB, 1),
  defineDirect('seq1m_q8_write', 'SEQ1M Q8', 'write', 'sequential', MIB, 8),
  defineDirect('seq1m_q1_write', 'SEQ1M Q1', 'write', 'sequential', MIB, 1),
  defineDirect('rnd4k_q32_write', 'RND4K Q32', 'write', 'random', 4 * KIB, 32),
  defineDirect('rnd4k_q1_write', 'RND4K Q1', 'write', 'random', 4 * KIB, 1),
];

/** The fio command that does the same to a file, through io_uring. */
export function fioCommand(workload: Workload, path: string, sizeBytes: number): string {
  const { id, direction, pattern, blockBytes, depth, direct } = workload;
  const words = [
    `--name=${id}`,
    `--filename=${path}`,
    `--size=${sizeBytes}`,
    `--rw=${pattern === 'random' ? 'rand' : ''}${direction}`,
    `--bs=${blockBytes}`,
    `--iodepth=${depth}`,
    '--ioengine=io_uring',
    `--direct=${direct ? 1 : 0}`,
    ...(direct ? [] : ['--invalidate=0']),
    ...(pattern === 'random' ? ['--norandommap'] : []),
    '--time_based',
    '--runtime=5',
  ];
  return `fio ${words.join(' ')}`;
}

function define(
  id: string,
  what: string,
  direction: Workload['direction'],
  pattern: Workload['pattern'],
  blockBytes: number,
  depth: number,
): Workload {
  return { id, title: `${what}, depth ${depth}`, direction, pattern, blockBytes, depth, direct: false };
}

/** By the names that disk benchmarks have for them. */
function defineDirect(
  id: string,
  name: string,
  direction: Workload['direction'],
  pattern: Workload['pattern'],
  blockBytes: number,
  depth: number,
): Workload {
  return { id, title: `${name} ${direction}, O_DIRECT`, direction, pattern, blockBytes, depth, direct: true };
}
