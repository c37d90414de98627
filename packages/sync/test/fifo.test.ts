import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { KSemaphore } from '@biodone/sync';
import { describe, expect, it } from 'vitest';
import { startWorker } from './helpers.js';

// That a thread sleeps, and not only is about to, can be seen on Linux only.
const withProcfs = existsSync('/proc/thread-self');

describe.skipIf(!withProcfs)('sleeping threads (needs procfs)', () => {
  it('are woken in the order in which they fell asleep', async () => {
    const memory = new SharedArrayBuffer(KSemaphore.BYTES + 16);
    const semaphore = KSemaphore.initialize(memory, 0);
    const about = new Int32Array(memory, KSemaphore.BYTES, 1);
    const order: number[] = [];
    const ends: Promise<unknown>[] = [];
    for (let number = 0; number < 4; number++) {
      const worker = startWorker('sleeper', { memory, number });
      const [task] = (await once(worker, 'message')) as [string];
      worker.on('message', (woken: number) => order.push(woken));
      ends.push(once(worker, 'exit'));
      worker.postMessage('sleep');
      while (Atomics.load(about, 0) <= number || stateOf(task) !== 'S') await new Promise(setImmediate);
    }
    for (let number = 0; number < 4; number++) {
      semaphore.post();
      // Who has taken the unit says so before the next one is given.
      while (order.length <= number) await new Promise(setImmediate);
    }
    await Promise.all(ends);
    expect(order).toEqual([0, 1, 2, 3]);
  }, 30_000);
});

function stateOf(task: string): string | undefined {
  return /\) (.) /.exec(readFileSync(`/proc/self/task/${task}/stat`, 'utf8'))?.[1];
}
