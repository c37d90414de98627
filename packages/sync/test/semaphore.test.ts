import { KSemaphore } from '@biodone/sync';
import { describe, expect, it } from 'vitest';
import { answersOf, errorOf, newSemaphore } from './helpers.js';

describe('KSemaphore', () => {
  it('counts', () => {
    const semaphore = newSemaphore(2);
    semaphore.wait();
    expect(semaphore.tryWait()).toBe(true);
    expect(semaphore.tryWait()).toBe(false);
    expect(semaphore.timedWait(2)).toBe(false);
    semaphore.post(3);
    expect(semaphore.value()).toBe(3);
    expect(semaphore.timedWait(0)).toBe(true);
    expect(semaphore.value()).toBe(2);
  });

  it('tells numbers that are none, and more units than the limit', () => {
    const memory = new SharedArrayBuffer(KSemaphore.BYTES);
    for (const options of [{ count: -1 }, { count: 1.5 }, { limit: 0 }, { limit: 2 ** 31 }, { count: 3, limit: 2 }]) {
      expect(errorOf(() => KSemaphore.initialize(memory, 0, options))).toMatchObject({ code: 'EINVAL', syscall: 'sema_init' });
    }
    const semaphore = KSemaphore.initialize(memory, 0, { limit: 2, count: 1 });
    for (const count of [0, -1, 0.5, Number.NaN]) expect(errorOf(() => semaphore.post(count)).code).toBe('EINVAL');
    expect(errorOf(() => semaphore.timedWait(-1))).toMatchObject({ code: 'EINVAL', syscall: 'sema_timedwait' });
    semaphore.post();
    expect(errorOf(() => semaphore.post())).toMatchObject({ code: 'EOVERFLOW', syscall: 'sema_post' });
    expect(semaphore.value()).toBe(2);
  });

  it('never has more users than units, and gives each of them a turn', async () => {
    const memory = new SharedArrayBuffer(KSemaphore.BYTES + 8);
    const semaphore = KSemaphore.initialize(memory, 0, { count: 2 });
    const rounds = 5000;
    const ways = ['wait', 'timedWait', 'waitAsync', 'waitAsync'];
    const answers = await answersOf<number>(
      'semaphore-user',
      ways.map((way) => ({ memory, rounds, way })),
    );
    expect(Math.max(...answers)).toBeLessThanOrEqual(2);
    expect(new Int32Array(memory, KSemaphore.BYTES, 2)[1]).toBe(4 * rounds);
    expect(semaphore.value()).toBe(2);
  }, 60_000);
});
