import { existsSync, readlinkSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { libc, openEventFd, prepareNop, RingWaker, ThreadRing, wakeRing } from '@biodone/uring';
import { expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { describeRing } from './support/available.js';
import { Probe } from './support/requests.js';

/** Whether the descriptor is an eventfd, and so not given back. */
function isEventFd(fd: number): boolean {
  const link = `/proc/self/fd/${fd}`;
  return existsSync(link) && readlinkSync(link).includes('eventfd');
}

describeRing('RingWaker', () => {
  it('ends a wait from another thread, again and again', async () => {
    const ring = new ThreadRing({ eventLoop: false });
    const waker = new RingWaker(ring);
    const rounds = 2000;
    const go = new Int32Array(new SharedArrayBuffer(4));
    const workerData = { go, rounds, eventFd: waker.eventFd };
    const worker = new Worker(new URL('./support/waker-worker.mjs', import.meta.url), { workerData });
    await answerOf(worker);
    for (let round = 1; round <= rounds; round++) {
      waker.arm();
      Atomics.store(go, 0, round);
      Atomics.notify(go, 0);
      // Only the waker can complete, so a wake-up that was lost ends the test.
      expect(ring.wait(10_000)).toBe(1);
    }
    expect(ring.inFlight).toBe(0);
    waker.close();
    expect(isEventFd(waker.eventFd)).toBe(false);
    ring.closeSync();
  });

  it('spares the next wait where the wake came first, once for several', () => {
    const ring = new ThreadRing({ eventLoop: false });
    const waker = new RingWaker(ring);
    wakeRing(waker.eventFd);
    wakeRing(waker.eventFd);
    waker.arm();
    expect(ring.wait(10_000)).toBe(1);
    waker.arm();
    waker.arm();
    expect(ring.inFlight).toBe(1);
    expect(ring.wait(5)).toBe('ETIME');
    waker.close();
    expect(ring.inFlight).toBe(0);
    ring.closeSync();
  });

  it('wakes by an eventfd of somebody else, and leaves that open', () => {
    const ring = new ThreadRing({ eventLoop: false });
    const eventFd = openEventFd();
    const waker = new RingWaker(ring, eventFd);
    expect(waker.eventFd).toBe(eventFd);
    waker.arm();
    wakeRing(eventFd);
    expect(ring.wait(10_000)).toBe(1);
    waker.close();
    expect(isEventFd(eventFd)).toBe(true);
    libc().close(eventFd);
    ring.closeSync();
  });

  it('lets other requests complete while it is armed, and can be closed armed or not', () => {
    const ring = new ThreadRing({ eventLoop: false });
    const waker = new RingWaker(ring);
    waker.arm();
    const other = new Probe();
    prepareNop(other);
    ring.start(other);
    expect(ring.wait(10_000)).toBe(1);
    expect([other.result, ring.inFlight]).toEqual([0, 1]);
    waker.close();
    const unused = new RingWaker(ring);
    expect(isEventFd(unused.eventFd)).toBe(true);
    unused.close();
    expect(isEventFd(unused.eventFd)).toBe(false);
    ring.closeSync();
  });
});
