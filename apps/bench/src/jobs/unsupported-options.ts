const EXECUTES = 'a job never executes anything';
const ALWAYS_COUNTED =
  'all latencies are always counted: slat_percentiles=, clat_percentiles= and lat_percentiles= say which are reported';
const NOT_HERE = 'biodone-bench does not have it';

/** fio's options that are refused by their names, since they are known, and why. */
const REASONS: Readonly<Record<string, string>> = {
  exec_prerun: EXECUTES,
  exec_postrun: EXECUTES,
  exec_preshutdown: EXECUTES,
  trigger: EXECUTES,
  'trigger-file': EXECUTES,
  disable_lat: ALWAYS_COUNTED,
  disable_clat: ALWAYS_COUNTED,
  disable_slat: ALWAYS_COUNTED,
  disable_bw_measurement: ALWAYS_COUNTED,
  gtod_reduce: ALWAYS_COUNTED,
  cpus_allowed: 'which CPUs a program has is said at its start: run it under taskset(1)',
  fill_device: 'a full disk always ends a job, as a failure: say size=',
  atomic: 'write RWF_ATOMIC needs a kernel and a disk that have it, and no engine here asks for it',
  write_barrier: 'Linux has no barriers any more: say fsync= or fdatasync=',
  sync_file_range: 'it makes nothing stable: say fdatasync=',
  verify_async: 'each job verifies on its own thread: numjobs= makes more of them',
  trigger_timeout: EXECUTES,
  write_hist_log: 'json+ has the bins of the whole run',
  log_hist_msec: 'json+ has the bins of the whole run',
  log_hist_coarseness: 'json+ has the bins of the whole run',
  zonemode: 'zoned devices are not supported',
  nrfiles: 'a job has one file',
  opendir: 'a job has one file',
  file_service_type: 'a job has one file',
  io_submit_mode: 'rate= and rate_iops= always measure from when an I/O was due',
  random_algorithm: 'use random_generator=',
};

const OTHERS =
  'file_append blockalign_trim rate_ignore_thinktime ' +
  '' +
  'verify_async_cpus verify_offset verify_sort verifysort verify_pattern_interval experimental_verify trim_percentage ' +
  'trim_verify_zero trim_backlog trim_backlog_batch buffer_compress_percentage buffer_compress_chunk dedupe_percentage scramble_buffers ' +
  'log_offset log_unix_epoch ' +
  'disk_util gtod_cpu unified_rw_reporting idle-prof ' +
  'cpus_allowed_policy cpumask numa_cpu_nodes numa_mem_policy nice prio prioclass cgroup cgroup_weight cgroup_nodelete uid gid iomem mem ' +
  'mem_align hugepage-size lockmem write_iolog read_iolog replay_no_stall replay_redirect replay_scale replay_align replay_time_scale ' +
  'replay_skip merge_blktrace_file fallocate fadvise_hint overwrite create_serialize create_fsync create_on_open create_only pre_read ' +
  'filename_format unique_filename lockfile openfiles allow_file_create allow_mounted_write flow flow_id flow_watermark flow_sleep ' +
  'wait_for exitall_on_error exit_what continue_on_error ignore_error error_dump profile profile-op hipri fixedbufs registerfiles sqthread_poll ' +
  'sqthread_poll_cpu nonvectored uncached nowait force_async userspace_reap allrandrepeat loops_io zero_buffers_percentage unlink_each_loop ' +
  'bs_unaligned bs_is_seq_rand rw_tandem ioscheduler clocksource group_id per_job_logs bandwidth-log client server remote-config eta-interval';

const NAMES: ReadonlySet<string> = new Set(OTHERS.split(' '));

/** Why an option of fio is refused, or null if it is none that is known. */
export function reasonAgainst(name: string): string | null {
  if (Object.hasOwn(REASONS, name)) return REASONS[name] ?? null;
  return NAMES.has(name) ? NOT_HERE : null;
}
