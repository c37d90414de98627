import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import { probe } from '@biodone/uring';
import { fileSystemOf } from '../file-system.js';
import { PROGRAM_NAME, packageVersions, programVersion } from '../program.js';
import type { MachineRecord } from '../results/run-result.js';
import { diskOf, schedulerOf } from './disk.js';

/** What only the run itself knows. */
export interface MachineFacts {
  /** The file, folder or device that is measured on, null where there is none. */
  readonly target: string | null;
  readonly loadAverage: number;
  readonly otherCpuShare: number;
}

/** The machine and the programs that figures depend on. */
export function machineRecord({ target, loadAverage, otherCpuShare }: MachineFacts): MachineRecord {
  return {
    program: PROGRAM_NAME,
    version: programVersion(),
    packages: packageVersions(),
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: `${type()} ${release()}`,
    architecture: process.arch,
    governor: governor(),
    clockSource: textOf('/sys/devices/system/clocksource/clocksource0/current_clocksource') ?? 'unknown',
    node: process.version,
    libuv: process.versions.uv,
    threadPoolSize: Number(process.env['UV_THREADPOOL_SIZE'] ?? 4),
    ioUring: probe().reason ?? 'available',
    fileSystem: target === null ? 'none' : fileSystemOf(target),
    scheduler: target === null ? 'unknown' : schedulerOf(diskOf(target)),
    loadAverage,
    otherCpuShare,
  };
}

/** The load before the run. */
export function currentLoad(): number {
  return loadavg()[0] ?? 0;
}

/** Starts to watch the CPUs. The function that is returned gives the share of others since then. */
export function watchOtherCpu(): () => number {
  const machine = machineMs();
  const own = process.cpuUsage();
  return () => {
    const now = machineMs();
    const { user, system } = process.cpuUsage(own);
    const others = now.busy - machine.busy - (user + system) / 1000;
    return Math.min(1, Math.max(0, others / Math.max(1, now.total - machine.total)));
  };
}

function machineMs(): { busy: number; total: number } {
  let total = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    total += times.user + times.nice + times.sys + times.idle + times.irq;
    idle += times.idle;
  }
  return { busy: total - idle, total };
}

/** The governors of all CPUs, each once. */
function governor(): string {
  const folder = '/sys/devices/system/cpu/cpufreq';
  let policies: string[] = [];
  try {
    policies = readdirSync(folder);
  } catch {
    // The hypervisor decides how fast the CPUs of a virtual machine are.
  }
  const found = policies.map((policy) => textOf(`${folder}/${policy}/scaling_governor`)).filter((text) => text !== null);
  return found.length === 0 ? 'unknown' : [...new Set(found)].join(', ');
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
}
