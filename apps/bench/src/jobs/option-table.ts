import { DEFAULT_PERCENTILES } from '../trust/percentiles.js';
import { blockRangesOf, blockSizesOf, blockSplitsOf } from './block-sizes.js';
import { bytePatternOf } from './byte-pattern.js';
import { distributionOf } from './distribution.js';
import type { EngineName, JobOptions, VerifyMethod } from './job-options.js';
import { bytesOf, choiceOf, decimalOf, extentOf, flagOf, microsOf, perDirection, ValueError, wholeOf } from './option-values.js';
import { patternOf } from './pattern.js';
import { steadyStateOf } from './steady-state.js';

/** What an option is: how its text is read, and what it is where it is not given. */
interface OptionDefinition<T> {
  /** @throws ValueError for a text that is no value */
  readonly parse: (text: string, kbBase: number) => T;
  readonly fallback: T;
  /** Whether it may stand alone, which says 1. */
  readonly isFlag: boolean;
}

type OptionTable = { readonly [K in keyof JobOptions]: OptionDefinition<JobOptions[K]> };

const ENGINE_NAMES: readonly EngineName[] = [
  'uring',
  'threads',
  'sync',
  'posixaio',
  'promises',
  'fs',
  'fs-sync',
  'fs-promises',
  'null',
];

/** fio's engines that one of ours stands for: the same system calls, so that fio's job files run here. */
const FIO_ENGINES: Readonly<Record<string, EngineName>> = { io_uring: 'uring', psync: 'sync' };

/** What verify= takes. */
const VERIFY_METHODS: readonly VerifyMethod[] = [
  'none',
  'null',
  'pattern',
  'crc32c',
  'crc32',
  'crc64',
  'xxhash',
  'md5',
  'sha1',
  'sha256',
  'sha512',
  'sha3-224',
  'sha3-256',
  'sha3-384',
  'sha3-512',
];

/** fio's other names of the same. */
const VERIFY_ALIASES: Readonly<Record<string, VerifyMethod>> = { '0': 'none', 'crc32c-intel': 'crc32c' };

const MICROS_PER_SECOND = 1e6;
const ALL = { read: 0, write: 0, trim: 0 };
const FOUR_KIB = { min: 4096, max: 4096 };

/** All options, in the order of the README. */
export const OPTION_TABLE: OptionTable = {
  name: word(''),
  description: word(''),

  filename: word(''),
  directory: word(''),
  device: word(''),
  ioengine: option((text) => engineOf(text), 'uring'),
  unlink: flag(true),

  rw: option(patternOf, patternOf('read')),
  rw_sequencer: choice(['sequential', 'identical'], 'sequential'),
  rwmixread: whole(50, 0, 100),
  rwmixwrite: whole(50, 0, 100),
  percentage_random: option((text) => perDirection(text, (part) => wholeOf(part, 0, 100), 100), {
    read: 100,
    write: 100,
    trim: 100,
  }),
  norandommap: flag(false),
  softrandommap: flag(false),
  random_generator: choice(['tausworthe', 'tausworthe64', 'lfsr'], 'tausworthe'),
  random_distribution: option(distributionOf, { kind: 'uniform' }),
  randrepeat: flag(true),
  randseed: whole(1, 0),

  kb_base: option((text) => (wholeOf(text, 1000, 1024) === 1000 ? 1000 : 1024), 1024),
  bs: option(blockSizesOf, { read: FOUR_KIB, write: FOUR_KIB, trim: FOUR_KIB }),
  bsrange: option(blockRangesOf, null),
  bssplit: option(blockSplitsOf, null),
  blockalign: option((text, kbBase) => perDirection(text, (part) => bytesOf(part, kbBase), 0), ALL),
  size: extent(),
  filesize: extent(),
  io_size: extent(),
  offset: extent(),
  offset_increment: extent(),
  number_ios: whole(0, 0),

  iodepth: whole(1, 1, 65_536),
  iodepth_batch_submit: whole(1, 0, 65_536),
  iodepth_batch_complete_min: whole(1, 0, 65_536),
  iodepth_batch_complete_max: whole(0, 0, 65_536),
  iodepth_low: whole(0, 0, 65_536),
  serialize_overlap: flag(false),
  numjobs: whole(1, 1, 1024),
  thread: flag(true),

  runtime: time(0, 's'),
  time_based: flag(false),
  ramp_time: time(0, 's'),
  ramp_size: option((text, kbBase) => bytesOf(text, kbBase), 0),
  startdelay: time(0, 's'),
  loops: whole(1, 1),
  rate: option((text, kbBase) => perDirection(text, (part) => bytesOf(part, kbBase), 0), ALL),
  rate_iops: option((text) => perDirection(text, (part) => wholeOf(part, 0), 0), ALL),
  rate_min: option((text, kbBase) => perDirection(text, (part) => bytesOf(part, kbBase), 0), ALL),
  rate_iops_min: option((text) => perDirection(text, (part) => wholeOf(part, 0), 0), ALL),
  rate_cycle: whole(1000, 100),
  rate_process: choice(['linear', 'poisson'], 'linear'),
  thinktime: time(0, 'us'),
  thinktime_blocks: whole(1, 1),
  thinktime_iotime: time(0, 'us'),
  thinktime_spin: time(0, 'us'),
  max_latency: time(0, 'us'),
  latency_target: time(0, 'us'),
  latency_window: time(0, 'us'),
  latency_percentile: option((text) => decimalOf(text, 0, 100), 100),
  latency_run: flag(false),

  direct: flag(false),
  buffered: flag(true),
  sync: option((text) => syncOf(text), 'none'),
  fsync: whole(0, 0),
  fdatasync: whole(0, 0),
  end_fsync: flag(false),
  fsync_on_close: flag(false),
  invalidate: option(
    (text) => refuseTrue(text, 'the page cache is used as it is, and read in before buffered reads'),
    false,
    true,
  ),

  verify: option((text) => choiceOf(VERIFY_ALIASES[text] ?? text, VERIFY_METHODS), 'none'),
  do_verify: flag(true),
  verify_only: flag(false),
  verify_interval: option((text, kbBase) => bytesOf(text, kbBase), 0),
  verify_pattern: option(bytePatternOf, []),
  verify_fatal: option((text) => refuseFalse(text, 'a mismatch always ends the job'), true, true),
  verify_dump: flag(true),
  verify_backlog: whole(0, 0),
  verify_backlog_batch: whole(0, 0),
  verify_policy: choice(['completed', 'fsynced'], 'completed'),
  verify_state_save: flag(false),
  verify_state_load: flag(false),
  verify_header_seed: flag(true),
  verify_write_sequence: flag(true),

  zero_buffers: flag(false),
  refill_buffers: flag(false),
  buffer_pattern: option(bytePatternOf, []),

  steadystate: option(steadyStateOf, null),
  ss_dur: time(0, 's'),
  ss_ramp: time(0, 's'),
  ss_interval: time(MICROS_PER_SECOND, 's'),

  group_reporting: flag(false),
  stonewall: flag(false),
  new_group: flag(false),
  exitall: flag(false),
  percentile_list: option(percentilesOf, DEFAULT_PERCENTILES),
  write_bw_log: logName(),
  write_iops_log: logName(),
  write_lat_log: logName(),
  log_avg_msec: whole(0, 10),
  slat_percentiles: flag(false),
  clat_percentiles: flag(true),
  lat_percentiles: flag(true),
};

