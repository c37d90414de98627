import type { BlockShare } from './block-sizes.js';
import type { Distribution } from './distribution.js';
import type { ByteRange, Extent, PerDirection } from './option-values.js';
import type { Pattern } from './pattern.js';
import type { SteadyState } from './steady-state.js';

/** The ways from a job to its target, by the names that `ioengine=` takes. */
export type EngineName = 'uring' | 'threads' | 'sync' | 'posixaio' | 'promises' | 'fs' | 'fs-sync' | 'fs-promises' | 'null';

/** What guards the data of written blocks. */
export type VerifyMethod =
  | 'none'
  | 'null'
  | 'pattern'
  | 'crc32c'
  | 'crc32'
  | 'crc64'
  | 'xxhash'
  | 'md5'
  | 'sha1'
  | 'sha256'
  | 'sha512'
  | 'sha3-224'
  | 'sha3-256'
  | 'sha3-384'
  | 'sha3-512';

/** All options of a job, under fio's names. Sizes are in bytes, times in microseconds. */
export interface JobOptions {
  readonly name: string;
  readonly description: string;

  readonly filename: string;
  readonly directory: string;
  /** A stack of block devices, as `openDevice` names it: instead of a file. fio does not know it. */
  readonly device: string;
  readonly ioengine: EngineName;
  readonly unlink: boolean;

  readonly rw: Pattern;
  readonly rw_sequencer: 'sequential' | 'identical';
  readonly rwmixread: number;
  readonly rwmixwrite: number;
  readonly percentage_random: PerDirection<number>;
  readonly norandommap: boolean;
  readonly softrandommap: boolean;
  readonly random_generator: 'tausworthe' | 'tausworthe64' | 'lfsr';
  readonly random_distribution: Distribution;
  readonly randrepeat: boolean;
  readonly randseed: number;

  readonly kb_base: number;
  readonly bs: PerDirection<ByteRange>;
  readonly bsrange: PerDirection<ByteRange> | null;
  readonly bssplit: PerDirection<readonly BlockShare[]> | null;
  readonly blockalign: PerDirection<number>;
  readonly size: Extent;
  readonly filesize: Extent;
  readonly io_size: Extent;
  readonly offset: Extent;
  readonly offset_increment: Extent;
  readonly number_ios: number;

  readonly iodepth: number;
  readonly iodepth_batch_submit: number;
  readonly iodepth_batch_complete_min: number;
  readonly iodepth_batch_complete_max: number;
  readonly iodepth_low: number;
  readonly serialize_overlap: boolean;
  readonly numjobs: number;
  readonly thread: boolean;

  readonly runtime: number;
  readonly time_based: boolean;
  readonly ramp_time: number;
  readonly ramp_size: number;
  readonly startdelay: number;
  readonly loops: number;
  readonly rate: PerDirection<number>;
  readonly rate_iops: PerDirection<number>;
  readonly rate_min: PerDirection<number>;
  readonly rate_iops_min: PerDirection<number>;
  readonly rate_cycle: number;
  readonly rate_process: 'linear' | 'poisson';
  readonly thinktime: number;
  readonly thinktime_blocks: number;
  readonly thinktime_iotime: number;
  readonly thinktime_spin: number;
  readonly max_latency: number;
  readonly latency_target: number;
  readonly latency_window: number;
  readonly latency_percentile: number;
  readonly latency_run: boolean;

  readonly direct: boolean;
  readonly buffered: boolean;
  readonly sync: 'none' | 'sync' | 'dsync';
  readonly fsync: number;
  readonly fdatasync: number;
  readonly end_fsync: boolean;
  readonly fsync_on_close: boolean;
  readonly invalidate: boolean;

  readonly verify: VerifyMethod;
  readonly do_verify: boolean;
  readonly verify_only: boolean;
  readonly verify_interval: number;
  readonly verify_pattern: readonly number[];
  readonly verify_fatal: boolean;
  readonly verify_dump: boolean;
  readonly verify_backlog: number;
  readonly verify_backlog_batch: number;
  readonly verify_policy: 'completed' | 'fsynced';
  readonly verify_state_save: boolean;
  readonly verify_state_load: boolean;
  readonly verify_header_seed: boolean;
  readonly verify_write_sequence: boolean;

  readonly zero_buffers: boolean;
  readonly refill_buffers: boolean;
  readonly buffer_pattern: readonly number[];

  readonly steadystate: SteadyState | null;
  readonly ss_dur: number;
  readonly ss_ramp: number;
  readonly ss_interval: number;

  readonly group_reporting: boolean;
  readonly stonewall: boolean;
  readonly new_group: boolean;
  readonly exitall: boolean;
  readonly percentile_list: readonly number[];
  /** How the files begin; the job's name where that is empty, null for no log. */
  readonly write_bw_log: string | null;
  readonly write_iops_log: string | null;
  readonly write_lat_log: string | null;
  /** Milliseconds. */
  readonly log_avg_msec: number;
  readonly slat_percentiles: boolean;
  readonly clat_percentiles: boolean;
  readonly lat_percentiles: boolean;
}
