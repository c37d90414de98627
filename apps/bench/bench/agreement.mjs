// How near `biodone-bench run` is to fio on the same way into the kernel: pairs that did the same job one after the other, with the same options,
// file and random map, O_DIRECT or from a page cache that was read in right before. By fio's defaults, which are `run`'s too, each I/O goes to the
// kernel by itself, and one completion is taken at a time.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { agreementOf } from './agreement-report.mjs';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/**
 * What is compared: fio's engine, then ours, then what explains the difference. A disk's rate can vary by 15 % from one quarter of a second to the
 * next, so its pairs last longer.
 */
const PAIRS = [
  {
    id: 'agree_direct_d1',
    title: 'O_DIRECT, depth 1',
    sides: ['fio:io_uring', 'uring'],
    options: ['--direct=1', '--iodepth=1'],
    times: 3,
  },
  {
    id: 'agree_direct_d32',
    title: 'O_DIRECT, depth 32',
    sides: ['fio:io_uring', 'uring'],
    options: ['--direct=1', '--iodepth=32'],
    times: 3,
  },
  {
    id: 'agree_cached_d1',
    title: 'cached, depth 1',
    sides: ['fio:psync', 'sync', 'fs-sync', 'fio:null', 'null'],
    options: ['--iodepth=1'],
    times: 1,
    isExplained: true,
  },
];

export function measureAgreement({ repeats, runtimeMs, size, directory }) {
  const place = directory === null ? [] : ['--directory', directory];
  return PAIRS.map((pair) => {
    const job = ['--rw=randread', '--bs=4k', `--size=${size}`, `--runtime=${runtimeMs * pair.times}ms`, ...pair.options];
    const args = ['compare', ...pair.sides, ...job, ...place, '--repeats', String(repeats), '--output-format=json'];
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
    if (status === 0) return agreementOf(pair, JSON.parse(stdout).sections[0].sides);
    const { id, title, isExplained = false } = pair;
    const reason = stderr.trim() || `compare ended with ${status}`;
    return { id, title, isExplained, iops: [], p50: [], breakdown: null, reason };
  });
}
