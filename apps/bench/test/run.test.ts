import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { enginesOf } from '../src/engines/all.js';
import type { Report } from '../src/report/json.js';
import { WORKLOADS } from '../src/workload/workload.js';
import { bench, type Outcome, PROGRAM } from './support/bench.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const report = join(folder, 'report.json');
const FIGURES = [
  'd1_uring_over_filehandle',
  'd32_cpu_over_fs_read',
  'd32_uring_over_filehandle',
  'd32_uring_over_fs_read',
  'null_ios_per_s',
  'sync_over_readsync_time',
];
const NEEDS_IO_URING = ['biodone_callbacks', 'biodone_promises'];
/** As short as it goes. */
const SHORT = ['--directory', folder, '--size', '16m', '--seconds', '3', '--repeats', '1'];

function readReport(): Report {
  return JSON.parse(readFileSync(report, 'utf8')) as Report;
}

function testFilesLeft(): string[] {
  return readdirSync(folder).filter((name) => name !== 'report.json');
}

function isPositive(value: number | null): boolean {
  return value !== null && value > 0 && Number.isFinite(value);
}

/** Expects numbers in the rows of all paths but these, which say why they have none. */
function expectRows({ rows }: Report, missing: readonly string[]): void {
  expect(rows.map(({ workload, engine }) => `${workload} ${engine}`)).toEqual(
    WORKLOADS.flatMap((workload) => enginesOf(workload).map((engine) => `${workload.id} ${engine.id}`)),
  );
  for (const row of rows) {
    const numbers = [row.iops, row.iopsMin, row.iopsMax, row.megabytesPerSecond, row.p50Micros];
    numbers.push(row.cpuMicrosPerIo, row.overFileHandle);
    if (missing.includes(row.engine)) {
      expect(
        numbers.every((value) => value === null),
        JSON.stringify(row),
      ).toBe(true);
      expect(row.unavailable).toContain('io_uring');
    } else {
      expect(numbers.every(isPositive), JSON.stringify(row)).toBe(true);
      expect(row.unavailable).toBeNull();
    }
  }
}

/** From util-linux: runs a command on a terminal of its own. */
const TERMINAL_MAKER = 'script';

describe('biodone-bench --quick', () => {
  it('measures every path, says where its file is, removes it, and reports', async () => {
    const outcome = await bench(['--quick', '--directory', folder, '--json', report]);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    expect(outcome.stdout).toMatch(new RegExp(`^Test file: ${folder}/biodone-bench-\\d+\\.dat \\(64 MiB\\)`));
    expect(testFilesLeft()).toEqual([]);
    const written = readReport();
    const { environment, figures, spread, rows } = written;
    expectRows(written, environment.ioUring === 'available' ? [] : NEEDS_IO_URING);
    expect(Object.keys(figures).sort()).toEqual(FIGURES);
    expect(Object.keys(spread).sort()).toEqual(FIGURES);
    if (environment.ioUring === 'available') expect(Object.values(figures).every(isPositive)).toBe(true);
    expect(isPositive(figures['sync_over_readsync_time'] ?? null)).toBe(true);
    expect(environment).toMatchObject({ program: '@biodone/bench', node: process.version, repeats: 1, sizeBytes: 64 * 2 ** 20 });
    for (const { title } of WORKLOADS) expect(outcome.stdout).toContain(title);
    for (const { label } of rows) expect(outcome.stdout).toContain(`  ${label}`);
    expect(outcome.stdout).toContain('1 of 5 repeats');
    expect(outcome.stdout).toMatch(
      /In a sentence: .* does \d+\.\d times the I\/Os\nof FileHandle.read from memory, for \d+ % .*\.\n$/,
    );
    // The first line holds the path, which may be long.
    const tooLong = outcome.stdout.split('\n').filter((line, index) => index > 0 && line.length > 120);
    expect(environment.ioUring === 'available' ? tooLong : []).toEqual([]);
  }, 60_000);
});

describe('the report', () => {
  it('replaces an empty file and an earlier report, whole', async () => {
    writeFileSync(report, '');
    expect(await bench([...SHORT, '--json', report])).toMatchObject({ status: 0 });
    const first = readReport().environment.date;
    expect(await bench([...SHORT, '--json', report])).toMatchObject({ status: 0 });
    expect(readReport().environment.date > first).toBe(true);
    expect(testFilesLeft()).toEqual([]);
  }, 60_000);
});

describe('where io_uring is forbidden', () => {
  const launcher = join(import.meta.dirname, '../../../packages/uring/test/support/without-io-uring.mjs');
  const trial = spawnSync(process.execPath, [launcher, '--eval', ''], { encoding: 'utf8' });

  it('says why in the rows that need it, and measures the rest', async (context) => {
    if (trial.status !== 0) context.skip(`io_uring cannot be forbidden here: ${trial.stderr}`);
    const outcome = await bench([...SHORT, '--json', report], { before: [launcher] });
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const written = readReport();
    expectRows(written, NEEDS_IO_URING);
    expect(written.environment.ioUring).not.toBe('available');
    const { sync_over_readsync_time: synchronous, null_ios_per_s: harness, ...others } = written.figures;
    expect(isPositive(synchronous ?? null)).toBe(true);
    expect(isPositive(harness ?? null)).toBe(true);
    expect(Object.values(others).every((value) => value === null)).toBe(true);
    const reasons = outcome.stdout.split('\n').filter((line) => line.includes('io_uring is not available'));
    expect(reasons, 'the reason stands there once').toHaveLength(1);
    expect(testFilesLeft()).toEqual([]);
  }, 60_000);
});

