import { AsyncLocalStorage } from 'node:async_hooks';
import type { PendingWait, WaitCallback, WaitOptions } from '@biodone/sync';
import { AbortError } from '@biodone/sync';
import { describe, expect, it } from 'vitest';
import { newCondvar, newMpscRing, newMutex, newRwlock, newSemaphore, newSpscRing } from './helpers.js';

// What all waits by callback and by promise have in common, tried on each of them.

interface Way {
  readonly name: string;
  /** Makes the thing, such that a wait for it has to wait. */
  make(): {
    wait(callback: WaitCallback, options?: WaitOptions): PendingWait;
    promise(options: { signal?: AbortSignal; timeoutMs?: number }): Promise<unknown>;
    /** Lets one wait end well. */
    release(): void;
    /** Makes the next release possible after a wait that ended well. */
    again(): void;
  };
}

const nothing = (): void => {};

/** How many queues of callbacks this thread remembers. */
function queuesOfThisThread(): number {
  const key = Object.getOwnPropertySymbols(globalThis).find(({ description }) => description?.includes('sync thread state'));
  return (globalThis as unknown as Record<symbol, { queues: Map<number, unknown> }>)[key as symbol]?.queues.size as number;
}

const ways: readonly Way[] = [
  {
    name: 'KMutex.enterCallback',
    make() {
      const mutex = newMutex();
      mutex.enter();
      return {
        wait: (callback, options) => mutex.enterCallback(callback, options),
        promise: (options) => mutex.enterAsync(options),
        release: () => mutex.exit(),
        again: nothing,
      };
    },
  },
  {
    name: 'KRwlock.enterCallback reader',
    make() {
      const lock = newRwlock();
      lock.enter('writer');
      return {
        wait: (callback, options) => lock.enterCallback('reader', callback, options),
        promise: (options) => lock.enterAsync('reader', options),
        release: () => lock.exit(),
        again: () => {
          lock.exit();
          lock.enter('writer');
        },
      };
    },
  },
  {
    name: 'KRwlock.enterCallback writer',
    make() {
      const lock = newRwlock();
      lock.enter('reader');
      return {
        wait: (callback, options) => lock.enterCallback('writer', callback, options),
        promise: (options) => lock.enterAsync('writer', options),
        release: () => lock.exit(),
        again: nothing,
      };
    },
  },
  {
    name: 'KSemaphore.waitCallback',
    make() {
      const semaphore = newSemaphore();
      return {
        wait: (callback, options) => semaphore.waitCallback(callback, options),
        promise: (options) => semaphore.waitAsync(options),
        release: () => semaphore.post(),
        again: nothing,
      };
    },
  },
  {
    name: 'KCondvar.waitCallback',
    make() {
      const mutex = newMutex();
      const condvar = newCondvar();
      return {
        wait(callback, options) {
          if (!mutex.owned()) mutex.enter();
          return condvar.waitCallback(mutex, callback, options);
        },
        promise(options) {
          if (!mutex.owned()) mutex.enter();
          return condvar.waitAsync(mutex, options);
        },
        release: () => condvar.signal(),
        again: () => mutex.exit(),
      };
    },
  },
  ...([newSpscRing, newMpscRing] as const).flatMap((make): Way[] => [
    {
      name: `${make().constructor.name}.waitForRecordsCallback`,
      make() {
        const ring = make();
        return {
          wait: (callback, options) => ring.waitForRecordsCallback(callback, options),
          promise: (options) => ring.waitForRecordsAsync(options),
          release: () => ring.push(Int32Array.of(1)),
          again: () => ring.pop(new Int32Array(1)),
        };
      },
    },
    {
      name: `${make().constructor.name}.waitForSpaceCallback`,
      make() {
        const ring = make();
        ring.push(Int32Array.of(1, 2, 3, 4), 4);
        return {
          wait: (callback, options) => ring.waitForSpaceCallback(1, callback, options),
          promise: (options) => ring.waitForSpaceAsync(1, options),
          release: () => ring.pop(new Int32Array(1)),
          again: () => ring.push(Int32Array.of(1)),
        };
      },
    },
  ]),
];

describe.each(ways.map((way) => [way.name, way] as const))('%s', (_name, way) => {
  it('calls back after the release, never before it has returned', async () => {
    const { wait, release } = way.make();
    let returned = false;
    await new Promise<void>((resolve) => {
      wait((error) => {
        expect(error).toBe(null);
        expect(returned).toBe(true);
        resolve();
      });
      returned = true;
      release();
      expect(returned).toBe(true);
    });
  });

  it('serves the callbacks of a thread in order', async () => {
    const { wait, release, again } = way.make();
    const order: number[] = [];
    await new Promise<void>((resolve) => {
      for (let number = 0; number < 3; number++) {
        wait((error) => {
          expect(error).toBe(null);
          order.push(number);
          if (number === 2) return resolve();
          again();
          release();
        });
      }
      release();
    });
    expect(order).toEqual([0, 1, 2]);
  });

  it('gives up when told, with ECANCELED, once', async () => {
    const { wait, release } = way.make();
    let calls = 0;
    const pending = await new Promise<PendingWait>((resolve) => {
      const started = wait((error) => {
        calls++;
        expect(error).toMatchObject({ code: 'ECANCELED', name: 'SyncError' });
        resolve(started);
      });
      expect(started.cancel()).toBe(true);
      expect(calls).toBe(0);
      expect(started.cancel()).toBe(false);
    });
    expect(pending.cancel()).toBe(false);
    release();
    await new Promise(setImmediate);
    expect(calls).toBe(1);
  });

  it('gives up at the deadline, with ETIMEDOUT', async () => {
    const { wait } = way.make();
    const start = performance.now();
    const code = await new Promise((resolve) => wait((error) => resolve(error?.code), { timeoutMs: 20 }));
    expect(code).toBe('ETIMEDOUT');
    expect(performance.now() - start).toBeGreaterThanOrEqual(19);
  });

  it('refuses a time that is none', () => {
    const { wait } = way.make();
    const before = queuesOfThisThread();
    for (const timeoutMs of [-1, Number.NaN]) {
      expect(() => wait(nothing, { timeoutMs })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    }
    expect(queuesOfThisThread()).toBe(before);
  });

  it('is rejected with the reason of an aborted signal', async () => {
    const { promise } = way.make();
    const controller = new AbortController();
    const waiting = promise({ signal: controller.signal });
    controller.abort(new Error('enough'));
    const error = await waiting.then(nothing, (reason: unknown) => reason);
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: new Error('enough') });
  });

  it('does not begin to wait with a signal that is aborted already', async () => {
    const { promise } = way.make();
    await expect(promise({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' });
  });

  it('leaves no listener on the signal', async () => {
    const { promise, release } = way.make();
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...values: Parameters<typeof add>) => {
      listeners++;
      add(...values);
    };
    signal.removeEventListener = (...values: Parameters<typeof remove>) => {
      listeners--;
      remove(...values);
    };
    const waiting = promise({ signal });
    expect(listeners).toBe(1);
    release();
    await waiting;
    expect(listeners).toBe(0);
  });

  it('calls back in the context of whoever waits', async () => {
    const { wait, release, again } = way.make();
    const storage = new AsyncLocalStorage<number>();
    const seen: unknown[] = [];
    await new Promise<void>((resolve) => {
      for (const number of [1, 2]) {
        storage.run(number, () =>
          wait(() => {
            seen.push(storage.getStore());
            if (number === 2) return resolve();
            again();
            release();
          }),
        );
      }
      release();
    });
    expect(seen).toEqual([1, 2]);
  });
});
