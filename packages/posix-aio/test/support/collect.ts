import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

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