describe('an interrupted run', () => {
  beforeEach(() => expect(testFilesLeft()).toEqual([]));

  /** Starts a long run, and does something when it has come as far as asked. */
  async function interrupt(
    until: (file: string) => boolean,
    act: (file: string, kill: (signal: NodeJS.Signals) => void) => void,
  ): Promise<Outcome> {
    const outcome = await bench(['--directory', folder, '--size', '32m', '--seconds', '30'], {
      onFirstLine: (line, child) => {
        const file = /^Test file: (.*) \(/.exec(line)?.[1] ?? '';
        expect(existsSync(file)).toBe(true);
        const look = (): void => {
          if (until(file)) act(file, (signal) => child.kill(signal));
          else setImmediate(look);
        };
        look();
      },
    });
    return outcome;
  }

  const filling = (): boolean => true;
  const measuring = (file: string): boolean => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 32 * 2 ** 20;

  it.each([
    ['SIGINT', 'while the file is written', filling],
    ['SIGINT', 'while it measures', measuring],
    ['SIGTERM', 'while it measures', measuring],
    ['SIGHUP', 'while it measures', measuring],
  ] as const)(
    'by %s %s removes the file and dies of the signal',
    async (signal, _, until) => {
      const outcome = await interrupt(until, (_file, kill) => kill(signal));
      expect(outcome).toMatchObject({ status: null, signal, stderr: '' });
      expect(testFilesLeft()).toEqual([]);
    },
    30_000,
  );

  it('by SIGINT behind the first repeat reports what is complete', async () => {
    const args = [
      '--directory',
      folder,
      '--size',
      '32m',
      '--seconds',
      '60',
      '--repeats',
      '30',
      '--json',
      join(folder, 'part.json'),
    ];
    const outcome = await new Promise<Outcome>((resolve) => {
      const command = [process.execPath, PROGRAM, ...args].map((word) => `'${word}'`).join(' ');
      const child = spawn(TERMINAL_MAKER, ['--quiet', '--return', '--flush', '--command', `exec ${command}`, '/dev/null']);
      let stdout = '';
      child.on('error', () => resolve({ status: null, signal: null, stdout: '', stderr: 'no terminal' }));
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        // On a terminal it tells which repeat it is at, and hears the key.
        if (/repeat 2 of 30/.test(text) && !/repeat 2 of 30/.test(stdout)) child.stdin.write('\u0003');
        stdout += text;
      });
      child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr: '' }));
    });
    if (outcome.stderr === 'no terminal') return;
    expect(outcome.stdout).toContain('! Interrupted: these are the repeats that were complete.');
    expect(outcome.stdout).toMatch(/medians of \d+ interleaved repeat/);
    expect(outcome.status).toBe(130);
    const { environment } = JSON.parse(readFileSync(join(folder, 'part.json'), 'utf8')) as { environment: { repeats: number } };
    expect(environment.repeats).toBeGreaterThanOrEqual(1);
    expect(environment.repeats).toBeLessThan(30);
    rmSync(join(folder, 'part.json'));
    expect(testFilesLeft()).toEqual([]);
  }, 120_000);

  it('by an I/O that fails says so in a line, removes the file and exits with 1', async () => {
    const outcome = await interrupt(measuring, (file) => truncateSync(file, 0));
    expect(outcome).toMatchObject({ status: 1 });
    expect(outcome.stderr).toMatch(/^biodone-bench: [^\n]+\n$/);
    expect(testFilesLeft()).toEqual([]);
  }, 30_000);
});

describe('on a terminal', () => {
  it('there is a progress line, which is gone at the end', (context) => {
    if (process.platform !== 'linux' || spawnSync(TERMINAL_MAKER, ['--version']).status !== 0) {
      context.skip('script(1), which makes terminals, is not here');
    }
    const command = [process.execPath, PROGRAM, ...SHORT].map((word) => `'${word}'`).join(' ');
    const output = execFileSync(TERMINAL_MAKER, ['--quiet', '--return', '--command', command, '/dev/null'], { encoding: 'utf8' });
    expect(output).toMatch(/\rrepeat 1 of 1, \d+ s left · 4 KiB random read, depth 1/);
    const afterProgress = output.slice(output.lastIndexOf('s left'));
    // What stands there last is the order that clears the line, before the table begins.
    expect(afterProgress.indexOf('\r\u001b[K')).toBeGreaterThan(0);
    expect(afterProgress.indexOf('\r\u001b[K')).toBeLessThan(afterProgress.indexOf('IOPS'));
  }, 30_000);
});
