import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { DiskUse } from '../results/run-result.js';

/** The folder of sysfs that tells of the whole disk a file or a block device is on, or null where there is none, as on tmpfs. */
export function diskOf(path: string): string | null {
  try {
    const stat = statSync(path);
    const device = stat.isBlockDevice() ? stat.rdev : stat.dev;
    const folder = realpathSync(`/sys/dev/block/${majorOf(device)}:${minorOf(device)}`);
    return existsSync(`${folder}/partition`) ? dirname(folder) : folder;
  } catch {
    return null;
  }
}

/** The I/O scheduler of a disk: what stands in brackets among those that it could have. */
export function schedulerOf(disk: string | null): string {
  if (disk === null) return 'unknown';
  try {
    const text = readFileSync(`${disk}/queue/scheduler`, 'utf8').trim();
    return /\[(.*)\]/.exec(text)?.[1] ?? text;
  } catch {
    return 'unknown';
  }
}

/**
 * Begins to watch a disk, by the counters that Documentation/block/stat.rst of the kernel tells of.
 *
 * @returns what it did since then, null where the kernel does not count
 */
export function watchDisk(disk: string): () => DiskUse | null {
  const before = counters(disk);
  const startedAt = performance.now();
  return () => {
    const now = counters(disk);
    if (before === null || now === null) return null;
    const since = now.map((value, index) => value - (before[index] ?? 0));
    const [readIos, readMerges, , readMs, writeIos, writeMerges, , writeMs, , busyMs, queueMs] = since as Fields;
    const utilPercent = Math.min(100, (100 * busyMs) / Math.max(1, performance.now() - startedAt));
    return { name: basename(disk), readIos, writeIos, readMerges, writeMerges, readMs, writeMs, queueMs, utilPercent };
  };
}

/** read I/Os, merges, sectors, ticks; the same of writes; in flight, io_ticks, time_in_queue. */
type Fields = [number, number, number, number, number, number, number, number, number, number, number];

function counters(disk: string): number[] | null {
  try {
    const fields = readFileSync(`${disk}/stat`, 'utf8').trim().split(/\s+/).map(Number);
    return fields.length < 11 ? null : fields;
  } catch {
    return null;
  }
}

/** As makedev(3) packs them, in 32 bits: the kernel's numbers are no larger. */
function majorOf(device: number): number {
  return (device >>> 8) & 0xfff;
}

function minorOf(device: number): number {
  return (device & 0xff) | ((device >>> 12) & 0xfff00);
}
