import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { threadId as thisThreadId } from 'node:worker_threads';
import { KMutex } from '@biodone/sync';
import { describe, expect, it } from 'vitest';
import { answerOf, errorOf, newCondvar, newMutex, startWorker } from './helpers.js';

// Only there does the system say which threads are alive; elsewhere ownerExited() does it alone.
const withProcfs = existsSync('/proc/thread-self');

async function deadOwner(): Promise<{ mutex: KMutex; memory: SharedArrayBuffer; threadId: number }> {
  const memory = new SharedArrayBuffer(KMutex.BYTES + 8);
  const mutex = KMutex.initialize(memory, 0, { robust: true });
  const worker = startWorker('mutex-holder', { memory });
  const { threadId } = worker;
  await once(worker, 'message');
  await worker.terminate();
  return { mutex, memory, threadId };
}

describe('a robust KMutex', () => {
  it('is an ordinary one as long as nobody dies', async () => {
    const mutex = newMutex(true);
    expect(mutex.enter()).toBe('OK');
    expect(mutex.ownerDied()).toBe(false);
    expect(errorOf(() => mutex.makeConsistent())).toMatchObject({ code: 'EINVAL', syscall: 'mutex_consistent' });
    mutex.exit();
    expect(errorOf(() => mutex.makeConsistent()).code).toBe('EPERM');
    expect(errorOf(() => mutex.exit()).code).toBe('EPERM');
    expect(await mutex.enterAsync()).toBe('OK');
    mutex.exit();
    expect(mutex.timedEnter(1)).toBe(true);
  });

  it.skipIf(!withProcfs)('tells the next owner that the last one has died (needs procfs)', async () => {
    const { mutex } = await deadOwner();
    expect(mutex.enter()).toBe('EOWNERDEAD');
    expect(mutex.ownerDied()).toBe(true);
    mutex.makeConsistent();
    expect(mutex.ownerDied()).toBe(false);
    mutex.exit();
    expect(mutex.enter()).toBe('OK');
  });

  it.skipIf(!withProcfs)('tells it to a promise and to a deadline too (needs procfs)', async () => {
    const first = await deadOwner();
    expect(await first.mutex.enterAsync()).toBe('EOWNERDEAD');
    const second = await deadOwner();
    expect(second.mutex.timedEnter(10_000)).toBe(true);
    expect(second.mutex.ownerDied()).toBe(true);
  });

  it('learns the death from somebody who knows', async () => {
    const { mutex, threadId } = await deadOwner();
    expect(mutex.ownerExited(threadId + 1000)).toBe(false);
    expect(mutex.ownerExited(threadId)).toBe(true);
    expect(mutex.ownerExited(threadId)).toBe(false);
    expect(mutex.tryEnter()).toBe(true);
    expect(mutex.ownerDied()).toBe(true);
    mutex.makeConsistent();
    mutex.exit();
    expect(mutex.tryEnter()).toBe(true);
    expect(mutex.ownerDied()).toBe(false);
  });

  it('wakes a worker that sleeps for the mutex of a dead one', async () => {
    const { memory, mutex, threadId } = await deadOwner();
    const heir = answerOf<string>(startWorker('mutex-heir', { memory }));
    mutex.ownerExited(threadId);
    expect(await heir).toBe('EOWNERDEAD');
  });

  it('is lost if nobody repairs what it protects', async () => {
    const { mutex, threadId } = await deadOwner();
    mutex.ownerExited(threadId);
    expect(mutex.enter()).toBe('EOWNERDEAD');
    const waiting = mutex.enterAsync();
    mutex.exit();
    const lost = expect.objectContaining({ code: 'ENOTRECOVERABLE' });
    await expect(waiting).rejects.toEqual(lost);
    expect(() => mutex.enter()).toThrow(lost);
    expect(() => mutex.tryEnter()).toThrow(lost);
    expect(() => mutex.timedEnter(1)).toThrow(lost);
    await expect(mutex.enterAsync()).rejects.toEqual(lost);
  });

  it('refuses thread ids that are none, and its own', () => {
    const mutex = newMutex(true);
    for (const threadId of [-1, 1.5, Number.NaN, thisThreadId]) {
      expect(errorOf(() => mutex.ownerExited(threadId))).toMatchObject({ code: 'EINVAL', syscall: 'mutex_owner_exited' });
    }
    mutex.enter();
    expect(errorOf(() => mutex.ownerExited(thisThreadId)).code).toBe('EINVAL');
    expect(mutex.owned()).toBe(true);
    expect(mutex.ownerDied()).toBe(false);
  });

  it('tells an aborted wait for a condition variable that it is lost', async () => {
    const { mutex, threadId } = await deadOwner();
    mutex.ownerExited(threadId);
    expect(mutex.enter()).toBe('EOWNERDEAD');
    const controller = new AbortController();
    // Frees the mutex without makeConsistent().
    const waiting = newCondvar().waitAsync(mutex, { signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'SyncError', code: 'ENOTRECOVERABLE' });
    expect(mutex.owned()).toBe(false);
  });

  it('is only robust if it was made so', () => {
    expect(errorOf(() => newMutex().ownerExited(1))).toMatchObject({ code: 'EINVAL', syscall: 'mutex_owner_exited' });
  });
});
