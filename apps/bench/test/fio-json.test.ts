import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fioJson } from '../src/report/fio-json.js';
import { terse } from '../src/report/terse.js';
import { JobRecorder } from '../src/results/job-recorder.js';
import type { RunResult } from '../src/results/run-result.js';
import { keyPaths } from './support/key-paths.js';
import { someJob, someRecorder, someRun } from './support/some-run.js';

/** As far as the types of the tests need them. */
interface Report {
  readonly jobs: readonly {
    readonly [key: string]: unknown;
    readonly 'job options': Record<string, string>;
    readonly read: Direction;
    readonly write: Direction;
  }[];
}
interface Direction {
  readonly [key: string]: unknown;
  readonly lat_ns: {
    N: number;
    percentile: Record<string, number>;
    bins: Record<string, number>;
    doubts?: Record<string, string>;
  };
}

function reportOf(run: RunResult, bins = true): Report {
  return JSON.parse(JSON.stringify(fioJson(run, { bins }))) as Report;
}

function keysOfFio(name: string): string[] {
  return readFileSync(join(import.meta.dirname, `fixtures/fio-3.33-${name}-keys.txt`), 'utf8')
    .trim()
    .split('\n');
}

function missingIn(report: unknown, wanted: readonly string[]): string[] {
  const paths = keyPaths(report);
  return wanted.filter((path) => !paths.has(path));
}

/** Options by the names that occur in the list of keys. */
function optionsIn(keys: readonly string[], prefix: string): Record<string, string> {
  return Object.fromEntries(keys.filter((key) => key.startsWith(prefix)).map((key) => [key.slice(prefix.length), '1']));
}

describe("fio's JSON", () => {
  it.each(['cli', 'job-file'])('has all keys of a report of fio 3.33 (%s)', (name) => {
    const keys = keysOfFio(name);
    const globalOptions = optionsIn(keys, 'global options.');
    const run = someRun({
      globalOptions: name === 'cli' ? null : globalOptions,
      jobs: [someJob({ options: optionsIn(keys, 'jobs[].job options.') })],
    });
    expect(missingIn(reportOf(run), keys)).toEqual([]);
    expect('global options' in reportOf(run)).toBe(name !== 'cli');
  });

  it.each(['steadystate', 'total_err'])('has what fio writes only sometimes: %s', (key) => {
    const steadyState = {
      criterion: 'iops:2%',
      durationMs: 5000,
      attained: true,
      maxDeviationPercent: 1.5,
      slope: null,
      iops: [1, 3],
      bandwidthKib: [4, 12],
    };
    const [plain] = reportOf(someRun()).jobs;
    const [job] = reportOf(someRun({ jobs: [someJob({ steadyState, failedIos: 3, error: 5, errorText: 'EIO' })] })).jobs;
    expect(plain).not.toHaveProperty(key);
    expect(job).toMatchObject({
      error: 5,
      total_err: 3,
      first_error: 5,
      desc: 'EIO',
      steadystate: { ss: 'iops:2%', duration: 5, attained: 1, data: { bw_mean: 8, iops_mean: 2, iops: [1, 3], bw: [4, 12] } },
    });
  });

  it('counts exactly', () => {
    const [job] = reportOf(someRun()).jobs;
    const sum = (bins: Record<string, number>): number => Object.values(bins).reduce((total, count) => total + count, 0);
    for (const direction of [job?.read, job?.write]) {
      expect(direction?.lat_ns.N).toBe(direction?.['total_ios']);
      expect(sum(direction?.lat_ns.bins ?? {})).toBe(direction?.['total_ios']);
    }
    expect(job?.read).toMatchObject({
      io_bytes: 20_000 * 4096,
      io_kbytes: 80_000,
      bw_bytes: 81_920_000,
      bw: 80_000,
      iops: 20_000,
      runtime: 1000,
      total_ios: 20_000,
      iops_samples: 4,
      iops_min: 19_200,
      iops_max: 20_400,
      bw_agg: 100,
    });
    expect(job).toMatchObject({ usr_cpu: 24, sys_cpu: 36, ctx: 1234, minf: 56, iodepth_level: { '8': 100, '4': 0 } });
    expect(Object.values(job?.['iodepth_complete'] as object)).toEqual([0, 100, 0, 0, 0, 0, 0]);
    expect(job?.['latency_us']).toMatchObject({ '50': 0, '1000': 0 });
    const shares = ['latency_ns', 'latency_us', 'latency_ms'].flatMap((key) =>
      Object.values(job?.[key] as Record<string, number>),
    );
    expect(shares.reduce((total, share) => total + share, 0)).toBeCloseTo(100, 9);
  });

  it('leaves the bins to json+', () => {
    expect([...keyPaths(reportOf(someRun(), false))].filter((path) => path.endsWith('bins'))).toEqual([]);
  });

  it('says which percentiles are not to be believed, and why', () => {
    const costly = [
      { depth: 8, isQueued: true, batchSubmit: 1, batchComplete: 1, nullIops: 800_000, nsPerIo: 1250, clockNs: 40 },
    ];
    const [job] = reportOf(someRun({ calibrations: costly })).jobs;
    expect(job?.read.lat_ns.doubts).toMatchObject({ '1.000000': 'harness', '10.000000': 'harness', '99.990000': 'few-samples' });
    expect(job?.read.lat_ns.doubts).not.toHaveProperty(['90.000000']);
    expect(job?.read.lat_ns.percentile).toHaveProperty(['99.990000']);
  });

  it('has what fio-plot and KDiskMark read, also of a job that said nothing', () => {
    const [job] = reportOf(someRun({ jobs: [someJob({ options: {} })] })).jobs;
    expect(job?.['job options']).toEqual({ rw: 'randrw', bs: '4k', iodepth: '8', numjobs: '1' });
    const plotted = ['usr_cpu', 'sys_cpu', 'latency_ns', 'latency_us', 'latency_ms', 'jobname'];
    const perDirection = ['bw', 'iops', 'iops_stddev', 'lat_ns.mean', 'lat_ns.stddev', 'clat_ns.mean'];
    const wanted = [...plotted, ...perDirection.flatMap((key) => [`read.${key}`, `write.${key}`])];
    expect(missingIn(job, wanted)).toEqual([]);
  });

  it('gives response and service time of an open loop', () => {
    const recorder = new JobRecorder();
    recorder.read.completePlanned(4096, 1000, 50_000, 200_000);
    recorder.read.setRuntime(1000);
    const [job] = reportOf(someRun({ jobs: [someJob({}, recorder)] })).jobs;
    expect(job?.read).toMatchObject({ lat_ns: { max: 51_000 }, response_ns: { max: 251_000 }, lateness_ns: { max: 200_000 } });
    expect(reportOf(someRun()).jobs[0]?.read).not.toHaveProperty('response_ns');
  });
});

