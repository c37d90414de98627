import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { KMutex, KSemaphore } from '@biodone/sync';
import { describe, expect, it } from 'vitest';
import { startWorker } from './helpers.js';

// That a thread sleeps, and not only is about to, can be seen on Linux only.
const withProcfs = existsSync('/proc/thread-self');

/** Starts four workers that fall asleep one after the other. */
async function sleepers(memory: SharedArrayBuffer, kind: string, woken: (number: number) => void): Promise<Promise<unknown>[]> {
  const about = new Int32Array(memory, KSemaphore.BYTES, 1);
  const ends: Promise<unknown>[] = [];
  for (let number = 0; number < 4; number++) {
    const worker = startWorker('sleeper', { memory, number, kind });
    const [task] = (await once(worker, 'message')) as [string];
    worker.on('message', woken);
    ends.push(once(worker, 'exit'));
    worker.postMessage('sleep');
    while (Atomics.load(about, 0) <= number || stateOf(task) !== 'S') await new Promise(setImmediate);
  }
  return ends;
}

describe.skipIf(!withProcfs)('sleeping threads (needs procfs)', () => {
  it('are woken in the order in which they fell asleep', async () => {
    const memory = new SharedArrayBuffer(KSemaphore.BYTES + 16);
    const semaphore = KSemaphore.initialize(memory, 0);
    const order: number[] = [];
    const ends = await sleepers(memory, 'semaphore', (number) => order.push(number));
    for (let number = 0; number < 4; number++) {
      semaphore.post();
      // Who has taken the unit says so before the next one is given.
      while (order.length <= number) await new Promise(setImmediate);
    }
    await Promise.all(ends);
    expect(order).toEqual([0, 1, 2, 3]);
  }, 30_000);

  it('get a mutex in that order, as long as nobody who runs overtakes them', async () => {
    const memory = new SharedArrayBuffer(KMutex.BYTES + 24);
    const mutex = KMutex.initialize(memory, 0);
    mutex.enter();
    const ends = await sleepers(memory, 'mutex', () => {});
    mutex.exit();
    await Promise.all(ends);
    expect(Array.from(new Int32Array(memory, KMutex.BYTES + 8, 4))).toEqual([0, 1, 2, 3]);
  }, 30_000);
});

function stateOf(task: string): string | undefined {
  return /\) (.) /.exec(readFileSync(`/proc/self/task/${task}/stat`, 'utf8'))?.[1];
}
