import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bytePatternOf, fillWithPattern } from '../src/jobs/byte-pattern.js';
import { type Job, jobOf } from '../src/jobs/job.js';
import { readJobFile } from '../src/jobs/job-file.js';
import { bytesOf, microsOf } from '../src/jobs/option-values.js';
import { parseRunCommand } from '../src/jobs/run-command-line.js';
import { commandLineOf } from '../src/jobs/showcmd.js';
import { UsageError } from '../src/usage-error.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const hasFio = spawnSync('fio', ['--version']).status === 0;

function jobFile(text: string, name = 'job.fio'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function jobsOf(text: string, environment: NodeJS.ProcessEnv = {}): Job[] {
  return readJobFile(jobFile(text), environment).map(jobOf);
}

function jobOfArguments(...args: string[]): Job {
  const [section] = parseRunCommand(['--name=x', ...args]).sections;
  if (section === undefined) throw new Error('no job');
  return jobOf(section);
}

const EXAMPLE = `
; all of them
[global]
size=16m
ioengine=psync
  # not an option
runtime=10

[first]
rw=randrw
rwmixread=70
bs=4k,8k

[global]
iodepth=8
direct=1

[second]
rw=write
stonewall
numjobs=2
`;

describe('a job file', () => {
  it('has sections, and global ones that hold for the jobs below them', () => {
    const [first, second] = jobsOf(EXAMPLE);
    expect(first?.options).toMatchObject({
      name: 'first',
      ioengine: 'sync',
      iodepth: 1,
      direct: false,
      runtime: 10e6,
      rwmixread: 70,
    });
    expect(first?.options.bs).toEqual({
      read: { min: 4096, max: 4096 },
      write: { min: 8192, max: 8192 },
      trim: { min: 8192, max: 8192 },
    });
    expect(first?.options.rw).toMatchObject({ name: 'randrw', reads: true, writes: true, trims: false, random: true });
    expect(second?.options).toMatchObject({
      name: 'second',
      iodepth: 8,
      direct: true,
      stonewall: true,
      numjobs: 2,
      size: { bytes: 2 ** 24 },
    });
    expect(second?.given).toEqual({ rw: 'write', stonewall: '1', numjobs: '2' });
  });

  it('includes other files and the environment, and knows the machine', () => {
    jobFile('bs=64k\niodepth=$ncpus\n', 'part.inc');
    // biome-ignore lint/suspicious/noTemplateCurlyInString: job files have the same form.
    const [job] = jobsOf('[x]\ninclude part.inc\nfilename=${WHERE}/file\nsize=1m\n', { WHERE: '/data' });
    expect(job?.options.filename).toBe('/data/file');
    expect(job?.options.bs.read.min).toBe(65_536);
    expect(job?.options.iodepth).toBeGreaterThan(0);
  });

  it('is the same as the command line that shows it', () => {
    const sections = readJobFile(jobFile(`${EXAMPLE}[third]\nrw=trim\n[fourth]\nname=last\nbs=64k\n`), {});
    const words = commandLineOf('run', sections).split(' ').slice(1);
    const again = parseRunCommand(words).sections;
    expect(again.map(({ name }) => name)).toEqual(['first', 'second', 'third', 'last']);
    expect(again.map((section) => jobOf(section).options)).toEqual(sections.map((section) => jobOf(section).options));
  });

  it('calls a job by its section, or by name=', () => {
    const jobs = jobsOf('[a]\nsize=1m\n[b]\nname=other\nsize=1m\n');
    expect(jobs.map(({ options }) => options.name)).toEqual(['a', 'other']);
  });

  it.each([
    ['[x]\niodpeth=4\n', 'job.fio:2: unknown option iodpeth: did you mean iodepth?'],
    ['[x]\n\nrw=foo\n', 'job.fio:3: rw=foo is none of read, write'],
    ['[x]\nsize=4x\n', 'job.fio:2: size=4x is not a size'],
    ['[x]\niodepth\n', 'job.fio:2: iodepth needs a value'],
    ['bs=4k\n', 'before the first section'],
    ['[x\nbs=4k\n', "job.fio:1: '[x' is no section"],
    ['[global]\nbs=4k\n', 'no job in it'],
    ['', 'no job in it'],
    ['[x]\ninclude missing.inc\n', /job\.fio:2: '[^']*missing\.inc' cannot be read/],
    ['[x]\ninclude job.fio\n', /job\.fio:2: '[^']*job\.fio': the files include each other/],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: job files have the same form.
    ['[x]\nfilename=${NOWHERE}\n', "job.fio:2: the environment has no variable 'NOWHERE'"],
    ['[x]\nexec_prerun=touch /tmp/x\n', 'job.fio:2: exec_prerun is an option of fio, but a job never executes anything'],
    ['[x]\nioengine=exec\n', 'job.fio:2: ioengine=exec is refused: a job never executes anything'],
    ['[x]\nzonemode=zbd\n', 'job.fio:2: zonemode is an option of fio, but zoned devices are not supported'],
    ['[x]\ntime_based\n', 'job.fio:2: time_based needs runtime='],
    ['[x]\nrandom_distribution=zipf:1\n', 'has an argument that is no number, or out of range'],
    ['[x]\nbssplit=4k/60:64k/60\n', 'add up to 120'],
    ['[x]\nverify=pattern\n', 'needs verify_pattern='],
    ['[x]\nrw=trim\nioengine=fs\n', 'job.fio:3: ioengine=fs has no trims'],
    ['[x]\nsteadystate=iops\n', 'has no limit'],
    ['[x]\nconstructor=1\n', 'unknown option constructor'],
  ])('is refused: %j', (text, message) => {
    const parse = (): unknown => jobsOf(text, {});
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(message);
  });
});

describe('the command line of run', () => {
  it('begins a job with its name, and what is before it holds for all', () => {
    const { sections } = parseRunCommand([
      '--bs=8k',
      '--name=a',
      '--rw=write',
      '--name',
      'b',
      '--bs',
      '16k',
      '--time_based',
      '--runtime=1',
    ]);
    const [a, b] = sections.map(jobOf);
    expect(a?.options).toMatchObject({ name: 'a', bs: { read: { min: 8192 } }, rw: { name: 'write' }, time_based: false });
    expect(b?.options).toMatchObject({ name: 'b', bs: { read: { min: 16_384 } }, rw: { name: 'read' }, time_based: true });
  });

  it('chooses among the sections of a file', () => {
    const path = jobFile(EXAMPLE);
    expect(parseRunCommand([path, '--section=second']).sections.map(({ name }) => name)).toEqual(['second']);
    expect(() => parseRunCommand([path, '--section=third'])).toThrow('there is no job of that name');
  });

  it.each([
    [['--name=x', '--rww=read'], 'unknown option --rww: did you mean --rw?'],
    [['--name=x', '--parse-onyl'], 'unknown option --parse-onyl: did you mean --parse-only?'],
    [['--name=x', '--bs'], '--bs needs a value'],
    [['--name=x', '--exec_prerun=ls'], '--exec_prerun is an option of fio, but a job never executes anything'],
    [['--name=x', '--output-format=xml'], "--output-format 'xml' is none of normal"],
    [['--name=x', '--status-interval=1us'], 'too short'],
    [[], 'no job: name a job file'],
    [['missing.fio'], "'missing.fio' cannot be read (ENOENT)"],
  ])('refuses %j', (args, message) => {
    expect(() => parseRunCommand(args)).toThrow(message);
  });
});

describe('values', () => {
  it('have the suffixes of fio', () => {
    expect(['4k', '4K', '4kb', '4ki', '0x1000', '4096b', '1m', '2g'].map((text) => bytesOf(text, 1024))).toEqual([
      4096,
      4096,
      4096,
      4096,
      4096,
      4096,
      2 ** 20,
      2 ** 31,
    ]);
    expect([bytesOf('4kib', 1024), bytesOf('4k', 1000), bytesOf('4kib', 1000)]).toEqual([4000, 4000, 4096]);
    expect(['10', '10s', '2m', '1h', '5ms', '7us'].map((text) => microsOf(text, 's'))).toEqual([
      10e6, 10e6, 120e6, 3.6e9, 5000, 7,
    ]);
  });

  it('of patterns are bytes, texts and offsets', () => {
    expect(bytePatternOf('0xdeadbeef')).toEqual([0xde, 0xad, 0xbe, 0xef]);
    expect(bytePatternOf('"ab"-1')).toEqual([97, 98, 255, 255, 255, 255]);
    const bytes = new Uint8Array(20);
    fillWithPattern(bytes, bytePatternOf('0xff%o'), 0x1234);
    expect([...bytes]).toEqual([255, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 255, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 255, 0x34]);
  });

  it('for directions are separated by commas', () => {
    expect(jobOfArguments('--bs=4k,,1m').options.bs).toMatchObject({
      read: { min: 4096 },
      write: { min: 4096 },
      trim: { min: 2 ** 20 },
    });
    expect(jobOfArguments('--bssplit=4k/60:64k/').options.bssplit?.read).toEqual([
      { bytes: 4096, percent: 60 },
      { bytes: 65_536, percent: 40 },
    ]);
    expect(jobOfArguments('--rate_iops=100,200').options.rate_iops).toEqual({ read: 100, write: 200, trim: 200 });
  });
});

/** Jobs that fio takes too, and jobs that it refuses. */
const FOR_BOTH = [
  EXAMPLE,
  '[x]\nrw=randread\nsize=1m\nrandom_distribution=zipf:1.2\nnorandommap\n',
  '[x]\nrw=randwrite:8\nbssplit=4k/60:64k/40\nsize=1m\nfsync=4\n',
  '[x]\nrw=write:64k\nbsrange=1k-4k\nsize=1m\nrate=1m,2m\nrate_process=poisson\n',
  '[x]\nrw=readwrite\nsize=50%\nfilename=/tmp/x\nverify=crc32c\nverify_interval=4k\n',
  '[x]\nrw=randread\nsize=1m\nss=iops:2%\nss_dur=10\nruntime=20\ntime_based=1\n',
  '[x]\nthinktime=5\nthinktime_blocks=2\nsize=1m\nsync=dsync\nend_fsync=1\n',
  '[x]\nrw=foo\nsize=1m\n',
  '[x]\nbss=4k\nsize=1m\n',
  '[x]\nrwmixread=101\nsize=1m\n',
  '[x]\niodepth=0\nsize=1m\n',
];

describe('beside fio', () => {
  it.for(FOR_BOTH)('it takes or refuses the same: %j', (text, context) => {
    if (!hasFio) context.skip('fio is not installed');
    const path = jobFile(text);
    const fio = spawnSync('fio', ['--parse-only', path]);
    const isRefused = ((): boolean => {
      try {
        readJobFile(path, {}).map(jobOf);
        return false;
      } catch (error) {
        if (error instanceof UsageError) return true;
        throw error;
      }
    })();
    expect(isRefused).toBe(fio.status !== 0);
  });

  it('it shows the same commands', (context) => {
    if (!hasFio) context.skip('fio is not installed');
    const path = jobFile('[global]\nbs=4k\nsize=10m\n[a]\nrw=randrw\nrwmixread=70\n[b]\nrw=write\ntime_based\nruntime=5\n');
    const fio = spawnSync('fio', ['--showcmd', path], { encoding: 'utf8' }).stdout.trim().split(/\s+/);
    expect(commandLineOf('fio', readJobFile(path, {})).split(' ')).toEqual(fio);
  });
});