describe("fio's terse format, version 3", () => {
  /** Fields as they are, but for the numbers in them. */
  const shapeOf = (field: string): string =>
    field.replaceAll(/-?\d+(\.\d+)?(e[+-]\d+)?/g, (number) => (number.includes('.') ? 'f' : 'n'));
  const line = terse(someRun({ disks: [] }));

  it('has 121 fields, and nine for each disk', () => {
    expect(line.split(';')).toHaveLength(121);
    expect(terse(someRun()).split(';')).toHaveLength(130);
  });

  it('has its numbers where fio has them', () => {
    const fields = line.split(';');
    expect(fields.slice(0, 9)).toEqual(['3', 'fio-3.33', 'example', '0', '0', '80000', '80000', '20000', '1000']);
    // Totals of read latencies, then of write ones: least and largest in microseconds.
    expect(fields.slice(37, 39)).toEqual(['80', '179']);
    expect(fields.slice(46, 50)).toEqual(['40000', '40000', '10000', '1000']);
    expect(fields.slice(87, 92)).toEqual(['24.000000%', '36.000000%', '1234', '0', '56']);
    expect(fields.slice(92, 99)).toEqual(['0.0%', '0.0%', '0.0%', '100.0%', '0.0%', '0.0%', '0.0%']);
  });

  it('has the fields of fio itself, one by one', (context) => {
    const args = ['--name=example', '--ioengine=null', '--rw=randrw', '--size=1m', '--bs=4k', '--output-format=terse'];
    const { status, stdout } = spawnSync('fio', [...args, '--terse-version=3', '--disk_util=0'], { encoding: 'utf8' });
    if (status !== 0) context.skip('fio is not here to compare with');
    const theirs = stdout.trim().split(';').slice(0, 121);
    expect(line.split(';').map(shapeOf)).toEqual(theirs.map(shapeOf));
  });

  it('keeps to its line whatever the job is called', () => {
    expect(terse(someRun({ jobs: [someJob({ name: 'a;b\nc' }, someRecorder())] })).split(';')[2]).toBe('a b c');
  });
});
