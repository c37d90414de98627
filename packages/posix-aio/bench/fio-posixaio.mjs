import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Why glibc's POSIX AIO cannot be measured beside this package; null if it can. */
export function reasonAgainstFio() {
  try {
    // It has no options of its own, which `--enghelp=posixaio` calls a failure.
    const engines = execFileSync('fio', ['--enghelp'], { encoding: 'utf8' });
    return /^\s*posixaio\s*$/m.test(engines) ? null : 'fio has no ioengine posixaio here';
  } catch (error) {
    return error.code === 'ENOENT' ? 'fio is not installed' : `fio does not run: ${error.message}`;
  }
}

export function fioVersion() {
  return execFileSync('fio', ['--version'], { encoding: 'utf8' }).trim();
}

/**
 * glibc's POSIX AIO, in C: fio's ioengine posixaio with the work of this package's side, its clock and its own statistics of latencies, which are
 * left out on this package's side as on fio's.
 */
export async function fioPosixAio({ path, fileBytes, depth, direct = false, blockBytes, warmUpMs, lengthMs, seed }) {
  const options = {
    name: 'posixaio',
    filename: path,
    ioengine: 'posixaio',
    rw: 'randread',
    bs: blockBytes,
    size: fileBytes,
    iodepth: depth,
    direct: direct ? 1 : 0,
    time_based: 1,
    ramp_time: `${warmUpMs}ms`,
    runtime: `${lengthMs}ms`,
    randrepeat: 0,
    randseed: seed + 1,
    norandommap: 1,
    // fio would throw the file out of the page cache before it begins.
    invalidate: 0,
    // Without a clock read for each stage of each I/O.
    gtod_reduce: 1,
  };
  const list = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const { stdout } = await run('fio', [...list, '--readonly', '--output-format=json'], { maxBuffer: 2 ** 24 });
  // fio says on the lines before what it has adapted.
  const report = JSON.parse(stdout.slice(stdout.indexOf('{')));
  const [job] = report.jobs;
  if (job.error !== 0) throw new Error(`fio's job ended with errno ${job.error}`);
  return job.read.iops;
}
