import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { FILE_BYTES } from './test-file.mjs';

const run = promisify(execFile);

/** Why fio cannot be measured beside this package; null if it can. */
export function missingFio() {
  try {
    execFileSync('fio', ['--enghelp=io_uring'], { stdio: 'ignore' });
    return null;
  } catch (error) {
    return error.code === 'ENOENT' ? 'fio is not installed' : 'fio has no ioengine io_uring here';
  }
}

export function fioVersion() {
  return execFileSync('fio', ['--version'], { encoding: 'utf8' }).trim();
}

/**
 * fio's io_uring, written in C, with the work of this package's side and its best batching for it: whatever is free is filled and submitted
 * in one system call, and whatever is there is reaped. Latencies are recorded, as they are by fio's default: from its own clock, which it
 * reads for each read and for each batch of completions. Registered files and buffers only where this package's side has them.
 */
export async function fioIoUring({ path, depth, direct, registered, blockBytes, warmUpMs, lengthMs, seed }) {
  const options = {
    name: 'read',
    filename: path,
    rw: 'randread',
    bs: blockBytes,
    size: FILE_BYTES,
    ioengine: 'io_uring',
    iodepth: depth,
    iodepth_batch_submit: depth,
    iodepth_batch_complete_min: 1,
    iodepth_batch_complete_max: depth,
    direct: direct ? 1 : 0,
    registerfiles: registered ? 1 : 0,
    fixedbufs: registered ? 1 : 0,
    ramp_time: `${warmUpMs}ms`,
    runtime: `${lengthMs}ms`,
    time_based: 1,
    norandommap: 1,
    randseed: seed + 1,
    // fio would throw the file out of the page cache before it begins.
    invalidate: 0,
    thread: 1,
    lat_percentiles: 1,
  };
  const list = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const { stdout } = await run('fio', [...list, '--readonly', '--output-format=json']);
  const { error, read } = JSON.parse(stdout).jobs[0];
  if (error !== 0) throw new Error(`fio failed with error ${error}`);
  const { percentile } = read.lat_ns;
  return { iops: read.iops, p50: percentile['50.000000'] / 1000, p99: percentile['99.000000'] / 1000, cpuUs: null };
}
