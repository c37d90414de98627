import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collects garbage until nobody holds what this refers to. The test's own time limit ends it. */
export async function untilCollected(reference: WeakRef<object>): Promise<void> {
  while (reference.deref() !== undefined) {
    // Within a turn what was looked at is kept.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
}

/** How much memory all objects take that somebody holds, in bytes. */
export function heldBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
