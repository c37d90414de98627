// How near `biodone-bench run` is to fio on the same way into the kernel: pairs that did the same job one after the other.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** What is compared: fio's engine, then ours. */
const PAIRS = [
  { id: 'agree_direct_d1', title: 'O_DIRECT, depth 1', sides: ['fio:io_uring', 'uring'], options: ['--direct=1', '--iodepth=1'] },
  {
    id: 'agree_direct_d32',
    title: 'O_DIRECT, depth 32',
    sides: ['fio:io_uring', 'uring'],
    options: ['--direct=1', '--iodepth=32'],
  },
  { id: 'agree_cached_d1', title: 'cached, depth 1', sides: ['fio:psync', 'sync'], options: ['--iodepth=1'] },
];

/**
 * Measures all pairs.
 *
 * @param {{repeats: number, runtime: string, size: string, directory: string | null}} options
 * @returns {{id: string, title: string, iops: number[], p50: number[], reason: string | null}[]} ours over fio's, pair by pair
 */
export function measureAgreement({ repeats, runtime, size, directory }) {
  const place = directory === null ? [] : ['--directory', directory];
  return PAIRS.map(({ id, title, sides, options }) => {
    const job = ['--rw=randread', '--bs=4k', `--size=${size}`, `--runtime=${runtime}`, ...options];
    const args = ['compare', ...sides, ...job, ...place, '--repeats', String(repeats), '--output-format=json'];
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
    if (status !== 0) return { id, title, iops: [], p50: [], reason: stderr.trim() || `compare ended with ${status}` };
    const [fio, ours] = JSON.parse(stdout).sections[0].sides;
    const reason = fio.unavailable ?? ours.unavailable;
    return { id, title, iops: ratios(ours, fio, 'iops'), p50: ratios(ours, fio, 'p50Ns'), reason };
  });
}

function ratios(ours, fio, quantity) {
  const pairs = Math.min(ours.repeats.length, fio.repeats.length);
  return Array.from({ length: pairs }, (_, index) => ours.repeats[index][quantity] / fio.repeats[index][quantity]);
}
