// How near `biodone-bench run` is to fio on the same way into the kernel: pairs that did the same job one after the other, with the same block size,
// random map and file, O_DIRECT or from a page cache that was read in right before. By its own defaults fio takes a system call for each I/O, and one
// completion at a time; here both hand over and take as many as there are.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from '../../../scripts/bench-table.mjs';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** What is compared: fio's engine, then ours, then what explains the difference. */
const PAIRS = [
  { id: 'agree_direct_d1', title: 'O_DIRECT, depth 1', sides: ['fio:io_uring', 'uring'], options: ['--direct=1', '--iodepth=1'] },
  {
    id: 'agree_direct_d32',
    title: 'O_DIRECT, depth 32',
    sides: ['fio:io_uring', 'uring'],
    options: ['--direct=1', '--iodepth=32', '--iodepth_batch_submit=32', '--iodepth_batch_complete_max=32'],
  },
  {
    id: 'agree_cached_d1',
    title: 'cached, depth 1',
    sides: ['fio:psync', 'sync', 'fs-sync', 'fio:null', 'null'],
    options: ['--iodepth=1'],
  },
];

/** Who costs more than this share beside fio owes an explanation. */
const COST_MAX = 0.05;

/**
 * Measures all pairs.
 *
 * @param {{repeats: number, runtime: string, size: string, directory: string | null}} options
 * @returns {{id: string, title: string, iops: number[], p50: number[], breakdown: string[][] | null, reason: string | null}[]} ours over fio's,
 *   pair by pair; where ours costs more than 5 % of an I/O that blocks, what it is made of
 */
export function measureAgreement({ repeats, runtime, size, directory }) {
  const place = directory === null ? [] : ['--directory', directory];
  return PAIRS.map(({ id, title, sides, options }) => {
    const job = ['--rw=randread', '--bs=4k', `--size=${size}`, `--runtime=${runtime}`, ...options];
    const args = ['compare', ...sides, ...job, ...place, '--repeats', String(repeats), '--output-format=json'];
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
    const failed = { id, title, iops: [], p50: [], breakdown: null };
    if (status !== 0) return { ...failed, reason: stderr.trim() || `compare ended with ${status}` };
    const measured = JSON.parse(stdout).sections[0].sides;
    const [fio, ours] = measured;
    const iops = ratios(ours, fio, 'iops');
    const isCostly = iops.length > 0 && median(iops) < 1 - COST_MAX;
    return {
      id,
      title,
      iops,
      p50: ratios(ours, fio, 'p50Ns'),
      breakdown: isCostly && measured.length > 2 ? breakdownOf(measured) : null,
      reason: fio.unavailable ?? ours.unavailable,
    };
  });
}

/**
 * Where the time of an I/O goes: all sides were measured in the same series. An engine that does nothing shows what the loop around it costs, with
 * its clock and its statistics; the rest is the way to the system call, and the call.
 */
function breakdownOf([fio, ours, node, fioNull, ourNull]) {
  const [whole, oursWhole, nodeWhole, loop, ourLoop] = [fio, ours, node, fioNull, ourNull].map(({ repeats }) =>
    repeats.length === 0 ? Number.NaN : 1e9 / median(repeats.map(({ iops }) => iops)),
  );
  const ns = (value) => (Number.isNaN(value) ? 'not available' : value.toFixed(0));
  return [
    ['one cached read, nanoseconds', 'fio psync', 'biodone sync', 'fs.readSync', 'biodone over fio'],
    ['whole', ns(whole), ns(oursWhole), ns(nodeWhole), ns(oursWhole - whole)],
    ['of it the loop, its clock and statistics', ns(loop), ns(ourLoop), ns(ourLoop), ns(ourLoop - loop)],
    [
      'of it the call, down to the kernel and in it',
      ns(whole - loop),
      ns(oursWhole - ourLoop),
      ns(nodeWhole - ourLoop),
      ns(oursWhole - ourLoop - (whole - loop)),
    ],
  ];
}

function ratios(ours, fio, quantity) {
  const pairs = Math.min(ours.repeats.length, fio.repeats.length);
  return Array.from({ length: pairs }, (_, index) => ours.repeats[index][quantity] / fio.repeats[index][quantity]);
}
