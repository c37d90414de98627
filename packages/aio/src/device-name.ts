import type { BlockDevice } from '@biodone/blockdev';

/** What the errors of a device call it, as their `path`: the first file that it lies on; if there is none, its driver. */
export function nameOfDevice(device: BlockDevice): string {
  const description = device.describe();
  return pathIn(description) ?? String(description['driver'] ?? 'device');
}

function pathIn(description: unknown): string | null {
  if (typeof description !== 'object' || description === null) return null;
  const { path, devices } = description as { path?: unknown; devices?: unknown };
  if (typeof path === 'string') return path;
  if (!Array.isArray(devices)) return null;
  for (const device of devices) {
    const found = pathIn(device);
    if (found !== null) return found;
  }
  return null;
}
