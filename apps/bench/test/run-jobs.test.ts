import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { openDevice } from '@biodone/blockdev';
import { probe } from '@biodone/uring';
import { afterEach, beforeEach, describe, expect, it, type TestContext, vi } from 'vitest';
import { bench, type Outcome, PROGRAM } from './support/bench.js';
import { temporaryFolder } from './support/temporary-folder.js';

// Each run starts a program, and some tests several: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

const folder = temporaryFolder();
let place = '';
let places = 0;

beforeEach(() => {
  places += 1;
  place = join(folder, String(places));
  mkdirSync(place);
});

interface Direction {
  readonly total_ios: number;
  readonly io_bytes: number;
  readonly lat_ns: { readonly N: number };
  readonly clat_ns: { readonly N: number };
}

interface FioJob {
  readonly jobname: string;
  readonly groupid: number;
  readonly error: number;
  readonly read: Direction;
  readonly write: Direction;
  readonly trim: Direction;
  readonly sync: { readonly total_ios: number };
  readonly steadystate?: { readonly attained: number };
}

/** Runs jobs in a folder of their own and reads fio's JSON. */
async function run(...args: string[]): Promise<Outcome & { jobs: FioJob[] }> {
  const outcome = await bench(['run', '--output-format=json', ...args], { cwd: place });
  const jobs = outcome.stdout.startsWith('{') ? (JSON.parse(outcome.stdout) as { jobs: FioJob[] }).jobs : [];
  return { ...outcome, jobs };
}

/** Makes the test's place a file system of 2 MiB, until the test is over. */
function onSmallFileSystem(context: TestContext): void {
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', place]);
  if (mounted.status !== 0) context.skip('no file system can be mounted here');
  context.onTestFinished(() => void spawnSync('umount', [place]));
}

/** Writes a file until nothing more goes on its file system. */
function fillUp(path: string): void {
  const fd = openSync(path, 'w');
  try {
    for (;;) writeSync(fd, new Uint8Array(4096));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(fd);
  }
}

async function expectRefused(args: readonly string[], ...words: string[]): Promise<void> {
  const before = readdirSync(place);
  const outcome = await bench(['run', ...args], { cwd: place });
  expect(outcome).toMatchObject({ status: 2, stdout: '' });
  expect(outcome.stderr).toMatch(/^biodone-bench: [^\n]+\n$/);
  for (const word of words) expect(outcome.stderr).toContain(word);
  expect(readdirSync(place)).toEqual(before);
}

const FILE = 'data';
const NEED_IO_URING = ['uring', 'promises'];

