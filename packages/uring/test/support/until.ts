import { setImmediate as turn } from 'node:timers/promises';

/** Lets the event loop turn until a condition holds. One that never does is an error. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`this has not come about: ${what}`);
    await turn();
  }
}
