import { once } from 'node:events';
import { KMutex } from '@biodone/sync';
import { describe, expect, it } from 'vitest';
import { answersOf, errorOf, newMutex, startWorker } from './helpers.js';

describe('KMutex', () => {
  it('is taken, refused while taken, and freed', () => {
    const mutex = newMutex();
    expect(mutex.owned()).toBe(false);
    expect(mutex.enter()).toBe('OK');
    expect(mutex.owned()).toBe(true);
    expect(mutex.tryEnter()).toBe(false);
    mutex.exit();
    expect(mutex.owned()).toBe(false);
    expect(mutex.tryEnter()).toBe(true);
    mutex.exit();
    expect(mutex.timedEnter(0)).toBe(true);
  });

  it('is one lock for all views of a place', () => {
    const memory = new SharedArrayBuffer(3 * KMutex.BYTES);
    const mutex = KMutex.initialize(memory, KMutex.BYTES);
    const other = KMutex.initialize(memory, 2 * KMutex.BYTES);
    const view = new KMutex(memory, KMutex.BYTES);
    mutex.enter();
    expect(view.owned()).toBe(true);
    expect(other.tryEnter()).toBe(true);
    view.exit();
    expect(mutex.owned()).toBe(false);
  });

  it('tells an exit without owning it', () => {
    const error = errorOf(() => newMutex().exit());
    expect(error).toMatchObject({ code: 'EPERM', errno: -1, syscall: 'mutex_exit', name: 'SyncError' });
    expect(error.message).toBe('EPERM: operation not permitted, mutex_exit: this thread does not own the mutex');
  });

  it('tells an exit of what another thread owns', async () => {
    const memory = new SharedArrayBuffer(KMutex.BYTES + 8);
    const mutex = KMutex.initialize(memory, 0);
    const worker = startWorker('mutex-holder', { memory });
    await once(worker, 'message');
    expect(mutex.owned()).toBe(false);
    expect(errorOf(() => mutex.exit()).code).toBe('EPERM');
    expect(mutex.tryEnter()).toBe(false);
    expect(mutex.timedEnter(5)).toBe(false);
    worker.postMessage('go on');
    mutex.enter();
    mutex.exit();
  });

  it('tells a thread that would wait for itself', () => {
    const mutex = newMutex();
    mutex.enter();
    expect(errorOf(() => mutex.enter())).toMatchObject({ code: 'EDEADLK', syscall: 'mutex_enter' });
    expect(errorOf(() => mutex.timedEnter(1))).toMatchObject({ code: 'EDEADLK', syscall: 'mutex_timedenter' });
    expect(errorOf(() => mutex.timedEnter(-1)).code).toBe('EINVAL');
    mutex.exit();
    expect(mutex.tryEnter()).toBe(true);
  });

  it('belongs to the thread after a callback, and is freed by any function of it', async () => {
    const mutex = newMutex();
    expect(await mutex.enterAsync()).toBe('OK');
    expect(mutex.owned()).toBe(true);
    expect(errorOf(() => mutex.enter()).code).toBe('EDEADLK');
    mutex.exit();
    expect(mutex.owned()).toBe(false);
  });

  it('hands itself from one promise to the next in a thread', async () => {
    const mutex = newMutex();
    let inside = 0;
    let turns = 0;
    const run = async (): Promise<void> => {
      for (let round = 0; round < 100; round++) {
        await mutex.enterAsync();
        expect(++inside).toBe(1);
        await null;
        inside--;
        turns++;
        mutex.exit();
      }
    };
    await Promise.all([run(), run(), run()]);
    expect(turns).toBe(300);
  });

  it('has one owner at a time among threads that block, with deadlines and callbacks', async () => {
    const rounds = 30_000;
    const memory = new SharedArrayBuffer(KMutex.BYTES + 8);
    const mutex = KMutex.initialize(memory, 0);
    const shared = new Int32Array(memory, KMutex.BYTES, 2);
    const ways = ['enter', 'timedEnter', 'enterCallback', 'enterAsync'];
    const answers = answersOf<number>(
      'mutex-counter',
      ways.map((way) => ({ memory, rounds, way })),
    );
    for (let round = 0; round < 1000; round++) {
      await mutex.enterAsync();
      expect(shared[1]).toBe(0);
      shared[1] = 1;
      shared[0] = (shared[0] as number) + 1;
      shared[1] = 0;
      mutex.exit();
    }
    expect(await answers).toEqual([0, 0, 0, 0]);
    expect(shared[0]).toBe(ways.length * rounds + 1000);
  }, 60_000);

  it('wakes a sleeping worker though a callback of a busy thread waits too', async () => {
    const memory = new SharedArrayBuffer(KMutex.BYTES + 8);
    const mutex = KMutex.initialize(memory, 0);
    const shared = new Int32Array(memory, KMutex.BYTES, 2);
    mutex.enter();
    const worker = startWorker('mutex-sleeper', { memory });
    await once(worker, 'online');
    let called = false;
    mutex.enterCallback(() => {
      called = true;
      mutex.exit();
    });
    // The callback's wait is registered once this thread has been in its event loop; the worker sleeps soon after it says so.
    while (Atomics.load(shared, 0) === 0) await new Promise(setImmediate);
    mutex.exit();
    // From here on this thread is busy: it blocks until the worker has had the mutex.
    expect(Atomics.wait(shared, 1, 0, 20_000)).not.toBe('timed-out');
    expect(called).toBe(false);
    while (!called) await new Promise(setImmediate);
  }, 30_000);
});
