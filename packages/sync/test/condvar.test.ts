import { KCondvar, KMutex } from '@biodone/sync';
import { describe, expect, it } from 'vitest';
import { answersOf, errorOf, newCondvar, newMutex } from './helpers.js';

describe('KCondvar', () => {
  it('gives up at the deadline, and owns the mutex again', () => {
    const [mutex, condvar] = [newMutex(), newCondvar()];
    mutex.enter();
    const start = performance.now();
    expect(condvar.timedWait(mutex, 20)).toBe(false);
    expect(performance.now() - start).toBeGreaterThanOrEqual(19);
    expect(mutex.owned()).toBe(true);
    expect(condvar.hasWaiters()).toBe(false);
  });

  it('tells a wait without the mutex, and a bad time', () => {
    const [mutex, condvar] = [newMutex(), newCondvar()];
    expect(errorOf(() => condvar.wait(mutex))).toMatchObject({ code: 'EPERM', syscall: 'cv_wait' });
    expect(errorOf(() => condvar.timedWait(mutex, 1))).toMatchObject({ code: 'EPERM', syscall: 'cv_timedwait' });
    expect(errorOf(() => condvar.waitCallback(mutex, () => {}))).toMatchObject({ code: 'EPERM', syscall: 'cv_wait' });
    mutex.enter();
    expect(errorOf(() => condvar.timedWait(mutex, Number.NaN))).toMatchObject({ code: 'EINVAL', syscall: 'cv_timedwait' });
    expect(errorOf(() => condvar.timedWait(mutex, -1)).code).toBe('EINVAL');
    expect(mutex.owned()).toBe(true);
  });

  it('frees the mutex for the time of a wait by callback, and owns it again in the end, whatever the end', async () => {
    const [mutex, condvar] = [newMutex(), newCondvar()];
    mutex.enter();
    const ended = condvar.waitAsync(mutex, { timeoutMs: 10 });
    expect(mutex.owned()).toBe(false);
    expect(condvar.hasWaiters()).toBe(true);
    await expect(ended).rejects.toMatchObject({ code: 'ETIMEDOUT', syscall: 'cv_wait' });
    expect(mutex.owned()).toBe(true);
    await expect(condvar.waitAsync(mutex, { signal: AbortSignal.timeout(10) })).rejects.toMatchObject({ code: 'ABORT_ERR' });
    expect(mutex.owned()).toBe(true);
    await expect(condvar.waitAsync(mutex, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' });
    expect(mutex.owned()).toBe(true);
    expect(condvar.hasWaiters()).toBe(false);
  });

  it('signals one callback of a thread, and broadcasts to all', async () => {
    const [mutex, condvar] = [newMutex(), newCondvar()];
    const woken: number[] = [];
    const waits = [0, 1, 2].map((number) => {
      mutex.enter();
      return condvar.waitAsync(mutex).then(() => {
        woken.push(number);
        mutex.exit();
      });
    });
    condvar.signal();
    await waits[0];
    await new Promise(setImmediate);
    expect(woken).toEqual([0]);
    condvar.broadcast();
    await Promise.all(waits);
    expect(woken).toEqual([0, 1, 2]);
  });

  it('does not remember a signal', async () => {
    const [mutex, condvar] = [newMutex(), newCondvar()];
    condvar.signal();
    condvar.broadcast();
    mutex.enter();
    expect(condvar.timedWait(mutex, 1)).toBe(false);
    await expect(condvar.waitAsync(mutex, { timeoutMs: 10 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  });

  it('loses no token between this thread and consumers that block or wait by promise', async () => {
    const memory = new SharedArrayBuffer(KMutex.BYTES + KCondvar.BYTES + 8);
    const mutex = KMutex.initialize(memory, 0);
    const condvar = KCondvar.initialize(memory, KMutex.BYTES);
    const shared = new Int32Array(memory, KMutex.BYTES + KCondvar.BYTES);
    const ways = ['wait', 'timedWait', 'waitAsync'];
    const answers = answersOf<number>(
      'condvar-consumer',
      ways.map((way) => ({ memory, way })),
    );
    const tokens = 10_000;
    for (let token = 0; token < tokens; token++) {
      mutex.enter();
      shared[0] = (shared[0] as number) + 1;
      condvar.signal();
      mutex.exit();
      // The consumers start with the help of this thread's event loop; and nobody else would have to sleep.
      if (token % 20 === 0) await new Promise(setImmediate);
    }
    mutex.enter();
    shared[1] = 1;
    condvar.broadcast();
    mutex.exit();
    const taken = await answers;
    expect(taken.reduce((sum, count) => sum + count, 0)).toBe(tokens);
    expect(shared[0]).toBe(0);
  }, 60_000);
});
