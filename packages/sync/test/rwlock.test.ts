import { KRwlock } from '@biodone/sync';
import { describe, expect, it } from 'vitest';
import { answerOf, answersOf, errorOf, newRwlock, startWorker } from './helpers.js';

describe('KRwlock', () => {
  it('has many readers or one writer', async () => {
    const memory = new SharedArrayBuffer(KRwlock.BYTES + 8);
    const lock = KRwlock.initialize(memory, 0);
    const other = startWorker('rwlock-partner', { memory });
    const ask = (question: string): Promise<boolean> => {
      other.postMessage(question);
      return answerOf<boolean>(other);
    };
    await answerOf(other);
    lock.enter('reader');
    expect(await ask('reader')).toBe(true);
    expect(await ask('exit')).toBe(true);
    expect(await ask('writer')).toBe(false);
    expect(lock.tryUpgrade()).toBe(true);
    expect(lock.writeHeld()).toBe(true);
    expect(await ask('reader')).toBe(false);
    lock.downgrade();
    expect(await ask('reader')).toBe(true);
    expect(lock.tryUpgrade()).toBe(false);
    expect(lock.readHeld()).toBe(true);
    lock.exit();
    expect(await ask('upgrade')).toBe(true);
    expect(lock.tryEnter('reader')).toBe(false);
    expect(lock.timedEnter('reader', 2)).toBe(false);
    expect(lock.timedEnter('writer', 2)).toBe(false);
    expect(errorOf(() => lock.exit()).code).toBe('EPERM');
    expect(await ask('exit')).toBe(true);
    expect(lock.tryEnter('writer')).toBe(true);
    await other.terminate();
  });

  it('lets no reader join while a writer waits', async () => {
    const lock = newRwlock();
    lock.enter('reader');
    const writer = lock.enterAsync('writer');
    await new Promise(setImmediate);
    expect(lock.tryEnter('reader')).toBe(false);
    lock.exit();
    await writer;
    expect(lock.writeHeld()).toBe(true);
  });

  it('tells misuse', () => {
    const lock = newRwlock();
    expect(errorOf(() => lock.exit())).toMatchObject({ code: 'EPERM', syscall: 'rw_exit' });
    expect(errorOf(() => lock.tryUpgrade())).toMatchObject({ code: 'EPERM', syscall: 'rw_tryupgrade' });
    expect(errorOf(() => lock.downgrade())).toMatchObject({ code: 'EPERM', syscall: 'rw_downgrade' });
    expect(errorOf(() => lock.enter('owner' as 'reader'))).toMatchObject({ code: 'EINVAL', syscall: 'rw_tryenter' });
    expect(errorOf(() => lock.timedEnter('reader', Number.NaN)).code).toBe('EINVAL');
    lock.enter('writer');
    expect(errorOf(() => lock.enter('reader'))).toMatchObject({ code: 'EDEADLK', syscall: 'rw_enter' });
    expect(errorOf(() => lock.enter('writer')).code).toBe('EDEADLK');
    expect(errorOf(() => lock.tryUpgrade()).code).toBe('EPERM');
    lock.downgrade();
    expect(errorOf(() => lock.enter('writer')).code).toBe('EDEADLK');
    expect(errorOf(() => lock.timedEnter('writer', 1))).toMatchObject({ code: 'EDEADLK', syscall: 'rw_timedenter' });
    lock.enter('reader');
    lock.exit();
    expect(lock.readHeld()).toBe(true);
    lock.exit();
    expect(errorOf(() => lock.exit()).code).toBe('EPERM');
  });

  it('keeps writers alone and readers consistent among workers', async () => {
    const memory = new SharedArrayBuffer(KRwlock.BYTES + 16);
    KRwlock.initialize(memory, 0);
    const rounds = 5000;
    const scripts = [
      { memory, rounds, role: 'writer', way: 'enter' },
      { memory, rounds, role: 'reader', way: 'enter' },
      { memory, rounds, role: 'writer', way: 'timedEnter' },
      { memory, rounds, role: 'reader', way: 'enterAsync' },
    ];
    expect(await answersOf<number>('rwlock-user', scripts)).toEqual([0, 0, 0, 0]);
    const [first, second] = new Int32Array(memory, KRwlock.BYTES, 2);
    expect([first, second]).toEqual([2 * rounds, 2 * rounds]);
  }, 60_000);
});
