import { UsageError } from '../usage-error.js';
import type { GivenOption, JobSection } from './given-option.js';
import type { JobOptions } from './job-options.js';
import { OPTION_TABLE } from './option-table.js';
import { type Extent, ValueError } from './option-values.js';

/** A job whose options are read and go together. Plain data: threads send it to each other. */
export interface Job {
  readonly options: JobOptions;
  /** Its options as they were written, without those of the global sections, for reports. */
  readonly given: Readonly<Record<string, string>>;
  readonly globals: Readonly<Record<string, string>>;
  /** Where its section begins. */
  readonly place: string;
  /** Where each of its options stands. */
  readonly places: Readonly<Record<string, string>>;
}

/** Where an option of a job stands, or where its section begins. */
export function placeOf(job: Job, name: keyof JobOptions): string {
  return job.places[name] ?? job.place;
}

/** Reads the options of a section. @throws UsageError with the place of the option that is wrong */
export function jobOf(section: JobSection): Job {
  const all = [...section.globals, ...section.options];
  const byName = new Map(all.map((given) => [given.name, given]));
  const kbBase = Number(byName.get('kb_base')?.value ?? 1024);
  const values = Object.entries(OPTION_TABLE).map(([name, { parse, fallback, isFlag }]) => {
    const given = byName.get(name);
    return [name, given === undefined ? fallback : readValue(given, parse, kbBase, isFlag)];
  });
  const read = Object.fromEntries(values) as JobOptions;
  const options = { ...read, name: byName.has('name') ? read.name : section.name };
  const places = Object.fromEntries(all.map(({ name, place }) => [name, place]));
  const job = { options, given: textsOf(section.options), globals: textsOf(section.globals), place: section.place, places };
  checkTogether(job, (name) => byName.has(name));
  return job;
}

function readValue(
  given: GivenOption,
  parse: (text: string, kbBase: number) => unknown,
  kbBase: number,
  isFlag: boolean,
): unknown {
  const { name, value, place } = given;
  if (value === '' && !isFlag) throw new UsageError(`${place}: ${name} needs a value, as in ${name}=…`);
  try {
    return parse(value, kbBase);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new UsageError(`${place}: ${name}=${value} ${error.message}`);
  }
}

function textsOf(options: readonly GivenOption[]): Record<string, string> {
  return Object.fromEntries(options.map(({ name, value }) => [name, value === '' ? '1' : value]));
}

/** Options that are good one by one, and not together. */
function checkTogether(job: Job, isGiven: (name: keyof JobOptions) => boolean): void {
  const { options } = job;
  const refuse = (name: keyof JobOptions, why: string): never => {
    throw new UsageError(`${placeOf(job, name)}: ${why}`);
  };
  const { rw, verify, iodepth, device, filename, directory, ioengine } = options;
  if (device !== '' && (filename !== '' || directory !== ''))
    refuse('device', 'device= and filename= both say what is worked on: leave one of them out');
  if (filename.includes(':') && !filename.includes('\\:'))
    refuse('filename', `filename=${filename} names several files, and a job has one: write \\: for a colon in a name`);
  if (isGiven('buffered') && isGiven('direct') && options.buffered === options.direct)
    refuse('direct', 'direct= and buffered= contradict each other');
  if (options.time_based && options.runtime === 0) refuse('time_based', 'time_based needs runtime=, or the job never ends');
  if (options.bssplit !== null && options.bsrange !== null)
    refuse('bssplit', 'bssplit= and bsrange= both say how large blocks are: leave one of them out');
  if (options.iodepth_batch_submit > iodepth)
    refuse('iodepth_batch_submit', `iodepth_batch_submit=${options.iodepth_batch_submit} is more than iodepth=${iodepth}`);
  if (options.iodepth_batch_complete_min > iodepth)
    refuse(
      'iodepth_batch_complete_min',
      `iodepth_batch_complete_min=${options.iodepth_batch_complete_min} is more than iodepth=${iodepth}`,
    );
  if (options.iodepth_batch_complete_max > iodepth)
    refuse(
      'iodepth_batch_complete_max',
      `iodepth_batch_complete_max=${options.iodepth_batch_complete_max} is more than iodepth=${iodepth}`,
    );
  if (options.iodepth_low > iodepth) refuse('iodepth_low', `iodepth_low=${options.iodepth_low} is more than iodepth=${iodepth}`);
  for (const direction of ['read', 'write', 'trim'] as const) {
    if (options.rate[direction] > 0 && options.rate_iops[direction] > 0)
      refuse('rate', 'rate= and rate_iops= both say how fast: leave one of them out');
  }
  for (const name of ['write_bw_log', 'write_iops_log', 'write_lat_log'] as const) {
    if (options[name] !== null && options.log_avg_msec === 0)
      refuse(name, `${name}= needs log_avg_msec=, over how long a value is averaged: a line for each I/O would be measured too`);
  }
  if (options.latency_target > 0 && options.latency_window === 0)
    refuse('latency_target', 'latency_target= needs latency_window=, how long each depth is tried');
  if (options.latency_target === 0 && (options.latency_window > 0 || options.latency_run))
    refuse(options.latency_run ? 'latency_run' : 'latency_window', 'latency_window= and latency_run= need latency_target=');
  if (options.latency_target > 0 && options.ramp_time + options.ramp_size > 0)
    refuse('latency_target', 'latency_target= does not go with a ramp: what was before the depth is found does not count anyway');
  if (options.thinktime === 0 && options.thinktime_spin + options.thinktime_iotime > 0)
    refuse(
      options.thinktime_spin > 0 ? 'thinktime_spin' : 'thinktime_iotime',
      'thinktime_spin= and thinktime_iotime= need thinktime=',
    );
  if (verify === 'pattern' && options.verify_pattern.length === 0) refuse('verify', 'verify=pattern needs verify_pattern=');
  if (verify !== 'none' && rw.trims) refuse('verify', 'verify= does not go with trims, whose data nobody knows');
  if (verify !== 'none' && options.numjobs > 1 && (filename !== '' || device !== '') && isNothing(options.offset_increment)) {
    refuse('verify', 'verify= with numjobs= needs offset_increment=, or the jobs overwrite each other');
  }
  if (rw.trims && (ioengine.startsWith('fs') || ioengine === 'posixaio'))
    refuse('ioengine', `ioengine=${ioengine} has no trims: take uring, threads, sync or null`);
  if (options.steadystate !== null && options.ss_dur === 0 && options.steadystate.rule !== 'snia')
    refuse('steadystate', 'steadystate= needs ss_dur=, the time that it looks at');
  if (options.thinktime > 0 && (Object.values(options.rate).some(Boolean) || Object.values(options.rate_iops).some(Boolean)))
    refuse('thinktime', 'thinktime= does not go with a rate');
}

function isNothing(extent: Extent): boolean {
  return 'bytes' in extent ? extent.bytes === 0 : extent.percent === 0;
}
