import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bench, PROGRAM } from './support/bench.js';
import { keyPaths } from './support/key-paths.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();

/** From util-linux: runs a command on a terminal of its own. */
const TERMINAL_MAKER = 'script';

/** A job that goes on until somebody stops it. */
const ENDLESS = ['run', '--name=x', '--ioengine=null', '--rw=randread', '--size=1m', '--time_based', '--runtime=60'];

interface Latency {
  readonly N: number;
  readonly percentile?: Readonly<Record<string, number>>;
}

interface Report {
  readonly biodone: { readonly outcome: string };
  readonly jobs: readonly {
    readonly eta: number;
    readonly usr_cpu: number;
    readonly read: {
      readonly total_ios: number;
      readonly slat_ns: Latency;
      readonly clat_ns: Latency;
      readonly lat_ns: Latency;
      readonly iops_samples: number;
      readonly iops_min: number;
      readonly iops_mean: number;
      readonly bw_mean: number;
    };
  }[];
}

/** The reports that a program has printed one after the other. */
function reportsIn(stdout: string): Report[] {
  return stdout
    .trim()
    .split(/\n(?=\{)/)
    .map((text) => JSON.parse(text) as Report);
}

describe('the JSON of a real run', { timeout: 60_000 }, () => {
  it.each(['cli', 'job-file'])('has all keys of a report of fio 3.33 (%s)', async (name) => {
    const wanted = readFileSync(join(import.meta.dirname, `fixtures/fio-3.33-${name}-keys.txt`), 'utf8')
      .trim()
      .split('\n');
    const job = [
      '--rw=randrw',
      '--bs=4k',
      '--iodepth=8',
      '--numjobs=1',
      '--fsync=8',
      '--size=2m',
      '--runtime=600ms',
      '--time_based',
    ];
    const globals = ['--ioengine=fs', `--filename=${join(folder, name)}`, '--direct=0', '--ramp_time=20ms'];
    const percentiles = ['--lat_percentiles=1', '--clat_percentiles=1', '--slat_percentiles=1', '--rwmixread=50'];
    const args =
      name === 'cli' ? ['--name=a', ...globals, ...job, ...percentiles] : [...globals, '--name=a', ...job, ...percentiles];
    const outcome = await bench(['run', ...args, '--output-format=json+']);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const paths = keyPaths(JSON.parse(outcome.stdout));
    // Which options stand there is the job's matter, and a folder in memory has no disk.
    const isOurs = (path: string): boolean => !/options\.|^disk_util\[\]/.test(path);
    expect(wanted.filter((path) => isOurs(path) && !paths.has(path))).toEqual([]);
  });

  it.each([
    ['bs=4k,8k', '4k,8k'],
    ['bsrange=1k-7k', '1k-7k'],
    ['bssplit=4k/50:64k/50', '4k/50:64k/50'],
    ['iodepth=1', '4k'],
  ])('tells of all sizes of blocks that there are: %s', async (option, told) => {
    const job = ['--name=a', '--ioengine=null', '--size=1m', `--${option}`];
    const outcome = await bench(['run', ...job, '--output-format=normal,json']);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    expect(outcome.stdout).toContain(`read, bs ${told}, null, depth 1`);
    const { jobs } = JSON.parse(outcome.stdout.slice(outcome.stdout.indexOf('\n{'))) as {
      jobs: { 'job options': { bs: string } }[];
    };
    expect(jobs[0]?.['job options'].bs).toBe(told);
  });

  it('has the percentiles that each job asks for, and no others, in all formats', async () => {
    const all = '--ioengine=null --rw=read --size=16m --iodepth=2';
    const [slat, plain, lat] = ['--slat_percentiles=1 --clat_percentiles=0 --lat_percentiles=0', '', '--lat_percentiles=1'];
    const args = `--output-format=json+,terse,normal ${all} --percentile_list=50:99 --name=slat ${slat} --name=plain ${plain} --percentile_list=90 --name=lat ${lat}`;
    const outcome = await bench(['run', ...args.split(/ +/)]);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const end = outcome.stdout.indexOf('\n}\n') + 2;
    const { jobs } = JSON.parse(outcome.stdout.slice(0, end)) as Report;
    const found = jobs.map(({ read }) =>
      (['slat_ns', 'clat_ns', 'lat_ns'] as const).map((name) => ({
        percents: Object.keys(read[name].percentile ?? {}).map(Number),
        hasBins: 'bins' in read[name],
      })),
    );
    const none = { percents: [], hasBins: false };
    const two = { percents: [50, 99], hasBins: true };
    expect(found).toEqual([
      [two, none, none],
      [none, { percents: [90], hasBins: true }, { percents: [90], hasBins: true }],
      [none, two, two],
    ]);

    const terse = outcome.stdout.slice(end).trim().split('\n').slice(0, 3);
    const fields = terse.map((line) => line.split(';').slice(17, 20));
    expect(fields[0]).toEqual(['0%=0', '0%=0', '0%=0']);
    expect(fields[1]?.[0]).toMatch(/^90\.000000%=\d+$/);
    expect(fields[2]?.[1]).toMatch(/^99\.000000%=\d+$/);
    expect(fields[2]?.[2]).toBe('0%=0');

    const normal = outcome.stdout
      .slice(end)
      .split(/^(?=\w+: \(groupid)/m)
      .slice(1);
    const printed = normal.map((text) =>
      [...text.matchAll(/^ {4}(\w+) +(p[^\n]*)$/gm)].map(([, kind, list]) => [kind, list?.match(/p[\d.]+/g)]),
    );
    expect(printed).toEqual([[['slat', ['p50', 'p99']]], [['lat', ['p90']]], [['lat', ['p50', 'p99']]]]);
  });

  it('has logs over time as fio writes them, which overwrite nothing', async () => {
    const cwd = join(folder, 'logs');
    mkdirSync(cwd);
    const job = '--name=job --ioengine=null --rw=randrw --size=4m --rate_iops=1000 --runtime=450ms --time_based';
    const logs = '--write_bw_log=x --write_iops_log --write_lat_log=x --log_avg_msec=100';
    const args = ['run', ...`${job} ${logs}`.split(' ')];
    expect(await bench(args, { cwd })).toMatchObject({ status: 0, stderr: '' });
    const files = ['job_iops.1.log', 'x_bw.1.log', 'x_clat.1.log', 'x_lat.1.log', 'x_slat.1.log'];
    expect(readdirSync(cwd).sort()).toEqual(files);
    for (const name of files) {
      const lines = readFileSync(join(cwd, name), 'utf8').trim().split('\n');
      for (const line of lines) expect(line).toMatch(/^\d+, \d+, [01], 0, 0$/);
      const times = lines.map((line) => Number(line.split(',')[0]));
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(times[0]).toBeGreaterThanOrEqual(100);
      expect(new Set(lines.map((line) => line.split(', ')[2]))).toEqual(new Set(['0', '1']));
    }
    const kibs = (readFileSync(join(cwd, 'x_bw.1.log'), 'utf8').match(/, \d+, 0/g) ?? []).map((text) =>
      Number(text.split(', ')[1]),
    );
    const iops = (readFileSync(join(cwd, 'job_iops.1.log'), 'utf8').match(/, \d+, 0/g) ?? []).map((text) =>
      Number(text.split(', ')[1]),
    );
    // Blocks of 4 KiB; both are rounded.
    for (const [index, kib] of kibs.entries()) expect(Math.abs(kib - 4 * (iops[index] ?? Number.NaN))).toBeLessThanOrEqual(4);
    const again = await bench(args, { cwd });
    expect(again).toMatchObject({ status: 2, stdout: '' });
    expect(again.stderr).toContain('x_bw.1.log');
    const without = await bench(['run', ...job.split(' '), '--write_bw_log=y'], { cwd });
    expect([without.status, without.stderr]).toEqual([2, expect.stringContaining('needs log_avg_msec=')]);
  });

  it('says exactly how many I/Os there were, in all formats at once', async () => {
    const args = ['run', '--name=a', '--ioengine=null', '--rw=read', '--size=4m', '--output-format=json,terse,csv'];
    const outcome = await bench(args);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const end = outcome.stdout.indexOf('\n}\n') + 2;
    const [job] = (JSON.parse(outcome.stdout.slice(0, end)) as Report).jobs;
    expect(job?.read).toMatchObject({ total_ios: 1024, lat_ns: { N: 1024 } });
    const [terse, ...csv] = outcome.stdout.slice(end).trim().split('\n');
    expect(terse?.split(';')[5]).toBe('4096');
    expect(csv[0]).toMatch(/^job,direction,/);
  });
});

describe('while it runs', { timeout: 60_000 }, () => {
  it('--status-interval gives a report every so often, Ctrl-C the last one, complete', async () => {
    const outcome = await bench([...ENDLESS, '--output-format=json', '--status-interval=200ms'], {
      onFirstLine: (_, child) => child.kill('SIGINT'),
    });
    expect(outcome).toMatchObject({ status: 130, stderr: '' });
    const reports = reportsIn(outcome.stdout);
    expect(reports.length).toBeGreaterThanOrEqual(2);
    expect(reports.map(({ biodone }) => biodone.outcome).slice(0, 1)).toEqual(['running']);
    expect(reports.at(-1)?.biodone.outcome).toBe('interrupted');
    const [first] = reports[0]?.jobs ?? [];
    const [last] = reports.at(-1)?.jobs ?? [];
    expect(first?.eta).toBeGreaterThan(0);
    expect(first?.usr_cpu).toBeGreaterThan(0);
    expect(last?.eta).toBe(0);
    expect(last?.read.total_ios).toBeGreaterThanOrEqual(first?.read.total_ios ?? Number.NaN);
    expect(last?.read.lat_ns.N).toBe(last?.read.total_ios);
  });

  it('a report before the end has what was done over time', async () => {
    let reports = 0;
    const outcome = await bench([...ENDLESS, '--output-format=json', '--status-interval=700ms', '--ramp_time=100ms'], {
      onLine: (line, child) => {
        if (line !== '}') return;
        reports += 1;
        // Samples are taken every half second.
        if (reports === 3) child.kill('SIGINT');
      },
    });
    expect(outcome).toMatchObject({ status: 130, stderr: '' });
    const { biodone, jobs } = reportsIn(outcome.stdout)[2] as Report;
    expect(biodone.outcome).toBe('running');
    const { iops_samples, iops_min, iops_mean, bw_mean } = jobs[0]?.read ?? {};
    expect(iops_samples).toBeGreaterThanOrEqual(2);
    expect(iops_min).toBeGreaterThan(0);
    expect(iops_mean).toBeGreaterThanOrEqual(iops_min as number);
    // Each sample is a whole number of KiB a second: of a slow one the half that is rounded off is more than a ten-thousandth.
    expect((bw_mean as number) / ((iops_mean as number) * 4)).toBeCloseTo(1, 2);
  });

  it('SIGUSR1 gives a report, and it goes on', async () => {
    let reports = 0;
    const outcome = await bench([...ENDLESS, '--output-format=json', '--status-interval=500ms'], {
      onLine: (line, child) => {
        if (line !== '}') return;
        reports += 1;
        if (reports === 1) child.kill('SIGUSR1');
        if (reports === 2) child.kill('SIGINT');
      },
    });
    expect(outcome).toMatchObject({ status: 130, stderr: '' });
    const outcomes = reportsIn(outcome.stdout).map(({ biodone }) => biodone.outcome);
    expect(outcomes.at(-1)).toBe('interrupted');
    expect(outcomes.filter((text) => text === 'running').length).toBeGreaterThanOrEqual(2);
  });

  it('there is a line on a terminal with states, rate and the time that is left', (context) => {
    if (process.platform !== 'linux' || spawnSync(TERMINAL_MAKER, ['--version']).status !== 0) {
      context.skip('script(1), which makes terminals, is not here');
    }
    const args = [process.execPath, PROGRAM, 'run', '--name=x', '--ioengine=null', '--rw=randread', '--size=1m'];
    const command = [...args, '--time_based', '--runtime=2', '--output-format=terse'].map((word) => `'${word}'`).join(' ');
    const options = ['--quiet', '--return', '--command', command, '/dev/null'];
    const { stdout } = spawnSync(TERMINAL_MAKER, options, { encoding: 'utf8', timeout: 50_000 });
    expect(stdout).toMatch(/\rjobs: 1 \[R\] \[[\d.]+ MiB\/s\] \[\d+ IOPS\] \[\d+ s left\]/);
    expect(stdout.lastIndexOf('\r\u001b[K')).toBeLessThan(stdout.indexOf('3;fio-3.33;x;'));
  });
});
