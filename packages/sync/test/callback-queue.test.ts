import { describe, expect, it } from 'vitest';
import { newMutex, newSemaphore } from './helpers.js';

describe('the callbacks of a thread', () => {
  it('are found again by exit() after an earlier queue of the same mutex has ended late', async () => {
    const mutex = newMutex();
    const ended: string[] = [];
    const first = mutex.enterCallback(() => {
      // Cancelling in a callback leaves a turn behind, in which the queue of these two has nothing to do any more.
      second.cancel();
      mutex.exit();
    });
    const second = mutex.enterCallback((error) => ended.push(error?.code ?? 'entered'));
    const third = Promise.resolve().then(() => {
      mutex.enter();
      return new Promise<void>((resolve) => {
        mutex.enterCallback(() => resolve());
      });
    });
    await new Promise(setImmediate);
    expect(ended).toEqual(['ECANCELED']);
    expect(first.cancel()).toBe(false);
    mutex.exit();
    await third;
    expect(mutex.owned()).toBe(true);
  }, 5000);

  it('wait longer than a timer of Node can', async () => {
    const semaphore = newSemaphore();
    let code: string | undefined;
    const pending = semaphore.waitCallback(
      (error) => {
        code = error?.code;
      },
      { timeoutMs: 2 ** 40 },
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(code).toBe(undefined);
    pending.cancel();
    await new Promise(setImmediate);
    expect(code).toBe('ECANCELED');
  });

  it('do not starve timers while they take turns for ever', async () => {
    const mutex = newMutex();
    let turns = 0;
    let stop = false;
    const again = (): void => {
      turns++;
      mutex.exit();
      if (!stop) mutex.enterCallback(again);
    };
    mutex.enterCallback(again);
    await new Promise((resolve) => setTimeout(resolve, 5));
    stop = true;
    expect(turns).toBeGreaterThan(1000);
    await mutex.enterAsync();
    mutex.exit();
  }, 5000);
});