/** Other names of the same options. */
export const OPTION_ALIASES: Readonly<Record<string, keyof JobOptions>> = {
  readwrite: 'rw',
  blocksize: 'bs',
  blocksize_range: 'bsrange',
  ba: 'blockalign',
  io_limit: 'io_size',
  iodepth_batch: 'iodepth_batch_submit',
  iodepth_batch_complete: 'iodepth_batch_complete_min',
  timeout: 'runtime',
  start_delay: 'startdelay',
  ss: 'steadystate',
  steadystate_duration: 'ss_dur',
  steadystate_ramp_time: 'ss_ramp',
  steadystate_check_interval: 'ss_interval',
  wait_for_previous: 'stonewall',
  ratemin: 'rate_min',
  ratecycle: 'rate_cycle',
};

function option<T>(parse: (text: string, kbBase: number) => T, fallback: T, isFlag = false): OptionDefinition<T> {
  return { parse, fallback, isFlag };
}

function flag(fallback: boolean): OptionDefinition<boolean> {
  return option((text) => flagOf(text), fallback, true);
}

function word(fallback: string): OptionDefinition<string> {
  return option((text) => {
    if (text === '') throw new ValueError('is empty: give it a value, or leave it out');
    return text;
  }, fallback);
}

/** It may stand alone: then it is the job's name. */
function logName(): OptionDefinition<string | null> {
  return option((text) => text, null, true);
}

function whole(fallback: number, min: number, max?: number): OptionDefinition<number> {
  return option((text) => wholeOf(text, min, max), fallback);
}

function time(fallback: number, bareUnit: 's' | 'ms' | 'us'): OptionDefinition<number> {
  return option((text) => microsOf(text, bareUnit), fallback);
}

function extent(): OptionDefinition<JobOptions['size']> {
  return option(extentOf, { bytes: 0 });
}

function choice<T extends string>(choices: readonly T[], fallback: T): OptionDefinition<T> {
  return option((text) => choiceOf(text, choices), fallback);
}

function engineOf(text: string): EngineName {
  const name = Object.hasOwn(FIO_ENGINES, text) ? FIO_ENGINES[text] : text;
  if (text === 'exec') throw new ValueError('is refused: a job never executes anything');
  return choiceOf(name ?? text, ENGINE_NAMES);
}

function syncOf(text: string): JobOptions['sync'] {
  if (text === '0') return 'none';
  if (text === '1' || text === '') return 'sync';
  return choiceOf(text, ['none', 'sync', 'dsync']);
}

function percentilesOf(text: string): readonly number[] {
  const list = text.split(':').map((part) => decimalOf(part, 0.000_001, 100));
  if (list.length > 20) throw new ValueError('has more than 20 percentiles');
  return list.sort((a, b) => a - b);
}

function refuseTrue(text: string, why: string): boolean {
  if (flagOf(text)) throw new ValueError(`is not possible: ${why}; give 0, or leave it out`);
  return false;
}

function refuseFalse(text: string, why: string): boolean {
  if (!flagOf(text)) throw new ValueError(`is not possible: ${why}; give 1, or leave it out`);
  return true;
}
