import type { JobResult } from './job-result.js';
import type { LoopShape } from './loop-shape.js';

/** What a run was made with and on: all that figures depend on. */
export interface MachineRecord {
  readonly program: string;
  readonly version: string;
  readonly packages: Readonly<Record<string, string>>;
  /** When the run began, as ISO 8601. */
  readonly date: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly architecture: string;
  /** Frequency governors in use, `unknown` where the kernel does not tell, as in most virtual machines. */
  readonly governor: string;
  readonly clockSource: string;
  readonly node: string;
  readonly libuv: string;
  /** Threads behind Node's own asynchronous calls. */
  readonly threadPoolSize: number;
  /** `'available'`, or why it is not. */
  readonly ioUring: string;
  /** Of the target: `ext4 (/dev/vda)`. */
  readonly fileSystem: string;
  /** I/O scheduler of the target's disk, `none` for no queueing, `unknown` where it has no disk. */
  readonly scheduler: string;
  /** Of one minute, before the run. */
  readonly loadAverage: number;
  /** How much of the machine's CPU time went to others during the run, from 0 to 1: what figures suffer from. */
  readonly otherCpuShare: number;
}

/** What the program itself costs: the same job with an engine that does nothing. */
export interface Calibration extends LoopShape {
  /** Of the job's depth. */
  readonly depth: number;
  readonly nullIops: number;
  /** Time for one I/O in which nothing is done. Latencies below ten times that are mostly the program's own. */
  readonly nsPerIo: number;
  /** One reading of the clock. */
  readonly clockNs: number;
}

/** What a disk did during the run, from /proc/diskstats. */
export interface DiskUse {
  readonly name: string;
  readonly readIos: number;
  readonly writeIos: number;
  readonly readMerges: number;
  readonly writeMerges: number;
  readonly readMs: number;
  readonly writeMs: number;
  /** Time in the queue, weighted by how many were in it. */
  readonly queueMs: number;
  /** Share of the time in which it had something to do. */
  readonly utilPercent: number;
}

/** Whether a run came to its end. */
export type Outcome = 'complete' | 'running' | 'interrupted' | 'failed';

/** A whole run. Plain data: JSON keeps everything. */
export interface RunResult {
  readonly outcome: Outcome;
  readonly startedAtMs: number;
  /** When this was written, which may be before the end. */
  readonly writtenAtMs: number;
  /** What the `[global]` sections say, null if there is none. */
  readonly globalOptions: Readonly<Record<string, string>> | null;
  readonly machine: MachineRecord;
  /** One for each depth that occurs. */
  readonly calibrations: readonly Calibration[];
  readonly jobs: readonly JobResult[];
  readonly disks: readonly DiskUse[];
}
