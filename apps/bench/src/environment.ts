import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import { probe } from '@biodone/uring';
import { PROGRAM_NAME, packageVersions, programVersion } from './program.js';

/** The machine and the programs that figures depend on. */
export interface Environment {
  /** By which a report is recognized as one of this program. */
  readonly program: string;
  readonly version: string;
  readonly packages: Readonly<Record<string, string>>;
  readonly date: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly architecture: string;
  readonly fileSystem: string;
  readonly clockSource: string;
  readonly node: string;
  readonly libuv: string;
  /** Threads behind Node's own asynchronous calls. */
  readonly threadPoolSize: number;
  /** `'available'`, or why it is not. */
  readonly ioUring: string;
  readonly testFile: string;
  readonly sizeBytes: number;
  readonly repeats: number;
  /** How long each path ran in each repeat of a workload, in the last repeat. */
  readonly sliceMs: number;
  /** Of one minute, before the run. */
  readonly loadAverage: number;
  /** How much of the machine's CPU time went to others during the run, from 0 to 1: what figures suffer from. */
  readonly otherCpuShare: number;
}

/** What only the run itself knows. */
export type RunFacts = Pick<
  Environment,
  'testFile' | 'sizeBytes' | 'repeats' | 'sliceMs' | 'loadAverage' | 'otherCpuShare' | 'fileSystem'
>;

export function describeEnvironment(facts: RunFacts): Environment {
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
    clockSource: clockSource(),
    node: process.version,
    libuv: process.versions.uv,
    threadPoolSize: Number(process.env['UV_THREADPOOL_SIZE'] ?? 4),
    ioUring: probe().reason ?? 'available',
    ...facts,
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

function clockSource(): string {
  try {
    return readFileSync('/sys/devices/system/clocksource/clocksource0/current_clocksource', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
