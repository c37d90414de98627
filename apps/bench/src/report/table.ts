import type { Row } from '../stats/row.js';
import type { Workload } from '../workload/workload.js';
import { factor, range, short, whole } from './numbers.js';

const LABEL_WIDTH = 30;

interface Column {
  readonly title: string;
  readonly width: number;
  text(row: Row): string;
}

const COLUMNS: readonly Column[] = [
  { title: 'IOPS', width: 10, text: ({ iops }) => whole(iops) },
  { title: '(min–max)', width: 22, text: ({ iopsMin, iopsMax }) => range(iopsMin, iopsMax) },
  { title: 'MB/s', width: 8, text: ({ megabytesPerSecond }) => whole(megabytesPerSecond) },
  { title: 'p50 µs', width: 9, text: ({ p50Micros }) => short(p50Micros) },
  { title: 'p99 µs', width: 9, text: ({ p99Micros }) => short(p99Micros) },
  { title: 'p99.9 µs', width: 9, text: ({ p999Micros }) => short(p999Micros) },
  { title: 'CPU µs/IO', width: 10, text: ({ cpuMicrosPerIo }) => short(cpuMicrosPerIo) },
  { title: '×FileHandle', width: 12, text: ({ overFileHandle }) => factor(overFileHandle) },
];

/** The table for people: a block for each workload, a line for each path. */
export function formatTable(workloads: readonly Workload[], rows: readonly Row[]): string {
  return workloads.map((workload) => formatBlock(workload, rows)).join('\n\n');
}

function formatBlock({ id, title }: Workload, rows: readonly Row[]): string {
  const head = title.padEnd(LABEL_WIDTH) + COLUMNS.map((column) => column.title.padStart(column.width)).join('');
  const lines = rows.filter(({ workload }) => workload === id).map((row) => formatRow(row));
  return [head, ...lines].join('\n');
}

function formatRow(row: Row): string {
  const label = `  ${row.label}${row.synchronous ? ' *' : ''}`;
  return label.padEnd(LABEL_WIDTH) + COLUMNS.map((column) => column.text(row).padStart(column.width)).join('');
}
