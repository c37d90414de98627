import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { describeEnvironment } from '../environment.js';
import { fileSystemOf } from '../file-system.js';
import type { MachineRecord } from '../results/run-result.js';
import type { JobPlan } from './job-plan.js';

/** What the run is made on. */
export function describeMachine(plans: readonly JobPlan[], loadAverage: number, otherCpuShare: number): MachineRecord {
  const path = plans.flatMap(({ target }) => (target.kind === 'file' ? [target.path] : []))[0] ?? null;
  const facts = { testFile: path ?? 'none', sizeBytes: 0, repeats: 1, sliceMs: 0, loadAverage, otherCpuShare };
  const {
    testFile: _,
    sizeBytes: __,
    repeats: ___,
    sliceMs: ____,
    ...machine
  } = describeEnvironment({
    ...facts,
    fileSystem: path === null ? 'none' : fileSystemOf(dirname(path)),
  });
  return { ...machine, governor: governor(), scheduler: path === null ? 'unknown' : schedulerOf(path) };
}

function governor(): string {
  try {
    return readFileSync('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}

/** The I/O scheduler of the disk that a file is on: the one in brackets. */
function schedulerOf(path: string): string {
  try {
    const stats = statSync(path, { throwIfNoEntry: false }) ?? statSync(dirname(path));
    const number = stats.isBlockDevice() ? stats.rdev : stats.dev;
    const minor = (number % 256) + Math.floor(number / 2 ** 20) * 256;
    const folder = realpathSync(`/sys/dev/block/${Math.floor(number / 256) % 4096}:${minor}`);
    // A partition has none of its own.
    for (const place of [folder, dirname(folder)]) {
      const text = readIfThere(`${place}/queue/scheduler`);
      if (text !== null) return /\[(.+?)\]/.exec(text)?.[1] ?? text.trim();
    }
  } catch {
    // No disk, or no Linux.
  }
  return 'unknown';
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
