import { prepareTimeout, ThreadRing } from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { Probe } from './support/requests.js';

describeRing('work that the kernel defers', () => {
  // The kernel, on another CPU, may mark work as pending after this thread has already done it (io_req_local_work_add() in
  // io_uring/io_uring.c adds first and marks then). A mark that stayed would make the ring look ready for ever.
  it.each(['deferred', 'cooperative'] as const)('leaves no ring ready in which nothing is to come: %s', (taskRun) => {
    const ring = new ThreadRing({ eventLoop: false, taskRun });
    const timers = Array.from({ length: 64 }, () => new Probe());
    let delivered = 0;
    for (let round = 0; round < 400; round++) {
      for (const [index, timer] of timers.entries()) {
        prepareTimeout(timer, index / 256);
        ring.start(timer);
      }
      ring.flush();
      // By polling, so that this thread is as fast as it can be.
      while (ring.inFlight > 0) delivered += ring.poll();
      ring.poll();
      expect(ring.ring.ready).toBe(false);
    }
    expect(delivered).toBe(400 * timers.length);
    ring.closeSync();
  });
});
