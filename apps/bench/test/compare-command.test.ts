import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { COMPARISON_FORMATS } from '../src/report/comparison-report.js';
import { fioJson } from '../src/report/fio-json.js';
import { bench } from './support/bench.js';
import { someComparison } from './support/some-comparison.js';
import { someJob, someRecorder, someRun } from './support/some-run.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
/** As short as it goes. */
const SHORT = ['--directory', folder, '--size=4m', '--runtime=50ms', '--ramp_time=10ms', '--repeats', '2'];

function save(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A run whose reads took so many times as long. */
function slower(times: number): string {
  const recorder = someRecorder();
  recorder.read.setRuntime(1000 * times);
  recorder.write.setRuntime(1000 * times);
  return JSON.stringify(fioJson(someRun({ jobs: [someJob({}, recorder)] }), { bins: true }));
}

afterEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
});

describe('biodone-bench compare', { timeout: 60_000 }, () => {
  it('lets engines do the same job, says what it found, and removes its file', async () => {
    const outcome = await bench(['compare', ...SHORT, 'fs-sync', 'null', 'fio:nonsense', '--output-format', 'json']);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const { sections, machine } = JSON.parse(outcome.stdout);
    expect(sections).toHaveLength(1);
    expect(sections[0].title).toContain('rw=randread bs=4k iodepth=32 size=4m runtime=50ms');
    const [engine, nothing, absent] = sections[0].sides;
    for (const { repeats } of [engine, nothing]) {
      expect(repeats).toHaveLength(2);
      for (const { iops, p50Ns, cpuMicrosPerIo } of repeats) {
        expect(Math.min(iops, cpuMicrosPerIo)).toBeGreaterThan(0);
        expect(p50Ns).toBeGreaterThanOrEqual(0);
      }
    }
    expect(absent.repeats).toEqual([]);
    expect(absent.unavailable).toMatch(/nonsense|not installed/);
    expect(machine.program).toBe('@biodone/bench');
    expect(engine.harnessNs).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('compares with fio, with its latencies and the CPU time of all its threads', async (context) => {
    if (spawnSync('fio', ['--version']).status !== 0) context.skip('fio is not here to compare with');
    const outcome = await bench(['compare', ...SHORT, 'fio:psync', 'sync', '--iodepth=1', '--output-format=json']);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const [fio] = JSON.parse(outcome.stdout).sections[0].sides;
    expect(fio.unavailable).toBeNull();
    for (const { latencies, cpuMicrosPerIo } of fio.repeats) {
      expect(latencies.bins.length).toBeGreaterThan(1);
      expect(cpuMicrosPerIo).toBeGreaterThan(0);
    }
  });

  it('compares stacks of devices', async () => {
    const outcome = await bench(['compare', ...SHORT, 'device:mem(8m)', 'stripe(64k, mem(4m), mem(4m))', '--output-format=csv']);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    expect(outcome.stdout.trim().split('\r\n')).toHaveLength(3);
  });

  it('tells of no file where all sides are stacks of devices', async () => {
    const outcome = await bench(['compare', ...SHORT, 'device:mem(8m)', 'device:null:8m']);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    expect(outcome.stdout).not.toContain('the file was read');
    expect(outcome.stdout).toMatch(/^Storage +none/m);
  });

  it('puts saved results of several kinds beside each other', async () => {
    const [one, two] = [save('one.json', slower(1)), save('two.json', `fio: a warning\n${slower(2)}`)];
    const outcome = await bench(['compare', one, two]);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/one\.json +30,000 .* 1\.00× +reference/);
    expect(outcome.stdout).toMatch(/two\.json +15,000 .* 0\.50× +too few repeats/);
    const saved = save('comparison.json', COMPARISON_FORMATS.json(someComparison()));
    const again = await bench(['compare', saved, one]);
    expect(again.stdout).toContain('rw=randread bs=4k, uring');
    expect(again.stdout).toContain('it has no such job');
  });

  it('writes where it is told, and overwrites nothing', async () => {
    const [one, two] = [save('one.json', slower(1)), save('two.json', slower(2))];
    const output = join(folder, 'page.html');
    expect(await bench(['compare', one, two, '--output-format=html', '--output', output])).toMatchObject({
      status: 0,
      stdout: '',
    });
    const text = readFileSync(output, 'utf8');
    expect(text).toMatch(/^<!doctype html>/);
    const outcome = await bench(['compare', one, two, '--output', output]);
    expect(outcome).toMatchObject({ status: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/^biodone-bench: [^\n]*exists, and would be overwritten[^\n]*\n$/);
    expect(readFileSync(output, 'utf8')).toBe(text);
  });

  it.each<[string, string[], string]>([
    ['one side', ['uring'], 'two sides'],
    ['an unknown side', ['uring', 'prmises'], 'did you mean promises?'],
    ['a side twice', ['uring', 'uring'], 'twice'],
    ['an unknown option', ['uring', 'fs', '--repeat', '3'], '--repeats?'],
    ['an unknown option of the job', ['uring', 'fs', '--rww=read'], 'unknown option --rww: did you mean --rw?'],
    ['a bad option of the job', ['uring', 'fs', '--rw=sideways'], 'sideways'],
    ['an engine as an option', ['uring', 'fs', '--ioengine=null'], 'name the engines'],
    ['bad repeats', ['uring', 'fs', '--repeats', 'many'], "'many'"],
    ['a bad format', ['uring', 'fs', '--output-format', 'pdf'], 'none of normal, json, markdown, csv, html'],
    ['saved results beside engines', ['uring', '/dev/null'], 'saved results are compared with saved results'],
    ['a stack without device:', ['uring', 'mem:8m'], 'did you mean device:mem:8m?'],
    ['a bad stack', ['device:nonsense', 'uring'], 'nonsense'],
    ['a bad size', ['uring', 'fs', '--size=lots'], 'lots'],
  ])('refuses %s in one line', async (_, args, word) => {
    const outcome = await bench(['compare', '--directory', folder, ...args]);
    expect(outcome).toMatchObject({ status: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/^biodone-bench: [^\n]+\n$/);
    expect(outcome.stderr).toContain(word);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('after Ctrl-C prints the repeats that were complete, and removes its file', async () => {
    const args = ['compare', '--directory', folder, '--size=4m', '--runtime=20', '--ramp_time=10ms', 'fs', 'null'];
    const outcome = await bench(args, {
      onStart: (child) => {
        const look = (): void => {
          // The file is there when the sides are about to begin.
          if (readdirSync(folder).length > 0) child.kill('SIGINT');
          else setTimeout(look, 5);
        };
        look();
      },
    });
    expect(outcome).toMatchObject({ status: 130 });
    expect(outcome.stdout).toContain('! Interrupted');
    expect(existsSync(folder) && readdirSync(folder)).toEqual([]);
  });
});

describe('biodone-bench gate', { timeout: 30_000 }, () => {
  it.each<[string, number, string[], number, string]>([
    ['nothing is lost', 1, [], 0, '+0.0 %'],
    ['less than allowed is lost', 1.04, [], 0, 'ok'],
    ['more is lost', 1.1, [], 1, 'regressed'],
    ['more is lost, but allowed', 1.1, ['--max-regress', '20%'], 0, 'No job has lost more than 20 %'],
  ])('when %s', async (_, times, options, status, words) => {
    const [before, after] = [save('old.json', slower(1)), save('new.json', slower(times))];
    const outcome = await bench(['gate', ...options, before, after]);
    expect(outcome).toMatchObject({ status, stderr: '' });
    expect(outcome.stdout).toContain(words);
  });

  it.each<[string, string[], string]>([
    ['one file', ['a.json'], 'two files'],
    ['a file that is not there', ['missing.json', 'missing.json'], 'ENOENT'],
    ['a bad limit', ['--max-regress', 'some', 'a.json', 'b.json'], "'some'"],
    ['an unknown option', ['--max-regres', '5', 'a.json', 'b.json'], '--max-regress?'],
  ])('refuses %s in one line', async (_, args, word) => {
    const outcome = await bench(['gate', ...args], { cwd: folder });
    expect(outcome).toMatchObject({ status: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/^biodone-bench: [^\n]+\n$/);
    expect(outcome.stderr).toContain(word);
  });

  it('refuses what holds no results', async () => {
    const [good, bad] = [save('good.json', slower(1)), save('bad.json', '{"jobs": []}')];
    expect(await bench(['gate', good, bad])).toMatchObject({ status: 2 });
    expect(await bench(['gate', save('text', 'hello'), good])).toMatchObject({ status: 2 });
  });
});

it.each(['compare', 'gate'])('biodone-bench %s --help tells of the exit status', async (name) => {
  const outcome = await bench([name, '--help']);
  expect(outcome).toMatchObject({ status: 0, stderr: '' });
  expect(outcome.stdout).toContain('Exit status: 0');
  expect(outcome.stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
});
