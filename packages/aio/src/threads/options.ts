import { availableParallelism } from 'node:os';
import { type BlockClaim, type BlockDevice, type BlockTimers, type DeviceHandle, threadTimers } from '@biodone/blockdev';
import { allowedCpus, ENOTSUP, SystemError } from '@biodone/uring';
import { type SpawnServiceThread, spawnWorker } from '../service-worker.js';

/** Options of service threads. */
export interface ServiceThreadsOptions {
  /**
   * After how many milliseconds a thread with nothing to do ends; `Infinity` for never.
   * @default 10000
   */
  idleMs?: number;
  /**
   * How many threads stay when there is nothing to do. They are started on need, as all are.
   * @default 0
   */
  threadsMin?: number;
  /**
   * Whether each thread is bound to a CPU of those that this process may use (sched_setaffinity(2), Linux). More threads than CPUs, as blocking
   * I/O may need, are never bound. Where it is refused the threads run unbound: `statistics()` says so.
   * @default true
   */
  bind?: boolean;
  /** By whose right the threads use the device. @default that of the device's own channel */
  claim?: BlockClaim | null;
  /**
   * Modules, by their URLs, that each thread imports before it opens its channel: what registers the device's driver there, for drivers that are not
   * @biodone/blockdev's own.
   * @default none
   */
  modules?: readonly string[];
  /** Takes the place of `new Worker`, for tests. @default a worker of this package */
  spawn?: SpawnServiceThread;
  /** The clock of restarts. @default this thread's */
  timers?: BlockTimers;
}

/** {@link ServiceThreadsOptions}, checked and filled in. */
export interface CheckedOptions {
  readonly idleMs: number;
  readonly threadsMin: number;
  readonly cpus: readonly number[];
  readonly claim: BlockClaim | null;
  readonly modules: readonly string[];
  readonly spawn: SpawnServiceThread;
  readonly timers: BlockTimers;
}

/** @throws RangeError ERR_OUT_OF_RANGE */
export function checkOptions(depth: number, threads: number, options: ServiceThreadsOptions): CheckedOptions {
  const { idleMs = 10_000, threadsMin = 0, bind = true, claim = null, spawn = spawnWorker, timers = threadTimers } = options;
  const { modules = [] } = options;
  checkInteger('depth', depth, 1, 65536);
  checkInteger('threads', threads, 1, 1024);
  checkInteger('threadsMin', threadsMin, 0, threads);
  if (!(idleMs > 0)) throw outOfRange('idleMs', '> 0, or Infinity', idleMs);
  if (!Array.isArray(modules) || modules.some((module) => typeof module !== 'string'))
    throw outOfRange('modules', 'an array of URLs as strings', modules);
  return { idleMs, threadsMin, cpus: bind ? cpusFor(threads) : [], claim, modules, spawn, timers };
}

let cpuCount = 0;

/** One per CPU that this process may use, as it was when the first pool asked: each of them asks. */
export function threadsDefault(): number {
  if (cpuCount === 0) cpuCount = allowedCpus()?.length ?? availableParallelism();
  return cpuCount;
}

/** What the threads open their channels by. @throws SystemError ENOTSUP for a device that one thread alone can use, EBADF for one that is closed */
export function handleFor(device: BlockDevice, claim: BlockClaim | null): DeviceHandle {
  try {
    return device.handle(claim);
  } catch (error) {
    if ((error as SystemError).errno !== -ENOTSUP) throw error;
    const name = String(device.describe()['driver']);
    const advice = `service threads cannot share a '${name}' device: serve it inline, or put it on top of what they share`;
    throw new SystemError(ENOTSUP, 'AioServicePool', undefined, `${advice} (${(error as SystemError).message})`, error);
  }
}

/** More threads than CPUs would stand in line on one while another one is free. */
function cpusFor(threads: number): number[] {
  const cpus = allowedCpus() ?? [];
  return threads > cpus.length ? [] : cpus;
}

function checkInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) throw outOfRange(name, `${least} to ${most}`, value);
}

function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${String(value)}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}
