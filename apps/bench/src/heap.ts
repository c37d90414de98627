import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | null | undefined;

/** Collects the garbage of the path that ran before, so that the next one does not pay for it. */
export function settleHeap(): void {
  collect ??= findCollector();
  collect?.();
}

/** Contexts that are made after the flag was set have the function; without it the collector comes when it likes. */
function findCollector(): (() => void) | null {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('typeof gc === "function" ? gc : null');
  return typeof found === 'function' ? (found as () => void) : null;
}
