import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aio_cancel, aio_error, aio_read, EINPROGRESS } from '@biodone/posix-aio';
import { probe } from '@biodone/uring';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { Pipe } from './support/pipe.js';
import { pathOf, run, runScript } from './support/run-child.js';

vi.setConfig({ testTimeout: 60_000 });
const folder = mkdtempSync(join(tmpdir(), 'biodone-process-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { available, reason } = probe();
if (!available) console.warn(`the end of a process is not tested by io_uring: ${reason}`);
const traced = spawnSync('strace', ['-e', 'trace=none', 'true'], { encoding: 'utf8' });
const untraceable = traced.error?.message ?? (traced.status === 0 ? null : traced.stderr.trim());
if (untraceable !== null) console.warn(`signals and the lack of io_uring are not tested: ${untraceable}`);

describe.each(available ? ['uring', 'threads'] : ['threads'])('the end of a process, by %s', (engine) => {
  test('H3: process.exit() ends at once, what was done stays, and nobody is told', async () => {
    const file = join(folder, `exit-${engine}`);
    writeFileSync(file, '-'.repeat(9));
    const ended = await runScript('exit-in-progress.mjs', engine, 'exit', file);
    expect(ended).toMatchObject({ status: 7, stdout: `exiting 0 ${EINPROGRESS}\n`, stderr: '' });
    expect(readFileSync(file, 'utf8')).toBe('written--');
  });

  test.each(['write', 'append'])(
    'H3: each %s that is in progress at the exit is done whole or not at all, in order if it is an append',
    async (how) => {
      const [file, count] = [join(folder, `at-once-${how}-${engine}`), 16];
      writeFileSync(file, '');
      const ended = await runScript('exit-at-once.mjs', engine, file, String(count), how);
      expect(ended).toMatchObject({ status: 7, stdout: '', stderr: '' });
      const written = readFileSync(file);
      expect(written.length % 4096).toBe(0);
      expect(written.length).toBeLessThanOrEqual(count * 4096);
      for (let at = 0; at < written.length; at += 4096) {
        const first = written[at] as number;
        expect(first === 97 + at / 4096 || (how === 'write' && first === 0)).toBe(true);
        expect(written.subarray(at, at + 4096).every((byte) => byte === first)).toBe(true);
      }
    },
  );
});

test.each(available ? ['uring', 'threads'] : ['threads'])(
  'E6: a profiler’s SIGPROF does not end aio_suspend, a signal of the program’s own does, by %s',
  async (engine) => {
    const profiler = ['--cpu-prof', '--cpu-prof-interval', '500', `--cpu-prof-dir=${folder}`];
    for (const options of [[], profiler]) {
      const ended = await run(process.execPath, [...options, pathOf('suspend-profiled.mjs'), engine]);
      expect(ended).toMatchObject({ status: 0, stdout: 'EAGAIN EAGAIN EAGAIN EAGAIN EAGAIN EINTR 0\n', stderr: '' });
    }
  },
);

test.each([...(available ? ['raw uring', 'file'] : []), 'raw threads'])(
  'a terminal that others read too, who take what poll(2) has said is there, blocks nobody: %s',
  async (how) => {
    const ended = await runScript('terminal-thieves.mjs', ...how.split(' '));
    expect(ended).toMatchObject({ status: 0, stdout: 'not blocked\n', stderr: '' });
  },
);

test('B9: what must wait and has no descriptor left to hold its file by is EAGAIN', async () => {
  const { stdout, stderr } = await run('sh', [
    '-c',
    `ulimit -n 100; exec '${process.execPath}' '${pathOf('out-of-descriptors.mjs')}'`,
  ]);
  expect({ stdout, stderr }).toEqual({ stdout: 'EMFILE\nEAGAIN aio_read\nEAGAIN aio_fsync\n0\n125 125\n', stderr: '' });
});

test('H2: a child process has neither the requests nor the files that they hold', async () => {
  const pipe = new Pipe();
  const cb = pipe.readOf(1);
  aio_read(cb);
  expect(aio_error(cb)).toBe(EINPROGRESS);
  // One that waits for its turn holds the file by a descriptor of its own.
  const behind = pipe.readOf(1);
  aio_read(behind);
  const name = readlinkSync(`/proc/self/fd/${pipe.readEnd}`);
  const { stdout } = await runScript('print-inherited.mjs', name);
  expect(stdout).toBe('null false\n');
  expect(aio_error(cb)).toBe(EINPROGRESS);
  expect(aio_cancel(pipe.readEnd)).toBe(0);
  pipe.close();
});

describe.skipIf(untraceable !== null)('seen by strace', () => {
  test('A3: signals are queued with their values and SI_ASYNCIO; a real-time one ends Node, when it is allowed', async () => {
    const calls = join(folder, 'signals');
    const trace = ['-f', '-e', 'trace=rt_sigqueueinfo', '-e', 'signal=SIGUSR2,SIGRT_8', '-o', calls];
    const ended = await run('strace', [...trace, process.execPath, pathOf('send-signals.mjs')]);
    expect(ended).toMatchObject({ stdout: 'signals 2\n', stderr: '' });
    const seen = readFileSync(calls, 'utf8');
    expect(seen).toMatch(/rt_sigqueueinfo\(\d+, SIGUSR2, \{si_signo=SIGUSR2, si_code=SI_ASYNCIO, .*si_int=4711/);
    expect(seen).toMatch(/rt_sigqueueinfo\(\d+, SIGUSR2, \{si_signo=SIGUSR2, si_code=SI_ASYNCIO, .*si_int=-2/);
    expect(seen).toMatch(/--- SIGUSR2 \{si_signo=SIGUSR2, si_code=SI_ASYNCIO, .*si_int=4711/);
    expect(seen).toMatch(/SIGRT_8, \{si_signo=SIGRT_8, si_code=SI_ASYNCIO, .*si_ptr=0x10000000000/);
    expect(seen).toContain('killed by SIGRT_8');
  });

  test('C2: O_SYNC is fsync(2), and O_DSYNC fdatasync(2)', async () => {
    const [file, calls] = [join(folder, 'synchronized'), join(folder, 'synchronizing')];
    writeFileSync(file, 'content');
    const ended = await run('strace', [
      '-f',
      '-qq',
      '-e',
      'trace=fsync,fdatasync',
      '-o',
      calls,
      process.execPath,
      pathOf('synchronize.mjs'),
      file,
    ]);
    expect(ended).toMatchObject({ stdout: '0\n0\n', stderr: '' });
    // Node synchronizes its standard streams when it ends.
    const seen = [...readFileSync(calls, 'utf8').matchAll(/(fsync|fdatasync)\((\d+)/g)].filter(([, , fd]) => Number(fd) > 2);
    expect(seen.map(([, call]) => call)).toEqual(['fsync', 'fdatasync']);
  });

  test('without io_uring: service threads, also on a thread that never returns to its event loop, and one warning', async () => {
    const ended = await runScript('without-io-uring.mjs', pathOf('fallback.mjs'));
    const output = ['uring ENOSYS', '0 1', '0 0', '0 7', '0 7', 'by pipe', 'warning BIODONE_NO_IO_URING', ''];
    expect(ended.stdout).toBe(output.join('\n'));
    expect(ended.status).toBe(0);
    expect(ended.stderr).toContain('POSIX AIO uses service threads');
  });
});