describe('engines', () => {
  it.for(['uring', 'threads', 'sync', 'posixaio', 'promises', 'fs', 'fs-sync', 'fs-promises', 'null'])(
    '%s does every I/O of a mixed job once, flushes, and leaves nothing behind',
    async (engine, context) => {
      if (NEED_IO_URING.includes(engine) && !probe().available) context.skip(`io_uring is not available: ${probe().reason}`);
      const options = ['--rw=randrw', '--bs=4k', '--size=1m', '--iodepth=4', '--fsync=16', '--end_fsync=1'];
      const { status, stderr, jobs } = await run('--name=mix', `--ioengine=${engine}`, ...options);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const [job] = jobs as [FioJob];
      expect(job.read.total_ios + job.write.total_ios).toBe(256);
      expect(job.read.io_bytes + job.write.io_bytes).toBe(2 ** 20);
      expect([job.read.lat_ns.N, job.read.clat_ns.N]).toEqual([job.read.total_ios, job.read.total_ios]);
      expect(job.sync.total_ios).toBe(Math.ceil(job.write.total_ios / 16) - (job.write.total_ios % 16 === 0 ? 0 : 1) + 1);
      expect(readdirSync(place)).toEqual([]);
    },
  );

  it('a stack of devices is worked on by its name', async () => {
    const { status, jobs } = await run(
      '--name=x',
      '--rw=randwrite',
      '--size=1m',
      '--device=stripe(64k, mem:4m, mem:4m)',
      '--ioengine=sync',
    );
    expect({ status, ios: jobs[0]?.write.total_ios }).toEqual({ status: 0, ios: 256 });
  });

  it('trims go to devices that have them', async () => {
    const { status, jobs } = await run('--name=x', '--rw=trimwrite', '--size=1m', '--device=mem:4m', '--ioengine=sync');
    expect({ status, trims: jobs[0]?.trim.total_ios, writes: jobs[0]?.write.total_ios }).toEqual({
      status: 0,
      trims: 128,
      writes: 128,
    });
  });

  it('without io_uring says so', async (context) => {
    const launcher = join(import.meta.dirname, '../../../packages/uring/test/support/without-io-uring.mjs');
    const trial = spawnSync(process.execPath, [launcher, '--eval', ''], { encoding: 'utf8' });
    if (trial.status !== 0) context.skip(`io_uring cannot be forbidden here: ${trial.stderr}`);
    const outcome = await bench(['run', '--name=x', '--size=1m', '--ioengine=uring'], { cwd: place, before: [launcher] });
    expect(outcome).toMatchObject({ status: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/^biodone-bench: .*io_uring is not available: [^\n]+\n$/);
    const options = ['run', '--name=x', '--rw=randrw', '--size=1m', '--iodepth=4', '--fsync=16', '--output-format=json'];
    for (const engine of ['posixaio', 'threads']) {
      const other = await bench([...options, `--ioengine=${engine}`], { cwd: place, before: [launcher] });
      expect([engine, other.status]).toEqual([engine, 0]);
      const [job] = (JSON.parse(other.stdout) as { jobs: [FioJob] }).jobs;
      expect(job.read.total_ios + job.write.total_ios).toBe(256);
    }
    expect(readdirSync(place)).toEqual([]);
  });
});

describe('jobs', () => {
  it('run side by side, one group after the other, and report together where they should', async () => {
    const file = join(place, 'job.fio');
    writeFileSync(
      file,
      '[global]\nioengine=sync\nsize=256k\nbs=4k\n[a]\nrw=write\nnumjobs=2\ngroup_reporting\n[b]\nrw=read\nstonewall\nloops=3\n',
    );
    const { status, jobs } = await run(file);
    expect(status).toBe(0);
    expect(jobs.map(({ jobname, groupid }) => [jobname, groupid])).toEqual([
      ['a', 0],
      ['b', 1],
    ]);
    expect(jobs[0]?.write.total_ios).toBe(128);
    expect(jobs[1]?.read.total_ios).toBe(192);
    expect(readdirSync(place)).toEqual(['job.fio']);
  });

  it('end by their time, behind a ramp, and by a count', async () => {
    const timed = await run('--name=x', '--ioengine=null', '--size=1m', '--time_based', '--runtime=300ms', '--ramp_time=100ms');
    expect(timed.status).toBe(0);
    expect(timed.jobs[0]?.read.total_ios).toBeGreaterThan(256);
    const counted = await run('--name=x', '--ioengine=null', '--size=1m', '--number_ios=10');
    expect(counted.jobs[0]?.read.total_ios).toBe(10);
  });

  it('begin to measure behind the bytes of a ramp', async () => {
    const options = ['--rate_iops=1000', '--number_ios=300', '--size=4m', '--ramp_size=400k'];
    const { status, jobs } = await run('--name=x', '--ioengine=null', ...options);
    expect(status).toBe(0);
    expect(jobs[0]?.read.total_ios).toBeGreaterThan(0);
    expect(jobs[0]?.read.total_ios).toBeLessThanOrEqual(200);
  });

  it('fail where they are slower than they may be', async () => {
    const options = ['--name=x', '--ioengine=null', '--size=4m', '--rate_iops=1000', '--number_ios=400', '--rate_cycle=150'];
    expect(await run(...options, '--rate_iops_min=1', '--rate_min=4k')).toMatchObject({ status: 0, stderr: '' });
    const slow = await run(...options, '--rate_iops_min=100k');
    expect([slow.status, slow.jobs[0]?.error]).toEqual([1, 5]);
    expect(slow.stderr).toMatch(/^biodone-bench: job 'x': \d+ reads a second are less than rate_iops_min=102400\n$/);
    const { stderr } = await run(...options, '--rate_min=1g');
    expect(stderr).toMatch(/reads of \d+ bytes a second are less than rate_min=1073741824\n$/);
  });

  it('flush at their end, if they are told to', async () => {
    for (const option of ['--end_fsync=1', '--fsync_on_close=1']) {
      const { status, jobs } = await run('--name=x', '--ioengine=sync', '--rw=write', '--size=64k', option);
      expect([status, jobs[0]?.sync.total_ios]).toEqual([0, 1]);
    }
  });

  it('have a steady state that ends them', async () => {
    const options = ['--ss=iops:100%', '--ss_dur=200ms', '--ss_interval=100ms', '--time_based', '--runtime=30'];
    const { status, jobs } = await run('--name=x', '--ioengine=null', '--size=1m', '--rate_iops=1000', ...options);
    expect(status).toBe(0);
    expect(jobs[0]?.steadystate?.attained).toBe(1);
    const byLatency = await run('--name=x', '--ioengine=null', '--size=1m', ...options, '--ss=lat:100%');
    expect([byLatency.status, byLatency.jobs[0]?.steadystate?.attained]).toEqual([0, 1]);
  });

  it('do as much as fio does', async (context) => {
    if (spawnSync('fio', ['--version']).status !== 0) context.skip('fio is not here to compare with');
    writeFileSync(join(place, FILE), Buffer.alloc(2 ** 21, 1));
    const job = ['--name=x', `--filename=${FILE}`, '--output-format=json', '--bs=4k'];
    const amounts = async (options: string): Promise<unknown[]> => {
      const args = [...job, ...options.split(' ')];
      const fio = spawnSync('fio', [...args, '--ioengine=psync'], { cwd: place, encoding: 'utf8' });
      const ours = await run(...args, '--ioengine=sync', `--destructive=${FILE}`);
      expect([ours.status, ours.stderr]).toEqual([0, '']);
      const theirs = JSON.parse(fio.stdout.slice(fio.stdout.indexOf('{'))) as { jobs: FioJob[] };
      return [theirs.jobs, ours.jobs].map((jobs) =>
        jobs.map(({ read, write }) => [read.total_ios, read.io_bytes, write.total_ios]),
      );
    };
    for (const options of [
      '--rw=randread --size=1m --loops=3',
      '--rw=randread --size=1m --number_ios=100 --loops=2',
      '--rw=randread --size=1m --number_ios=1000',
      '--rw=randread --filesize=1m',
      '--rw=read --size=50%',
      '--rw=read:4k --size=1m',
      '--rw=read:12k --size=1000k',
      '--rw=randread --size=256k --numjobs=2 --offset_increment=256k',
      '--rw=write --size=256k --verify=crc32c',
    ]) {
      const [theirs, ours] = await amounts(options);
      expect([options, ours]).toEqual([options, theirs]);
    }
  });

  it('keep their file if they are told to', async () => {
    expect(await run('--name=x', '--rw=write', '--size=64k', '--unlink=0', '--ioengine=sync')).toMatchObject({ status: 0 });
    expect(readdirSync(place)).toEqual(['x.0.0']);
    expect(statSync(join(place, 'x.0.0')).size).toBe(65_536);
  });

  it('are only read, or shown, if that is asked for', async () => {
    const options = ['--name=x', '--rw=write', '--size=64k'];
    expect(await bench(['run', '--parse-only', ...options], { cwd: place })).toMatchObject({ status: 0, stdout: '', stderr: '' });
    const shown = await bench(['run', '--showcmd', ...options], { cwd: place });
    expect(shown).toMatchObject({ status: 0, stdout: 'biodone-bench run --name=x --rw=write --size=64k\n' });
    expect(readdirSync(place)).toEqual([]);
  });
});

describe('verify', () => {
  const write = ['--name=w', '--rw=randwrite', '--size=256k', '--bs=4k', `--filename=${FILE}`, '--ioengine=sync'];
  const read = ['--name=w', '--rw=randread', '--size=256k', '--bs=4k', `--filename=${FILE}`, '--ioengine=sync'];

  it.for([
    ['--verify=crc32c'],
    ['--verify=md5', '--verify_interval=1k'],
    ['--verify=xxhash', '--verify_backlog=8'],
    ['--verify=crc32'],
    ['--verify=crc64'],
    ['--verify=sha1'],
    ['--verify=sha256'],
    ['--verify=sha512', '--verify_interval=512'],
    ['--verify=sha3-512'],
    ['--verify=pattern', '--verify_pattern=0xabcd%o'],
    ['--verify=crc32c', '--verify_policy=fsynced', '--fdatasync=8', '--verify_backlog=4'],
  ])('%j finds all blocks good, and a flipped bit bad', async (verify) => {
    const good = await run(...write, ...verify, '--unlink=0');
    expect({ status: good.status, stderr: good.stderr }).toEqual({ status: 0, stderr: '' });
    expect(good.jobs[0]?.write.total_ios).toBe(64);
    expect(good.jobs[0]?.read.total_ios).toBeGreaterThan(0);
    expect(await run(...read, ...verify)).toMatchObject({ status: 0 });

    const [at] = corrupt(join(place, FILE), 3 * 4096 + 2000);
    const bad = await run(...read, ...verify);
    expect(bad.status).toBe(1);
    expect(bad.jobs[0]?.error).toBe(84);
    expect(bad.stderr).toContain('verify: bad block of');
    expect(bad.stderr).toContain(`first difference at offset ${at}`);
  });

  it('finds a lost write by its generation, with the state of the run that wrote', async () => {
    const options = ['--verify=crc32c', '--unlink=0', '--verify_state_save=1'];
    expect(await run(...write, ...options)).toMatchObject({ status: 0 });
    const old = readFileSync(join(place, FILE)).subarray(4096, 8192);
    // The second run writes every block again, as the next generation.
    const again = await run(...write, ...options, '--verify_state_load=1', `--destructive=${FILE}`);
    expect({ status: again.status, stderr: again.stderr }).toEqual({ status: 0, stderr: '' });
    expect(await run(...read, '--verify=crc32c', '--verify_state_load=1')).toMatchObject({ status: 0 });
    const fd = openSync(join(place, FILE), 'r+');
    writeSync(fd, old, 0, 4096, 4096);
    const bad = await run(...read, '--verify=crc32c', '--verify_state_load=1');
    expect(bad.status).toBe(1);
    expect(bad.stderr).toContain('bad block of 4096 bytes at offset 4096: the block has generation 1, not 2: a write was lost');
  });

  it('finds a write that went to the wrong place', async () => {
    expect(await run(...write, '--verify=crc32c', '--unlink=0')).toMatchObject({ status: 0 });
    const fd = openSync(join(place, FILE), 'r+');
    writeSync(fd, readFileSync(join(place, FILE)).subarray(0, 4096), 0, 4096, 8192);
    const bad = await run(...read, '--verify=crc32c');
    expect(bad.status).toBe(1);
    expect(bad.stderr).toContain('at offset 8192: the header is of the block at 0: a write went to the wrong place');
  });

  it('makes the same blocks again without writing them', async () => {
    expect(await run(...write, '--verify=md5', '--unlink=0')).toMatchObject({ status: 0 });
    const only = await run(...write, '--verify=md5', '--verify_only=1');
    expect({ status: only.status, stderr: only.stderr, writes: only.jobs[0]?.write.total_ios }).toEqual({
      status: 0,
      stderr: '',
      writes: 0,
    });
    expect(only.jobs[0]?.read.io_bytes).toBe(256 * 1024);
  });

  it('checks everything behind a job that its time has ended', async () => {
    const options = ['--verify=crc32c', '--time_based', '--runtime=200ms'];
    const { status, stderr, jobs } = await run(...write, ...options);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(jobs[0]?.write.total_ios).toBeGreaterThan(0);
    expect(jobs[0]?.read.io_bytes).toBe(256 * 1024);
  });

  it('wants a state that it can read', async () => {
    writeFileSync(join(place, FILE), new Uint8Array(256 * 1024));
    await expectRefused(
      [...read, '--verify=crc32c', '--verify_state_load=1'],
      'verify_state_load',
      'cannot be read (ENOENT)',
      'verify_state_save=1',
    );
    writeFileSync(join(place, 'w-0-verify.state'), 'precious');
    await expectRefused([...read, '--verify=crc32c', '--verify_state_load=1'], 'is no state of an earlier run');
    await expectRefused([...read, '--verify=crc32c', '--verify_state_save=1'], 'is no verify state, and would be overwritten');
  });
});

/** Flips a bit. Returns the offset of the byte. */
function corrupt(file: string, at: number): [number] {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  return [at];
}

describe('what is not this program’s', () => {
  it('is read, but not written without being named twice', async () => {
    const file = join(place, FILE);
    writeFileSync(file, Buffer.alloc(65_536, 7));
    const options = ['--name=x', `--filename=${FILE}`, '--ioengine=sync'];
    expect(await run(...options, '--rw=read')).toMatchObject({ status: 0 });
    await expectRefused([...options, '--rw=write'], file, 'would be overwritten', '--destructive');
    await expectRefused([...options, '--rw=write', '--destructive=other'], 'would be overwritten');
    await expectRefused(
      ['--name=x', '--rw=write', '--ioengine=sync', `--device=slice(file:${file}, offset=0, length=4k)`],
      'would be overwritten',
    );
    expect(readFileSync(file).every((byte) => byte === 7)).toBe(true);
    expect(await run(...options, '--rw=write', `--destructive=${file}`)).toMatchObject({ status: 0 });
    expect(readFileSync(file).every((byte) => byte === 7)).toBe(false);
    expect(statSync(file).size).toBe(65_536);
  });

  it('is not made a component of something new, whatever the job does', async () => {
    const [one, two] = [join(place, 'one'), join(place, 'two')];
    for (const file of [one, two]) writeFileSync(file, Buffer.alloc(2 ** 20, 7));
    const job = ['--name=x', '--ioengine=sync', '--size=64k'];
    const stacks = [`mirror(${one}, ${two}, create=1)`, `raid(1, ${one}, ${two}, create=1)`, `checksum(slice(${one}), create=1)`];
    for (const stack of stacks) {
      await expectRefused([...job, '--rw=read', `--device=${stack}`], 'would be overwritten', '--destructive');
      const named = [`--destructive=${one}`, `--destructive=${two}`];
      await expectRefused([...job, '--rw=read', `--device=${stack}`, '--readonly', ...named], '--readonly forbids it');
      // The job before could be done, and made its stack.
      await expectRefused([...job, '--rw=read', '--device=mem:1m', '--name=y', '--rw=read', `--device=${stack}`], 'overwritten');
    }
    await expectRefused([...job, '--rw=read', `--device=${place}/new?create=1&size=1m`, '--readonly'], '--readonly forbids it');
    for (const file of [one, two]) expect(readFileSync(file).every((byte) => byte === 7)).toBe(true);
    expect(existsSync(join(place, 'new'))).toBe(false);
  });

  it('is made a component once, where that is said, for all jobs', async () => {
    const [one, two] = [join(place, 'one'), join(place, 'two')];
    for (const file of [one, two]) writeFileSync(file, Buffer.alloc(2 ** 20, 7));
    const options = ['--ioengine=sync', '--size=64k', `--device=raid(1, ${one}, ${two}, create=1)`];
    const named = [`--destructive=${one}`, `--destructive=${two}`];
    const jobs = ['--name=x', '--rw=write', '--verify=crc32c', '--name=y', '--stonewall', '--rw=read'];
    expect(await run(...options, ...jobs, ...named)).toMatchObject({ status: 0 });
    expect(await run('--name=x', '--rw=read', '--size=64k', `--device=raid(${one}, ${two})`)).toMatchObject({ status: 0 });
  });

  it('is not written through a stack that opens it for reading', async () => {
    const file = join(place, FILE);
    writeFileSync(file, Buffer.alloc(2 ** 20, 7));
    const job = ['--name=x', '--ioengine=sync', '--size=64k', '--rw=write', `--device=cow(${file}?readonly=1)`];
    expect(await run(...job)).toMatchObject({ status: 0 });
    expect(readFileSync(file).every((byte) => byte === 7)).toBe(true);
  });

  it('is left as it is by a stack that is only read, though its driver would write: a mirror, whose halves are made alike', async () => {
    const halves = [join(place, 'one'), join(place, 'two')];
    for (const half of halves) writeFileSync(half, Buffer.alloc(2 ** 22, half.endsWith('one') ? 1 : 2));
    await (await openDevice(`mirror(${halves.join(', ')}, create=true)`)).close();
    const before = halves.map((half) => readFileSync(half));
    const job = ['--name=x', '--size=64k', `--device=mirror(${halves.join(', ')})`];
    const isSame = (): boolean => halves.every((half, index) => readFileSync(half).equals(before[index] as Buffer));
    for (const options of [[], ['--readonly', `--destructive=${halves[0]}`, `--destructive=${halves[1]}`]]) {
      expect(await run(...job, '--rw=read', ...options)).toMatchObject({ status: 0, stderr: '' });
      expect(isSame()).toBe(true);
    }
    const named = halves.map((half) => `--destructive=${half}`);
    expect(await run(...job, '--rw=write', ...named)).toMatchObject({ status: 0, stderr: '' });
    expect(isSame()).toBe(false);
  });

  describe('such as a device', () => {
    let device = '';
    let image = '';

    beforeEach((context) => {
      image = join(place, 'image');
      writeFileSync(image, Buffer.alloc(2 ** 22, 7));
      const made = spawnSync('losetup', ['--find', '--show', image], { encoding: 'utf8' });
      if (made.status !== 0) context.skip(`no loop device can be made here: ${made.error?.message ?? made.stderr}`);
      device = made.stdout.trim();
    });

    afterEach(() => {
      if (device !== '') spawnSync('losetup', ['--detach', device]);
      device = '';
    });

    const isUntouched = (): boolean => readFileSync(image).every((byte) => byte === 7);

    it('is refused by all of its names, and with another one repeated', async () => {
      const link = join(place, 'link');
      symlinkSync(device, link);
      const job = ['--name=x', '--size=64k', '--ioengine=sync'];
      for (const rw of ['--rw=write', '--rw=randrw', '--rw=trim', '--rw=randtrimwrite']) {
        for (const name of [`--filename=${device}`, `--filename=${link}`, `--device=file:${device}`]) {
          if (rw.includes('trim') && name.startsWith('--device')) continue;
          await expectRefused([...job, rw, name], 'is a device, and its contents would be overwritten', '--destructive');
        }
      }
      const striped = `--device=stripe(64k, mem:1m, slice(file:${device}, offset=0, length=1m))`;
      await expectRefused([...job, '--rw=write', striped], 'is a device', '--destructive');
      await expectRefused([...job, '--rw=write', `--filename=${device}`, `--destructive=${image}`], 'is a device');
      await expectRefused([...job, '--rw=write', `--filename=${device}`, '--readonly', `--destructive=${device}`], '--readonly');
      expect(isUntouched()).toBe(true);
    });

    it('is read, and written where its path is repeated, but not behind its end', async () => {
      const job = ['--name=x', `--filename=${device}`, '--ioengine=sync', '--bs=64k'];
      const read = await run(...job, '--rw=read', '--size=1m', '--readonly');
      expect([read.status, read.stderr, read.jobs[0]?.read.io_bytes]).toEqual([0, '', 2 ** 20]);
      await expectRefused([...job, '--rw=write', '--size=5m', `--destructive=${device}`], 'its target ends at 4194304');
      expect(isUntouched()).toBe(true);
      const written = await run(...job, '--rw=write', `--destructive=${device}`, '--end_fsync=1', '--verify=crc32c');
      expect([written.status, written.stderr, written.jobs[0]?.write.io_bytes]).toEqual([0, '', 2 ** 22]);
      expect(existsSync(device)).toBe(true);
      expect(isUntouched()).toBe(false);
    });

    it('that is mounted is refused with the place where it is', async (context) => {
      const folder = join(place, 'mounted');
      mkdirSync(folder);
      const made = spawnSync('mkfs.ext4', ['-q', '-F', device], { encoding: 'utf8' });
      if (made.status !== 0 || spawnSync('mount', [device, folder]).status !== 0)
        context.skip('no file system can be made and mounted here');
      try {
        await expectRefused(
          ['--name=x', '--rw=write', '--size=64k', `--filename=${device}`, '--ioengine=sync'],
          `is a device that is mounted at '${folder}'`,
        );
      } finally {
        spawnSync('umount', [folder]);
      }
    });
  });

  it('such as what a link leads to, or would, stays as it is', async () => {
    const file = join(place, FILE);
    writeFileSync(file, 'precious');
    symlinkSync(file, join(place, 'link'));
    symlinkSync(join(place, 'nowhere'), join(place, 'dangling'));
    for (const name of ['link', 'dangling'])
      await expectRefused(['--name=x', '--rw=write', '--size=4k', `--filename=${name}`, '--ioengine=sync'], name);
    expect(readFileSync(file, 'utf8')).toBe('precious');
    expect(existsSync(join(place, 'nowhere'))).toBe(false);
  });

  it('is not read over its end, and no folder or character device is a target', async () => {
    writeFileSync(join(place, FILE), new Uint8Array(4096));
    await expectRefused(['--name=x', `--filename=${FILE}`, '--size=8k'], 'its target ends at 4096');
    await expectRefused(['--name=x', '--filename=.'], 'neither a file nor a block device');
    await expectRefused(['--name=x', '--filename=/dev/null', '--size=4k'], 'neither a file nor a block device');
  });
});

describe('bad input', () => {
  it.each<[string, string[], string[]]>([
    ['an unknown option', ['--name=x', '--size=1m', '--iodepht=2'], ['unknown option --iodepht: did you mean --iodepth?']],
    [
      'an option of fio that is not here',
      ['--name=x', '--size=1m', '--read_iolog=trace'],
      ['--read_iolog is an option of fio, but biodone-bench does not have it'],
    ],
    ['a job without a name', ['--name=', '--size=1m'], ['--name is empty']],
    ['another version of terse', ['--name=x', '--size=1m', '--terse-version=5'], ['--terse-version', 'give 3']],
    [
      'more memory than there is',
      ['--name=x', '--size=2g', '--bs=1g', '--iodepth=65536', '--ioengine=null'],
      ['--iodepth: the buffers take 64 TiB of memory', 'smaller'],
    ],
    ['no size', ['--name=x', '--rw=write'], ['needs size=']],
    ['no room', ['--name=x', '--size=8000t'], ['no room', 'smaller size=']],
    ['a block that does not fit', ['--name=x', '--size=4k', '--bs=8k'], ['does not fit']],
    ['a missing folder', ['--name=x', '--size=4k', '--directory=missing'], ['missing', 'ENOENT', 'directory=']],
    [
      'a stack that is none',
      ['--name=x', '--size=4k', '--device=stirpe(4k, mem:1m)'],
      ['--device: device=stirpe', 'at character 1, expected a driver', 'did you mean "stripe"?'],
    ],
    ['a stack without its key', ['--name=x', '--size=4k', '--device=crypt(mem:1m)'], ['cannot be opened', 'keyFile']],
    [
      'blocks that the stack does not have',
      ['--name=x', '--size=4k', '--bs=512', '--device=mem:1m?blocksize=4k'],
      ['has blocks of 4096 bytes: make bs= a multiple of that'],
    ],
    ['writes to what is for reading', ['--name=x', '--size=4k', '--rw=write', '--device=mem:1m?readonly=1'], ['is for reading']],
    ['trims that the stack does not have', ['--name=x', '--size=4k', '--rw=trim', '--device=cow(mem:1m)'], ['has no trims']],
    ['a stack for an engine of Node', ['--name=x', '--size=4k', '--device=mem:1m', '--ioengine=fs'], ['needs ioengine=uring']],
    [
      'such a stack, with a file for the report',
      ['--name=x', '--size=4k', '--device=mem:1m', '--ioengine=fs', '--output=report'],
      ['needs ioengine=uring'],
    ],
    ['writes where nothing may be written', ['--readonly', '--name=x', '--size=4k', '--rw=write'], ['--readonly forbids it']],
    ['a file to be made where nothing may be', ['--readonly', '--name=x', '--size=4k'], ['does not exist', '--readonly']],
    ['blocks that O_DIRECT cannot have', ['--name=x', '--size=4k', '--bs=100', '--direct=1'], ['whole sectors']],
    ['a verification without data', ['--name=x', '--size=4k', '--verify=crc32c', '--rw=read'], ['does not exist', 'earlier run']],
    [
      'a verification of nothing',
      ['--name=x', '--size=4k', '--verify=crc32c', '--rw=write', '--ioengine=null'],
      ['keeps no data'],
    ],
    ['a latency without a window', ['--name=x', '--size=4k', '--latency_target=1ms'], ['latency_window=']],
    ['a window without a latency', ['--name=x', '--size=4k', '--latency_window=1s'], ['latency_target=']],
    [
      'more at a time than there are',
      ['--name=x', '--size=4k', '--iodepth=8', '--iodepth_batch_complete_max=9'],
      ['iodepth_batch_complete_max=9', 'more than iodepth=8'],
    ],
    ['zones that are not all', ['--name=x', '--size=4k', '--random_distribution=zoned_abs:50/4k'], ['add up to 50']],
    ['a spin without a thought', ['--name=x', '--size=4k', '--thinktime_spin=1ms'], ['thinktime=']],
    ['a report that exists', ['--name=x', '--size=4k', '--output=.'], ["'.'"]],
  ])('is refused: %s', async (_, args, words) => {
    await expectRefused(args, ...words);
  });
});

it('a file that may not be read is refused by its name', async (context) => {
  const nobody = 65_534;
  if (process.getuid?.() !== 0) context.skip('only root can become somebody else');
  if (spawnSync(process.execPath, [PROGRAM, '--version'], { uid: nobody }).status !== 0) {
    context.skip('another user than root cannot reach this Node or these files');
  }
  chmodSync(folder, 0o755);
  writeFileSync(join(place, FILE), new Uint8Array(4096), { mode: 0o600 });
  const outcome = await bench(['run', '--name=x', `--filename=${FILE}`, '--ioengine=fs-sync'], { cwd: place, uid: nobody });
  expect(outcome).toMatchObject({ status: 2, stdout: '' });
  expect(outcome.stderr).toMatch(/^biodone-bench: [^\n]*'x'[^\n]*EACCES[^\n]*data[^\n]*\n$/);
});

describe('what goes wrong meanwhile', () => {
  it('a file that becomes too short ends the job, and the report says so', async () => {
    const file = join(place, FILE);
    writeFileSync(file, new Uint8Array(2 ** 20));
    const options = [
      '--name=x',
      `--filename=${FILE}`,
      '--ioengine=sync',
      '--time_based',
      '--runtime=30',
      '--status-interval=100ms',
    ];
    const outcome = await bench(['run', ...options], { cwd: place, onFirstLine: () => truncateSync(file, 0) });
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toMatch(/^biodone-bench: job 'x': read of 4096 bytes at \d+ (moved only 0|failed with EINVAL)\n$/);
    expect(outcome.stdout).toContain('err=');
  });

  it('a full disk is told, and the files removed', async (context) => {
    onSmallFileSystem(context);
    // Somebody else fills what was free when this run was let in: slow enough to be overtaken.
    const filler = join(place, 'filler');
    const job = ['--rw=write', '--size=1500k', '--rate=32k', '--unlink=0', '--ioengine=sync', '--bs=4k'];
    const outcome = await bench(['run', '--name=a', ...job, '--output-format=json', '--status-interval=200ms'], {
      cwd: place,
      onFirstLine: () => fillUp(filler),
    });
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("job 'a': write of 4096 bytes at");
    expect(outcome.stderr).toContain('failed with ENOSPC');
    expect(outcome.stdout).toContain('"error": 28');
    expect(readdirSync(place)).toEqual(['filler']);
  });

  it.for(['posixaio', 'fs', 'fs-promises', 'fs-sync', 'uring'])(
    'a disk that has room for a part of a block is told to be full, and the files removed: %s',
    async (engine, context) => {
      onSmallFileSystem(context);
      if (engine === 'uring' && !probe().available) context.skip('io_uring is not to be had here');
      const filler = join(place, 'filler');
      const job = ['--rw=write', '--size=1500k', '--rate=64k', '--unlink=0', `--ioengine=${engine}`, '--bs=16k'];
      const outcome = await bench(['run', '--name=a', ...job, '--output-format=json', '--status-interval=200ms'], {
        cwd: place,
        onFirstLine: () => {
          fillUp(filler);
          truncateSync(filler, statSync(filler).size - 4096);
        },
      });
      expect(outcome.status).toBe(1);
      expect(outcome.stderr).toMatch(/job 'a': write of 16384 bytes at \d+ .*failed with ENOSPC/);
      expect(outcome.stdout).toContain('"error": 28');
      expect(readdirSync(place)).toEqual(['filler']);
    },
  );

  it('a report that has no room in its file is on standard output, and half of it nowhere', async (context) => {
    onSmallFileSystem(context);
    fillUp(join(place, 'filler'));
    // A page for the beginning.
    truncateSync(join(place, 'filler'), statSync(join(place, 'filler')).size - 8192);
    const job = ['--name=x', '--ioengine=null', '--size=1m', '--output-format=json+'];
    const outcome = await bench(['run', ...job, '--output=report'], { cwd: place });
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toBe("biodone-bench: the report cannot be written to 'report' (ENOSPC): it is on standard output\n");
    expect(JSON.parse(outcome.stdout).jobs).toHaveLength(1);
    expect(readdirSync(place)).toEqual(['filler']);
  });

  it('logs and verify state that have no room are told, the report is complete, and half of them nowhere', async (context) => {
    onSmallFileSystem(context);
    const target = join(folder, `${places}-target`);
    fillUp(join(place, 'filler'));
    const job = ['--name=x', `--filename=${target}`, '--ioengine=sync', '--rw=write', '--size=1m'];
    const logs = ['--write_iops_log', '--log_avg_msec=10'];
    const outcome = await run(...job, '--verify=crc32c', '--verify_state_save=1', ...logs);
    expect(outcome.status).toBe(1);
    expect(outcome.stderr.split('\n')).toEqual([
      `biodone-bench: job 'x': the verify state cannot be written to '${join(place, 'x-0-verify.state')}' (ENOSPC)`,
      `biodone-bench: the log '${join(place, 'x_iops.1.log')}' cannot be written (ENOSPC)`,
      '',
    ]);
    expect(outcome.jobs[0]?.write.total_ios).toBe(256);
    expect(readdirSync(place)).toEqual(['filler']);
  });

  it.for<[string, string[], string]>([
    ['two jobs', ['--name=a', '--size=1500k', '--name=b', '--size=1500k'], 'a.0.0'],
    ['two jobs, one after the other', ['--name=a', '--size=1500k', '--name=b', '--stonewall', '--size=1500k'], 'a.0.0'],
    ['copies of a job', ['--name=a', '--numjobs=2', '--size=1500k'], 'a.0.0'],
    [
      'jobs in two folders',
      ['--name=a', '--directory=one', '--size=1500k', '--name=b', '--directory=two', '--size=1500k'],
      'one/a.0.0',
    ],
  ])('the room of all files is added up before one is made: of %s', async ([, jobs, first], context) => {
    onSmallFileSystem(context);
    for (const name of ['one', 'two']) mkdirSync(join(place, name));
    const what = `no room for 2 files of 2.9 MiB together, the first of them '${join(place, first)}', 2 MiB are free`;
    await expectRefused(['--rw=write', '--ioengine=sync', '--output=report', ...jobs], what, 'smaller size=');
    for (const name of ['one', 'two']) expect(readdirSync(join(place, name))).toEqual([]);
  });

  it('files that have room are made, each on its file system', async (context) => {
    onSmallFileSystem(context);
    const elsewhere = join(folder, `${places}-elsewhere`);
    mkdirSync(elsewhere);
    const jobs = ['--name=a', '--size=1500k', '--name=b', `--directory=${elsewhere}`, '--size=1500k'];
    const outcome = await run('--rw=write', '--ioengine=sync', ...jobs);
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    // One file, however many jobs share it.
    const shared = ['--filename=shared', '--size=1500k', '--offset_increment=0'];
    expect(await run('--rw=write', '--ioengine=sync', '--name=a', ...shared, '--name=b', ...shared)).toMatchObject({ status: 0 });
    expect([readdirSync(place), readdirSync(elsewhere)]).toEqual([[], []]);
  });

  it('a device that hangs ends the run with a report, and files are removed', async () => {
    // A byte a second: the second block comes in twelve days. Nobody can end a thread that waits for the kernel.
    const hanging = ['--name=h', '--device=throttle(mem:4m, bytesPerSecond=1)', '--rw=read', '--bs=1m', '--ioengine=uring'];
    const other = ['--name=o', '--rw=write', '--size=1m', '--time_based', '--runtime=40', '--ioengine=sync'];
    const outcome = await run(...other, ...hanging, '--stall-timeout=2s');
    expect(outcome.stderr).toContain("job 'h': no I/O has completed for 2 s: the device hangs");
    expect([outcome.status, outcome.signal]).toEqual([null, 'SIGKILL']);
    expect(outcome.jobs.map(({ jobname, error }) => [jobname, error])).toEqual([
      ['o', 0],
      ['h', 110],
    ]);
    expect(readdirSync(place)).toEqual([]);
  });

  it.for<[string, string[], RegExp, RegExp]>([
    ['files are made', ['--size=2g'], /writing x\.0\.0 · \d+ %/, /^interrupted before the first job began$/m],
    ['a job waits for its time', ['--size=1m', '--startdelay=1000'], /starting/, /^x: \(groupid=0, .*\(interrupted\)$/m],
    [
      'an I/O of the event loop is due in an hour',
      ['--size=1m', '--rate=1', '--ioengine=fs-promises'],
      /jobs: 1/,
      /^x: \(groupid=0, .*\(interrupted\)$/m,
    ],
  ])('Ctrl-C ends it while %s, as the line of progress says', async ([, options, progress, report], context) => {
    if (statfsSync(place).bavail * statfsSync(place).bsize < 2 ** 32) context.skip('there is no room for a large file');
    let isAsked = false;
    const outcome = await bench(['run', '--name=x', '--rw=read', '--ioengine=sync', '--eta=always', ...options], {
      cwd: place,
      onError: (text, child) => {
        if (isAsked || !progress.test(text)) return;
        isAsked = true;
        child.kill('SIGINT');
      },
    });
    expect(outcome.status).toBe(130);
    expect(outcome.stdout).toMatch(report);
    expect(readdirSync(place)).toEqual([]);
  });

  it('standard output that has no room is told in a line', (context) => {
    if (!existsSync('/dev/full')) context.skip('there is no /dev/full here');
    const full = openSync('/dev/full', 'w');
    const job = ['run', '--name=x', '--rw=write', '--size=64k', '--ioengine=sync'];
    const { status, stderr } = spawnSync(process.execPath, [PROGRAM, ...job], {
      cwd: place,
      encoding: 'utf8',
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    expect(stderr).toBe('biodone-bench: standard output cannot be written (ENOSPC): what was printed is not complete\n');
    expect(status).toBe(1);
    expect(readdirSync(place)).toEqual([]);
  });

  it.each([
    ['once', ['SIGINT']],
    ['several times at once, as from timeout(1)', ['SIGINT', 'SIGINT', 'SIGINT']],
  ] as const)('Ctrl-C, %s, gives a report of what was measured so far', async (_, signals) => {
    const options = ['--name=x', '--ioengine=null', '--size=1m', '--time_based', '--runtime=60', '--status-interval=200ms'];
    const outcome = await bench(['run', ...options], {
      cwd: place,
      onFirstLine: (_line, child) => {
        for (const signal of signals) child.kill(signal);
      },
    });
    expect(outcome).toMatchObject({ status: 130, stderr: '' });
    expect(outcome.stdout.match(/x: \(groupid=0/g)?.length).toBeGreaterThan(1);
    expect(readdirSync(place)).toEqual([]);
  });
});
