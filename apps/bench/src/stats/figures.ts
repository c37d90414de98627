import { ratioOf } from './ratio.js';
import { cpuMicrosPerIoOf, iopsOf, type Quantity, type Results } from './results.js';
import { type Spread, spreadOf } from './spread.js';

/** A ratio of two rows that the project promises something about. */
export interface Figure {
  readonly id: string;
  readonly title: string;
  /** Null where one of the two is not available. */
  readonly value: Spread | null;
}

interface Definition {
  readonly id: string;
  readonly title: string;
  readonly workload: string;
  readonly quantity: Quantity;
  /** The engines whose quantities are divided, the first by the second. */
  readonly engines: readonly [string, string];
}

const DEFINITIONS: readonly Definition[] = [
  {
    id: 'd32_uring_over_filehandle',
    title: 'IOPS at depth 32, io_uring callbacks / FileHandle.read',
    workload: 'randread_d32',
    quantity: iopsOf,
    engines: ['biodone_callbacks', 'file_handle'],
  },
  {
    id: 'd32_uring_over_fs_read',
    title: 'IOPS at depth 32, io_uring callbacks / fs.read',
    workload: 'randread_d32',
    quantity: iopsOf,
    engines: ['biodone_callbacks', 'fs_callbacks'],
  },
  {
    id: 'd32_cpu_over_fs_read',
    title: 'CPU per I/O at depth 32, the same',
    workload: 'randread_d32',
    quantity: cpuMicrosPerIoOf,
    engines: ['biodone_callbacks', 'fs_callbacks'],
  },
  {
    id: 'd1_uring_over_filehandle',
    title: 'IOPS at depth 1, io_uring callbacks / FileHandle.read',
    workload: 'randread_d1',
    quantity: iopsOf,
    engines: ['biodone_callbacks', 'file_handle'],
  },
  {
    id: 'sync_over_readsync_time',
    title: 'time of a 4 KiB read, synchronous / fs.readSync',
    workload: 'randread_d1',
    // The time for one I/O is the reciprocal of its IOPS, so the ratio is turned over.
    quantity: iopsOf,
    engines: ['fs_sync', 'biodone_sync'],
  },
];

/** What the harness itself can do, in I/Os a second of CPU time on one thread: with an engine that does nothing, and all that is recorded. */
export function nullFigure(iopsOfRepeats: readonly number[]): Figure {
  return { id: 'null_ios_per_s', title: 'I/Os a second of CPU time, null engine of run', value: spreadOf(iopsOfRepeats) };
}

/** The figures of a run. */
export function figuresOf(results: Results): Figure[] {
  return DEFINITIONS.map(({ id, title, workload, quantity, engines: [upper, lower] }) => {
    const value = ratioOf(results.of(workload, upper), results.of(workload, lower), quantity);
    return { id, title, value };
  });
}
