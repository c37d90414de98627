import { readFileSync } from 'node:fs';
import type { Ring } from '@biodone/uring';

/** The places of a ring's table of registered files that have one, and what. */
export function registeredFiles(ring: Ring): string[] {
  // What comes after the table is there as soon as the kernel tells of the table.
  ringInfo(ring, 'UserBufs');
  const info = readFileSync(`/proc/self/fdinfo/${ring.fd}`, 'utf8');
  return [...info.matchAll(/^ *\d+: .*$/gm)].map(([line]) => line.trim());
}

/** A number of what the kernel tells of a ring in /proc/self/fdinfo: `SqThread`, `CqMask`. */
export function ringInfo(ring: Ring, name: string): number {
  // It tells only of a ring that its polling thread is not just at work on.
  for (let attempt = 0; attempt < 100_000; attempt++) {
    const found = new RegExp(`^${name}:\\s*(0x[0-9a-f]+|-?\\d+)$`, 'm').exec(
      readFileSync(`/proc/self/fdinfo/${ring.fd}`, 'utf8'),
    );
    if (found !== null) return Number(found[1]);
  }
  throw new Error(`the kernel tells of no ${name} of a ring`);
}
