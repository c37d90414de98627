import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

/** Far more than a collection ever needs. */
const ROUNDS = 50;

/** Whether nobody holds what this refers to. */
export async function isCollected(reference: WeakRef<object>): Promise<boolean> {
  for (let round = 0; round < ROUNDS && reference.deref() !== undefined; round++) {
    // Within a turn what was looked at is kept.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  return reference.deref() === undefined;
}

/** How much memory all objects take that somebody holds, in bytes. */
export function heldBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** How much memory of array buffers is left by a collection of young objects alone, in bytes. */
export async function heldYoungBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect({ type: 'minor' });
  }
  return process.memoryUsage().arrayBuffers;
}
