// How near `biodone-bench run` is to fio on the same way into the kernel: pairs that did the same job one after the other, with the same options,
// file and random map, O_DIRECT or from a page cache that was read in right before. By fio's defaults, which are `run`'s too, each I/O goes to the
// kernel by itself, and one completion is taken at a time.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { agreementOf } from './agreement-report.mjs';
import { keepCpusAwake } from './cpu-latency.mjs';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));

const DIRECT = { sides: ['fio:io_uring', 'uring'], turns: 2, isOnOneCpu: true, isAwake: true };
const DIRECT_D1 = { ...DIRECT, title: 'O_DIRECT, depth 1', options: ['--direct=1', '--iodepth=1'], ramp: 3 };

/**
 * What is compared: fio's engine, then ours, then what explains the difference.
 *
 * What a disk does varies by 15 % from one second to the next, and with where the scheduler puts a process: on the CPU that takes the disk's
 * interrupts, or beside it. So both sides of a direct pair run on the same CPU, and take `turns` for each repeat, whose result is the mean of those.
 *
 * Each turn is a process of its own, whose code V8 compiles while it runs: that goes on for some 40,000 I/Os, for which a disk takes seconds at depth
 * 1. So a turn counts after `ramp` times its own length.
 *
 * A CPU that sleeps takes its time to wake up, in a virtual machine from the host, and has lost what its caches had: that says more of the machine than
 * of who waits. So idle CPUs are kept awake, where that can be had; one pair shows what it is with CPUs that sleep.
 */
const PAIRS = [
  { id: 'agree_direct_d1', ...DIRECT_D1 },
  { id: 'agree_direct_d32', ...DIRECT, title: 'O_DIRECT, depth 32', options: ['--direct=1', '--iodepth=32'], ramp: 1 },
  { id: 'agree_direct_sleepy_d1', ...DIRECT_D1, isAwake: false },
  {
    id: 'agree_cached_d1',
    title: 'cached, depth 1',
    sides: ['fio:psync', 'sync', 'fs-sync', 'fio:null', 'null'],
    options: ['--iodepth=1'],
    turns: 1,
    isExplained: true,
  },
];

export function measureAgreement({ repeats, runtimeMs, size, directory }) {
  const place = directory === null ? [] : ['--directory', directory];
  return PAIRS.map((pair) => {
    const times = [`--runtime=${runtimeMs}ms`, ...(pair.ramp === undefined ? [] : [`--ramp_time=${runtimeMs * pair.ramp}ms`])];
    const job = ['--rw=randread', '--bs=4k', `--size=${size}`, ...times, ...pair.options];
    const args = ['compare', ...pair.sides, ...job, ...place, '--repeats', String(repeats * pair.turns), '--output-format=json'];
    const letSleep = pair.isAwake === true ? keepCpusAwake() : null;
    const { status, stdout, stderr } = runOn(pair.isOnOneCpu === true ? lastCpu() : null, [process.execPath, PROGRAM, ...args]);
    letSleep?.();
    const title = pair.isAwake !== undefined && letSleep === null ? `${pair.title}, CPUs that sleep` : pair.title;
    if (status === 0) return agreementOf({ ...pair, title }, JSON.parse(stdout).sections[0].sides);
    const { id, isExplained = false } = pair;
    const reason = stderr.trim() || `compare ended with ${status}`;
    return { id, title, isExplained, iops: [], p50: [], breakdown: null, reason };
  });
}

/** Runs a program, on the CPU of this number alone where it is one. */
function runOn(cpu, [file, ...args]) {
  const options = { encoding: 'utf8' };
  return cpu === null ? spawnSync(file, args, options) : spawnSync('taskset', ['-c', String(cpu), file, ...args], options);
}

/** The last CPU that this process may run on, or null where taskset(1) is not there to ask. */
function lastCpu() {
  const { status, stdout } = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' });
  return status === 0 ? (stdout.match(/(\d+)\s*$/)?.[1] ?? null) : null;
}
