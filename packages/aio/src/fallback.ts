import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { type BlockDevice, type DeviceHandle, isKnownEverywhere } from '@biodone/blockdev';
import type { CompleteOptions } from './pool-options.js';
import { ServiceThreads } from './service-threads.js';

/** The code of the warning. */
const WARNING = 'BIODONE_POOL_FALLBACK';

/**
 * Service threads for a device that this thread cannot serve well by itself, because only its event loop completes the requests; null if the device is
 * served inline. The process is told once.
 *
 * Devices that other threads cannot have stay inline: those that give no handle, and those whose drivers a thread would first have to import, unless
 * `modules` says from where.
 */
export function fallBack(device: BlockDevice, { depth, threads, asked }: CompleteOptions): ServiceThreads | null {
  if (device.capabilities.progress !== 'event-loop' || !mayStartThreads()) return null;
  const handle = handleOf(device);
  if (handle === null || ((asked.modules ?? []).length === 0 && !isKnownEverywhere(handle))) return null;
  const service = new ServiceThreads(device, depth, threads, asked);
  warnOnce(String(device.describe()['driver']));
  return service;
}

/** Node's permission model can forbid workers (node --permission without --allow-worker). */
function mayStartThreads(): boolean {
  const { permission } = process as { permission?: { has(scope: string): boolean } };
  return permission === undefined || permission.has('worker');
}

function handleOf(device: BlockDevice): DeviceHandle | null {
  try {
    return device.handle();
  } catch {
    // It is for one thread alone, or closed: what comes then is told by `submit`.
    return null;
  }
}

/** Threads that are started later have what is set here, and do not say it again. */
function warnOnce(driver: string): void {
  if (getEnvironmentData(WARNING) === true) return;
  setEnvironmentData(WARNING, true);
  const why = `a '${driver}' device completes requests in the event loop alone, as files do without io_uring`;
  const advice = `{ service: 'inline' } or { service: 'threads' } says which you want, and silences this`;
  process.emitWarning(`pools serve it by service threads: ${why}. ${advice}`, { code: WARNING });
}
